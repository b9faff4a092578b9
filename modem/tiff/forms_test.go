package tiff

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/modem/t4"
)

var orders = []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian}

// without takes a field out of a file of one page made by build: its tag becomes
// one that nobody knows.
func without(order binary.AppendByteOrder, data []byte, tag uint16) []byte {
	read := order.(binary.ByteOrder)
	dir := data[read.Uint32(data[4:]):]
	for i := range int(read.Uint16(dir)) {
		if e := dir[2+12*i:]; read.Uint16(e) == tag {
			read.PutUint16(e, 65000)
		}
	}
	return data
}

// cut cuts a page into strips.
func cut(page *t4.Bitmap, rows int) (strips []*t4.Bitmap) {
	for y := 0; y < page.Height; y += rows {
		n := min(rows, page.Height-y)
		strips = append(strips, &t4.Bitmap{Width: page.Width, Height: n, Stride: page.Stride, Pix: page.Pix[y*page.Stride : (y+n)*page.Stride]})
	}
	return strips
}

// coders code a strip, each with the fields that say how.
var coders = map[string]struct {
	code   func(*t4.Bitmap) []byte
	fields []value
}{
	"not coded": {func(b *t4.Bitmap) []byte { return bytes.Clone(b.Pix) }, []value{short(tagCompression, 1)}},
	"MH": {func(b *t4.Bitmap) []byte { return t4.AppendMH(nil, b, t4.MHOptions{}) },
		[]value{short(tagCompression, 3)}},
	"MH with RTC": {func(b *t4.Bitmap) []byte { return t4.AppendMH(nil, b, t4.MHOptions{RTC: true, AlignEOL: true}) },
		[]value{short(tagCompression, 3), short(tagT4Options, 4)}},
	"MR": {func(b *t4.Bitmap) []byte { return t4.AppendMR(nil, b, t4.MROptions{K: 4}) },
		[]value{short(tagCompression, 3), {tagT4Options, typeLong, []uint32{1}}}},
	"MR with fill": {func(b *t4.Bitmap) []byte {
		return t4.AppendMR(nil, b, t4.MROptions{K: 2, RTC: true, AlignEOL: true, MinBits: 200})
	},
		[]value{short(tagCompression, 3), {tagT4Options, typeLong, []uint32{5}}}},
	"MMR": {func(b *t4.Bitmap) []byte { return t4.AppendMMR(nil, b) },
		[]value{short(tagCompression, 4), {tagT6Options, typeLong, []uint32{0}}}},
}

// TestStripForms: strips of any number, in any order in the file, in both orders
// of bits and of octets, black or white as zero, their lengths said or not.
func TestStripForms(t *testing.T) {
	page := testPage(11, 1725, 61)
	inverted := t4.NewBitmap(page.Width, page.Height)
	for i, v := range page.Pix {
		inverted.Pix[i] = ^v
	}
	for y := range inverted.Height { // T.4 codes pels, not what is past the edge
		inverted.Row(y)[page.Stride-1] &= 0xF8
	}
	for name, c := range coders {
		for form := range 1 << 5 {
			is := func(bit int) bool { return form>>bit&1 != 0 }
			lsb, black, backwards, silent, order := is(0), is(1), is(2), is(3), orders[form>>4]
			from := page
			fields := append([]value{short(tagImageWidth, 1725), short(tagImageLength, 61), short(tagRowsPerStrip, 20)}, c.fields...)
			if black {
				from, fields = inverted, append(fields, short(tagPhotometric, blackIsZero))
			}
			var coded [][]byte
			for _, s := range cut(from, 20) {
				data := c.code(s)
				if lsb {
					t4.Reverse(data)
				}
				coded = append(coded, data)
			}
			if lsb {
				fields = append(fields, short(tagFillOrder, fillLSBFirst))
			}
			data := build(order, coded, fields...)
			if backwards {
				data = buildBackwards(order, coded, fields...)
			}
			if silent {
				data = without(order, data, tagStripByteCounts)
			}
			f, err := open(data)
			if err != nil {
				t.Fatalf("%s, form %05b: %v", name, form, err)
			}
			if got, _, err := f.Page(0); err != nil || !got.Equal(page) {
				t.Errorf("%s: LSB first %v, black is zero %v, last strip first %v, no byte counts %v, %v: %v",
					name, lsb, black, backwards, silent, order, err)
			}
		}
	}
}

