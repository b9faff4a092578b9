package tiff

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/modem/t4"
)

// testPage is a page with something in every row.
func testPage(seed uint64, width, height int) *t4.Bitmap {
	r := rand.New(rand.NewPCG(seed, 9))
	b := t4.NewBitmap(width, height)
	for y := range height {
		row := b.Row(y)
		for range 5 {
			for x, n := r.IntN(width), r.IntN(40); n > 0 && x < width; x, n = x+1, n-1 {
				row[x/8] |= 0x80 >> (x % 8)
			}
		}
	}
	return b
}

func write(t testing.TB, opt Options, res t4.Resolution, pages ...*t4.Bitmap) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := NewWriter(&buf, opt)
	for _, p := range pages {
		if err := w.WritePage(p, res); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func open(data []byte) (*File, error) { return Open(bytes.NewReader(data), int64(len(data))) }

var codings = map[string]Options{
	"Group 4":            {},
	"Group 4, LSB first": {LSBFirst: true},
	"Group 3":            {Coding: Group3},
	"Group 3, LSB first": {Coding: Group3, LSBFirst: true},
	"Group 3, aligned":   {Coding: Group3, AlignEOL: true},
	"MR":                 {Coding: Group3MR},
	"MR, LSB first":      {Coding: Group3MR, LSBFirst: true, AlignEOL: true},
}

func TestRoundTrip(t *testing.T) {
	pages := []*t4.Bitmap{testPage(1, 1728, 300), testPage(2, 1728, 1), testPage(3, 2432, 77), testPage(4, 13, 40)}
	for name, opt := range codings {
		data := write(t, opt, t4.Standard, pages...)
		f, err := open(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for at := uint32(8); at != 0; at = binary.LittleEndian.Uint32(data[at+2+12*uint32(data[at]):]) {
			if at%2 != 0 {
				t.Errorf("%s: a directory begins at octet %d", name, at)
			}
		}
		if f.Len() != len(pages) {
			t.Fatalf("%s: %d pages", name, f.Len())
		}
		for i, want := range pages {
			got, res, err := f.Page(i)
			if err != nil || res != t4.Standard || !got.Equal(want) {
				t.Errorf("%s: page %d does not come back: %v, %v", name, i, res, err)
			}
		}
		if _, _, err := f.Page(len(pages)); err == nil {
			t.Errorf("%s: a page past the last one", name)
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	var buf bytes.Buffer
	w := NewWriter(&buf, Options{})
	for _, c := range []struct {
		page *t4.Bitmap
		res  t4.Resolution
		want error
	}{
		{t4.NewBitmap(0, 0), t4.Fine, ErrTooLarge},
		{t4.NewBitmap(1728, 0), t4.Fine, ErrTooLarge},
		{t4.NewBitmap(8, t4.MaxRows+1), t4.Fine, ErrTooLarge},
		{t4.NewBitmap(8, 1), t4.Resolution{}, ErrUnsupported},
	} {
		if err := w.WritePage(c.page, c.res); !errors.Is(err, c.want) {
			t.Errorf("%d x %d: %v", c.page.Width, c.page.Height, err)
		}
	}
	if err := w.Close(); err == nil || w.Close() == nil {
		t.Error("a file without pages was closed")
	}
	broken := NewWriter(failingWriter{}, Options{})
	if err := broken.WritePage(t4.NewBitmap(8, 1), t4.Fine); !errors.Is(err, errDisk) {
		t.Errorf("first page: %v", err)
	}
	if err := broken.Close(); !errors.Is(err, errDisk) {
		t.Errorf("close: %v", err)
	}
}

var errDisk = errors.New("no space")

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errDisk }

// value is a field of a file made by hand: numbers or, for a RATIONAL, pairs.
type value struct {
	tag, typ uint16
	numbers  []uint32
}

// build makes a file of one page, its strips in front, in either byte order.
func build(order binary.AppendByteOrder, strips [][]byte, values ...value) []byte {
	b := []byte("II*\x00")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		b = []byte("MM\x00*")
	}
	var offsets, counts []uint32
	var body []byte
	for _, s := range strips {
		offsets = append(offsets, uint32(8+len(body)))
		counts = append(counts, uint32(len(s)))
		body = append(body, s...)
	}
	values = append(values, value{tagStripOffsets, typeLong, offsets}, value{tagStripByteCounts, typeLong, counts})
	at := uint32(8 + len(body))
	outside := at + 2 + 12*uint32(len(values)) + 4
	b = append(order.AppendUint32(b, at), body...)
	b = order.AppendUint16(b, uint16(len(values)))
	var rest []byte
	for _, v := range values {
		var enc []byte
		count := uint32(len(v.numbers))
		for _, n := range v.numbers {
			if v.typ == typeShort {
				enc = order.AppendUint16(enc, uint16(n))
			} else {
				enc = order.AppendUint32(enc, n)
			}
		}
		if v.typ == typeRational {
			count /= 2
		}
		b = order.AppendUint32(order.AppendUint16(order.AppendUint16(b, v.tag), v.typ), count)
		if len(enc) > 4 {
			b = order.AppendUint32(b, outside+uint32(len(rest)))
			rest = append(rest, enc...)
		} else {
			b = append(b, append(enc, make([]byte, 4-len(enc))...)...)
		}
	}
	return append(order.AppendUint32(b, 0), rest...)
}

func short(tag uint16, n uint32) value { return value{tag, typeShort, []uint32{n}} }

func TestOtherForms(t *testing.T) {
	page := testPage(7, 1725, 50)
	rows := func(from, to int) *t4.Bitmap {
		return &t4.Bitmap{Width: page.Width, Height: to - from, Stride: page.Stride, Pix: page.Pix[from*page.Stride : to*page.Stride]}
	}
	size := []value{short(tagImageWidth, 1725), short(tagImageLength, 50)}
	with := func(more ...value) []value { return append(append([]value{}, size...), more...) }
	mmr := [][]byte{t4.AppendMMR(nil, rows(0, 20)), t4.AppendMMR(nil, rows(20, 40)), t4.AppendMMR(nil, rows(40, 50))}
	packed := []byte{0x80} // no operation
	for _, v := range page.Pix {
		packed = append(packed, 0, v)
	}
	inverted := bytes.Clone(page.Pix)
	for i := range inverted {
		inverted[i] = ^inverted[i]
	}
	for _, c := range []struct {
		name   string
		strips [][]byte
		values []value
	}{
		{"strips", mmr, with(short(tagCompression, 4), short(tagRowsPerStrip, 20))},
		{"T.4 with RTC", [][]byte{t4.AppendMH(nil, page, t4.MHOptions{RTC: true, MinBits: 200})}, with(short(tagCompression, 3))},
		{"T.4 with EOLs at octets", [][]byte{t4.AppendMH(nil, page, t4.MHOptions{AlignEOL: true})}, with(short(tagCompression, 3), short(tagT4Options, 4))},
		{"not coded", [][]byte{page.Pix}, with(short(tagCompression, 1))},
		{"black is zero", [][]byte{inverted}, with(short(tagPhotometric, 1))},
		{"PackBits", [][]byte{packed}, with(value{tagCompression, typeLong, []uint32{compressionPackBits}})},
	} {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			f, err := open(build(order, c.strips, c.values...))
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			got, res, err := f.Page(0)
			if err != nil || !got.Equal(page) || res != (t4.Resolution{}) {
				t.Errorf("%s, %v: does not come back: %v, %v", c.name, order, res, err)
			}
		}
	}
}

func TestResolution(t *testing.T) {
	rational := func(tag uint16, num, den uint32) value { return value{tag, typeRational, []uint32{num, den}} }
	for _, c := range []struct {
		name          string
		width, height uint32
		values        []value
		want          t4.Resolution
	}{
		{"inches", 1728, 10, []value{rational(tagXResolution, 2040, 10), rational(tagYResolution, 9779, 100)}, t4.Standard},
		{"centimetres", 1728, 10, []value{short(tagResolutionUnit, 3), rational(tagXResolution, 80, 1), rational(tagYResolution, 77, 1)}, t4.Fine},
		{"none, short", 1728, 1143, nil, t4.Standard},
		{"none, long", 2048, 2286, nil, t4.Fine},
		{"none, no fax", 1000, 2286, nil, t4.Resolution{}},
		{"a fraction of nothing", 1000, 2286, []value{rational(tagXResolution, 204, 0), rational(tagYResolution, 98, 1)}, t4.Resolution{}},
		{"no unit", 1000, 10, []value{short(tagResolutionUnit, 1), rational(tagXResolution, 1, 1), rational(tagYResolution, 2, 1)}, t4.Resolution{}},
	} {
		strip := t4.AppendMMR(nil, t4.NewBitmap(int(c.width), int(c.height)))
		values := append(c.values, short(tagImageWidth, c.width), short(tagImageLength, c.height), short(tagCompression, 4))
		f, err := open(build(binary.LittleEndian, [][]byte{strip}, values...))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if _, got, err := f.Page(0); err != nil || got != c.want {
			t.Errorf("%s: %v, %v; want %v", c.name, got, err, c.want)
		}
	}
}

func TestOrientation(t *testing.T) {
	// A page of 3 x 2 pels with one black at column 0, row 0.
	want := map[uint32]struct{ width, x, y int }{
		1: {3, 0, 0}, 2: {3, 2, 0}, 3: {3, 2, 1}, 4: {3, 0, 1},
		5: {2, 0, 0}, 6: {2, 1, 0}, 7: {2, 1, 2}, 8: {2, 0, 2},
	}
	for o, w := range want {
		f, err := open(build(binary.LittleEndian, [][]byte{{0x80, 0}},
			short(tagImageWidth, 3), short(tagImageLength, 2), short(tagOrientation, o)))
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := f.Page(0)
		if err != nil || got.Width != w.width || got.Row(w.y)[0] != 0x80>>w.x {
			t.Errorf("orientation %d: %+v, %v", o, got, err)
		}
	}
}

// TestThumbnails: reduced pictures and masks between the pages are none.
func TestThumbnails(t *testing.T) {
	pages := []*t4.Bitmap{testPage(1, 100, 9), testPage(2, 100, 9), testPage(3, 100, 9)}
	for _, kind := range []byte{subfileReduced, subfileReduced | subfilePage, subfileMask} {
		data := write(t, Options{}, t4.Fine, pages...)
		second := binary.LittleEndian.Uint32(data[10+12*int(data[8]):])
		data[second+2+8] = kind // NewSubfileType is the first field
		f, err := open(data)
		if err != nil || f.Len() != 2 {
			t.Fatalf("kind %d: %v", kind, err)
		}
		if b, _, err := f.Page(1); err != nil || !b.Equal(pages[2]) {
			t.Errorf("kind %d: the last page is another: %v", kind, err)
		}
	}
}

func TestHostile(t *testing.T) {
	good := write(t, Options{}, t4.Fine, testPage(1, 1728, 20), testPage(2, 1728, 20))
	le := binary.LittleEndian
	patch := func(f func(b []byte)) []byte { b := bytes.Clone(good); f(b); return b }
	// entry returns the field of the first directory, which is at octet 8.
	entry := func(b []byte, tag uint16) []byte {
		for e := b[10:]; ; e = e[12:] {
			if le.Uint16(e) == tag {
				return e
			}
		}
	}
	set := func(tag uint16, v uint32) []byte {
		return patch(func(b []byte) { le.PutUint32(entry(b, tag)[8:], v) })
	}
	fields := int(le.Uint16(good[8:]))
	next := 10 + 12*fields
	for _, c := range []struct {
		name string
		data []byte
		want error
		text string
	}{
		{"nothing", nil, ErrFormat, "header"},
		{"four octets", good[:4], ErrFormat, "header"},
		{"text", []byte("dear sir or madam"), ErrFormat, "begin as a TIFF"},
		{"BigTIFF", []byte("II\x2B\x00\x08\x00\x00\x00"), ErrUnsupported, "BigTIFF"},
		{"BigTIFF in the other order", []byte("MM\x00\x2B\x00\x08\x00\x00"), ErrUnsupported, "BigTIFF"},
		{"no directory", []byte("II*\x00\x00\x00\x00\x00"), ErrFormat, "no pages"},
		{"directory outside", []byte("II*\x00\xFF\xFF\xFF\x7F"), ErrFormat, "outside the file"},
		{"directory cut off", good[:40], ErrFormat, "outside the file"},
		{"a circle", patch(func(b []byte) { le.PutUint32(b[next:], 8) }), ErrFormat, "leads back"},
		{"many fields", patch(func(b []byte) { le.PutUint16(b[8:], 0xFFFF) }), ErrTooLarge, "fields"},
		{"strip outside", set(tagStripOffsets, 1<<30), ErrFormat, "strip 1"},
		{"strip in the header", set(tagStripOffsets, 0), ErrFormat, "strip 1"},
		{"width 0", set(tagImageWidth, 0), ErrFormat, "page 1"},
		{"width huge", set(tagImageWidth, 1<<31), ErrTooLarge, "page 1"},
		{"length huge", set(tagImageLength, 1<<31), ErrTooLarge, "page 1"},
		{"no rows to a strip", set(tagRowsPerStrip, 0), ErrFormat, "page 1"},
		{"strips missing", set(tagRowsPerStrip, 1), ErrFormat, "19 of 20 strips"},
		{"another width", set(tagImageWidth, 1000), ErrFormat, "row 0"},
		{"many strip offsets", patch(func(b []byte) { le.PutUint32(entry(b, tagStripOffsets)[4:], 1<<31) }), ErrFormat, "strip offsets"},
		{"compression 7", set(tagCompression, 7), ErrUnsupported, "compression 7"},
		{"grey", set(tagBitsPerSample, 8), ErrUnsupported, "black and white"},
		{"palette", set(tagPhotometric, 3), ErrUnsupported, "black and white"},
		{"too few octets", set(tagCompression, 1), ErrFormat, "too few"},
	} {
		f, err := open(c.data)
		if err == nil {
			_, _, err = f.Page(0)
		}
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestStripBomb: strips that overlap are not read without end.
func TestStripBomb(t *testing.T) {
	strips := make([][]byte, 200)
	for i := range strips {
		strips[i] = []byte{byte(i)}
	}
	strips[199] = make([]byte, 1<<20)
	data := build(binary.LittleEndian, strips, short(tagImageWidth, 8), short(tagImageLength, 200), short(tagRowsPerStrip, 1))
	for i := range strips { // the byte counts: each strip goes to the end
		binary.LittleEndian.PutUint32(data[len(data)-4*(i+1):], 1<<20)
	}
	f, err := open(data)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Page(0); !errors.Is(err, ErrTooLarge) {
		t.Errorf("read 200 MB of a file of 1: %v", err)
	}
}

// TestTolerated: what other programs get wrong and the data make good.
func TestTolerated(t *testing.T) {
	page := testPage(5, 1728, 30)
	le := binary.LittleEndian
	for _, c := range []struct {
		name string
		tags []uint16
		v    uint32
		rows int // of page that come
	}{
		{"byte count 0", []uint16{tagStripByteCounts}, 0, 30},
		{"byte count past the end", []uint16{tagStripByteCounts}, 1 << 30, 30},
		{"fewer rows announced", []uint16{tagImageLength}, 12, 12},
		{"more rows announced", []uint16{tagImageLength, tagRowsPerStrip}, 99, 30},
		{"endless strip", []uint16{tagRowsPerStrip}, 1<<32 - 1, 30},
	} {
		for name, opt := range codings {
			data := write(t, opt, t4.Fine, page)
			for e := data[10:]; len(e) > 12 && le.Uint16(e) != tagSoftware; e = e[12:] {
				if slices.Contains(c.tags, le.Uint16(e)) {
					le.PutUint32(e[8:], c.v)
				}
			}
			f, err := open(data)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			got, _, err := f.Page(0)
			if err != nil || got.Height != c.rows || !bytes.Equal(got.Pix, page.Pix[:c.rows*page.Stride]) {
				t.Errorf("%s, %s: %v", c.name, name, err)
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(write(f, Options{}, t4.Fine, testPage(1, 100, 5), testPage(2, 9, 3)))
	f.Add(write(f, Options{Coding: Group3, LSBFirst: true}, t4.Standard, testPage(1, 100, 5)))
	f.Add(write(f, Options{Coding: Group3MR, AlignEOL: true}, t4.Fine, testPage(1, 100, 5)))
	f.Add(build(binary.BigEndian, [][]byte{{1, 2, 3}, {4, 5, 6}}, short(tagImageWidth, 9), short(tagImageLength, 2), short(tagRowsPerStrip, 1)))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := open(data)
		if err != nil {
			checkKind(t, err)
			return
		}
		for i := range min(file.Len(), 3) {
			page, res, err := file.Page(i)
			if err != nil {
				checkKind(t, err)
				continue
			}
			if res == (t4.Resolution{}) {
				res = t4.Fine
			}
			again, err := open(write(t, Options{}, res, page))
			if err != nil {
				t.Fatal(err)
			}
			if got, _, err := again.Page(0); err != nil || !got.Equal(page) {
				t.Fatalf("page %d of %d x %d does not come back: %v", i, page.Width, page.Height, err)
			}
		}
	})
}

func checkKind(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrTooLarge) {
		t.Fatalf("an error of no kind: %v", err)
	}
}