// buildBackwards is build, with the last strip first in the file.
func buildBackwards(order binary.AppendByteOrder, strips [][]byte, values ...value) []byte {
	var turned [][]byte
	for i := range strips {
		turned = append(turned, strips[len(strips)-1-i])
	}
	data := build(order, turned, values...)
	read := order.(binary.ByteOrder)
	turn := func(tag uint16) {
		dir := data[read.Uint32(data[4:]):]
		for i := range int(read.Uint16(dir)) {
			if e := dir[2+12*i:]; read.Uint16(e) == tag {
				at := data[read.Uint32(e[8:]):]
				for a, b := 0, len(strips)-1; a < b; a, b = a+1, b-1 {
					x, y := read.Uint32(at[4*a:]), read.Uint32(at[4*b:])
					read.PutUint32(at[4*a:], y)
					read.PutUint32(at[4*b:], x)
				}
			}
		}
	}
	turn(tagStripOffsets)
	turn(tagStripByteCounts)
	return data
}

// TestFieldForms: fields of other types than usual, needless, or of no sense.
func TestFieldForms(t *testing.T) {
	page := testPage(12, 200, 30)
	strip := [][]byte{t4.AppendMMR(nil, page)}
	long := func(tag uint16, n uint32) value { return value{tag, typeLong, []uint32{n}} }
	least := []value{short(tagImageWidth, 200), short(tagImageLength, 30), short(tagCompression, 4)}
	for _, c := range []struct {
		name   string
		fields []value
		err    error // nil: the page comes
		text   string
	}{
		{"the least", nil, nil, ""},
		{"all LONG", []value{long(tagBitsPerSample, 1), long(tagSamplesPerPixel, 1), long(tagPhotometric, 0), long(tagFillOrder, 1),
			long(tagOrientation, 1), long(tagResolutionUnit, 2), long(tagRowsPerStrip, 30), short(tagT6Options, 0)}, nil, ""},
		{"rows per strip without end", []value{long(tagRowsPerStrip, 1<<32-1)}, nil, ""},
		{"page number past the total", []value{{tagPageNumber, typeShort, []uint32{9, 2}}}, nil, ""},
		{"a page of many, old form", []value{short(tagSubfileType, 3)}, nil, ""},
		{"a thumbnail, old form", []value{short(tagSubfileType, 2)}, ErrFormat, "no pages"},
		{"a kind of file of no sense", []value{{tagNewSubfileType, typeShort, []uint32{1, 1}}}, nil, ""},
		{"tags of others", []value{short(34908, 7), {40000, 77, []uint32{1 << 31}}}, nil, ""},
		{"tiles", []value{short(tagTileWidth, 64)}, ErrUnsupported, "tiles"},
		{"two samples", []value{short(tagSamplesPerPixel, 2)}, ErrUnsupported, "black and white"},
		{"fill order 3", []value{short(tagFillOrder, 3)}, ErrFormat, "fill order 3"},
		{"orientation 9", []value{short(tagOrientation, 9)}, ErrFormat, "incomplete"},
		{"JBIG", []value{short(tagCompression, 9)}, ErrUnsupported, "compression 9"},
	} {
		for _, order := range orders {
			// The last one of two equal fields counts.
			f, err := open(build(order, strip, append(append([]value{}, least...), c.fields...)...))
			var got *t4.Bitmap
			if err == nil {
				got, _, err = f.Page(0)
			}
			switch {
			case c.err != nil && (!errors.Is(err, c.err) || !strings.Contains(err.Error(), c.text)):
				t.Errorf("%s, %v: %v", c.name, order, err)
			case c.err == nil && (err != nil || !got.Equal(page)):
				t.Errorf("%s, %v: does not come: %v", c.name, order, err)
			}
		}
	}
	for _, tag := range []uint16{tagStripOffsets, tagImageWidth, tagImageLength} {
		f, err := open(without(binary.LittleEndian, build(binary.LittleEndian, strip, least...), tag))
		if err == nil {
			_, _, err = f.Page(0)
		}
		if !errors.Is(err, ErrFormat) {
			t.Errorf("without tag %d: %v", tag, err)
		}
	}
}

// TestNearResolutions: programs round, and mean a resolution of T.4.
func TestNearResolutions(t *testing.T) {
	strip := [][]byte{t4.AppendMMR(nil, t4.NewBitmap(1728, 9))}
	for _, c := range []struct {
		unit uint32
		x, y uint32 // tenths
		want t4.Resolution
	}{
		{2, 2040, 980, t4.Standard},
		{2, 2030, 970, t4.Standard},
		{2, 2030, 980, t4.Standard},
		{2, 2032, 978, t4.Standard},
		{2, 2050, 1960, t4.Fine},
		{2, 2040, 3920, t4.Superfine},
		{2, 2000, 1000, t4.Inch200x100},
		{2, 2000, 2000, t4.Inch200},
		{2, 2000, 1960, t4.Resolution{X: 200, Y: 196}},
		{2, 3000, 3000, t4.Inch300},
		{2, 2400, 2400, t4.Resolution{X: 240, Y: 240}},
		{2, 720, 720, t4.Resolution{X: 72, Y: 72}},
		{3, 800, 385, t4.Standard},
		{3, 804, 385, t4.Standard},
		{3, 800, 770, t4.Fine},
		{3, 800, 1540, t4.Superfine},
		{3, 1600, 1540, t4.R16},
		{3, 1608, 1540, t4.R16},
		{3, 787, 787, t4.Inch200},
	} {
		for _, whole := range []bool{false, true} {
			fields := []value{short(tagImageWidth, 1728), short(tagImageLength, 9), short(tagCompression, 4), short(tagResolutionUnit, c.unit),
				{tagXResolution, typeRational, []uint32{c.x, 10}}, {tagYResolution, typeRational, []uint32{c.y, 10}}}
			if whole {
				if c.x%10 != 0 || c.y%10 != 0 {
					continue
				}
				fields = append(fields[:4], short(tagXResolution, c.x/10), value{tagYResolution, typeLong, []uint32{c.y / 10}})
			}
			f, err := open(build(binary.BigEndian, strip, fields...))
			if err != nil {
				t.Fatal(err)
			}
			if _, got, err := f.Page(0); err != nil || got != c.want {
				t.Errorf("%d x %d tenths, unit %d, whole numbers %v: %v, %v; want %v", c.x, c.y, c.unit, whole, got, err, c.want)
			}
		}
	}
}

// TestTruncated: a file cut off anywhere is refused, or gives the pages that it
// still has whole; never others.
func TestTruncated(t *testing.T) {
	pages := []*t4.Bitmap{testPage(1, 300, 12), testPage(2, 300, 12)}
	for name, opt := range codings {
		data := write(t, opt, t4.Fine, pages...)
		for n := range data {
			f, err := open(data[:n])
			if err != nil {
				checkKind(t, err)
				continue
			}
			for i := range f.Len() {
				got, _, err := f.Page(i)
				if err != nil {
					checkKind(t, err)
				} else if !got.Equal(pages[i]) {
					t.Errorf("%s, cut to %d of %d octets: page %d is another", name, n, len(data), i)
				}
			}
		}
	}
}
