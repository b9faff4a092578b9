package tiff

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/faxmesh/faxmesh/modem/t4"
)

// Page decodes page i, from 0. The resolution is zero where the file says none
// and the page is not as wide as a fax. The errors wrap ErrFormat,
// ErrUnsupported or ErrTooLarge, or are the source's.
func (f *File) Page(i int) (*t4.Bitmap, t4.Resolution, error) {
	if i < 0 || i >= len(f.pages) {
		return nil, t4.Resolution{}, fmt.Errorf("tiff: there is no page %d in a file of %d", i+1, len(f.pages))
	}
	p := f.pages[i]
	if err := p.check(); err != nil {
		return nil, t4.Resolution{}, fmt.Errorf("page %d: %w", i+1, err)
	}
	b, err := f.decode(p)
	if err != nil {
		return nil, t4.Resolution{}, fmt.Errorf("page %d: %w", i+1, err)
	}
	res := p.resolution()
	if p.orientation > 1 {
		b, res = orient(b, res, p.orientation)
	}
	return b, res, nil
}

// check refuses what cannot be a fax page.
func (p *directoryPage) check() error {
	switch {
	case p.bits != 1 || p.samples != 1 || p.photometric != whiteIsZero && p.photometric != blackIsZero:
		return fmt.Errorf("%w: it is not black and white", ErrUnsupported)
	case p.tiled:
		return fmt.Errorf("%w: it is cut into tiles; save it in strips", ErrUnsupported)
	case p.fillOrder != fillMSBFirst && p.fillOrder != fillLSBFirst:
		return fmt.Errorf("%w: fill order %d", ErrFormat, p.fillOrder)
	case p.width < 1 || p.height < 1 || p.strips.rows < 1 || p.orientation < 1 || p.orientation > 8:
		return fmt.Errorf("%w: its directory is incomplete", ErrFormat)
	case p.width > t4.MaxWidth || p.height > t4.MaxRows:
		return fmt.Errorf("%w: it has %d x %d pels, at most %d x %d are read",
			ErrTooLarge, p.width, p.height, t4.MaxWidth, t4.MaxRows)
	case p.orientation >= turnedPages && p.height > t4.MaxWidth:
		return fmt.Errorf("%w: turned upright it is %d pels wide, at most %d are read", ErrTooLarge, p.height, t4.MaxWidth)
	}
	switch p.compression {
	case compressionNone, compressionRLE, compressionGroup3, compressionGroup4, compressionPackBits:
		return nil
	}
	return fmt.Errorf("%w: compression %d", ErrUnsupported, p.compression)
}

// decode joins the strips. Where the last one holds fewer rows than announced
// the page is that much shorter.
func (f *File) decode(p directoryPage) (*t4.Bitmap, error) {
	rowsPerStrip := min(p.strips.rows, p.height)
	n := int((p.height + rowsPerStrip - 1) / rowsPerStrip)
	offsets, err := f.numbers(p.strips.offsets, MaxStrips)
	if err != nil {
		return nil, fmt.Errorf("strip offsets: %w", err)
	}
	if len(offsets) < n {
		return nil, fmt.Errorf("%w: %d of %d strips are missing", ErrFormat, n-len(offsets), n)
	}
	// Byte counts are a courtesy: where there are none the data say where they end.
	counts, err := f.numbers(p.strips.counts, n)
	if err != nil {
		counts = nil
	}
	counts = append(counts, make([]uint32, n-len(counts))...)
	starts := slices.Concat(offsets, f.dirs)
	slices.Sort(starts)
	page := t4.NewBitmap(int(p.width), 0)
	left := int64(MaxPageData)
	for i := range n {
		data, whole, err := f.strip(int64(offsets[i]), stripLength(offsets[i], counts[i], starts))
		if err != nil {
			return nil, fmt.Errorf("strip %d: %w", i+1, err)
		}
		if left -= int64(len(data)); left < 0 {
			return nil, fmt.Errorf("%w: its strips have more than %d octets", ErrTooLarge, MaxPageData)
		}
		first := i * int(rowsPerStrip)
		rows := min(int(rowsPerStrip), int(p.height)-first)
		b, err := p.decodeStrip(data, rows)
		if err != nil {
			return nil, fmt.Errorf("strip %d: %w", i+1, err)
		}
		if !whole && b.Height < rows {
			return nil, fmt.Errorf("strip %d: %w: the file ends after %d of %d rows", i+1, ErrFormat, b.Height, rows)
		}
		p.finish(b)
		page.Pix = append(page.Pix, make([]byte, first*page.Stride-len(page.Pix))...)
		page.Pix = append(page.Pix, b.Pix...)
		page.Height = first + b.Height
	}
	if page.Height == 0 {
		return nil, fmt.Errorf("%w: it has no rows", ErrFormat)
	}
	return page, nil
}

// stripLength is how many octets a strip has that begins at offset at; 0: up to
// the end of the file. Where no byte count says it, the strip ends at the latest
// where another or a directory begins; starts are those of all in ascending
// order.
func stripLength(at, count uint32, starts []uint32) int64 {
	if count > 0 {
		return int64(count)
	}
	if i, _ := slices.BinarySearch(starts, at+1); at+1 != 0 && i < len(starts) {
		return int64(starts[i] - at)
	}
	return 0
}

// strip reads a strip. A length of zero or past the end of the file means up to
// the end: many programs get it wrong, and the code in the strip ends by itself.
// It is not whole if the file ends before it should.
func (f *File) strip(at, length int64) (data []byte, whole bool, err error) {
	left := f.size - at
	if at < 8 || left <= 0 {
		return nil, false, fmt.Errorf("%w: it lies outside the file", ErrFormat)
	}
	whole = length <= left
	if length == 0 || !whole {
		length = left
	}
	data = make([]byte, min(length, MaxPageData))
	return data, whole, f.read(data, at)
}

// maxBadRows is the percentage of damaged Group 3 rows from which a page is
// refused: the same as on the line.
const maxBadRows = 15

// decodeStrip decodes at most rows rows; more may be there.
func (p *directoryPage) decodeStrip(data []byte, rows int) (b *t4.Bitmap, err error) {
	if p.fillOrder == fillLSBFirst {
		t4.Reverse(data)
	}
	width := int(p.width)
	switch p.compression {
	case compressionNone:
		return rawRows(data, width, rows)
	case compressionPackBits:
		return rawRows(unpackBits(data, rows*((width+7)/8)), width, rows)
	case compressionRLE:
		b, err = t4.DecodeRLE(data, width, rows)
	case compressionGroup4:
		if b, err = t4.DecodeMMR(data, width, rows); errors.Is(err, t4.ErrTooLarge) {
			err = nil // rows past the last one
		}
	case compressionGroup3:
		decode := t4.DecodeMH
		if p.t4Options&t4TwoDimensional != 0 {
			decode = t4.DecodeMR
		}
		var q t4.Quality
		if b, q = decode(data, width, rows); q.BadRows > 0 && q.BadRows*100 >= q.Rows*maxBadRows {
			err = fmt.Errorf("%d of %d rows are damaged", q.BadRows, q.Rows)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return b, nil
}

// rawRows is a strip that is not coded.
func rawRows(data []byte, width, rows int) (*t4.Bitmap, error) {
	stride := (width + 7) / 8
	if len(data) < stride*rows {
		return nil, fmt.Errorf("%w: %d octets are too few for %d rows", ErrFormat, len(data), rows)
	}
	return &t4.Bitmap{Width: width, Height: rows, Stride: stride, Pix: data[:stride*rows]}, nil
}

// unpackBits undoes Apple's PackBits (TIFF 6.0 section 9), up to want octets.
func unpackBits(data []byte, want int) []byte {
	var out []byte
	for len(data) > 1 && len(out) < want {
		n := int(int8(data[0]))
		data = data[1:]
		switch {
		case n >= 0:
			n = min(n+1, len(data))
			out = append(out, data[:n]...)
			data = data[n:]
		case n > -128:
			for range 1 - n {
				out = append(out, data[0])
			}
			data = data[1:]
		}
	}
	return out
}

// finish makes 1 black and clears what lies past the last pel of each row.
func (p *directoryPage) finish(b *t4.Bitmap) {
	if p.photometric == blackIsZero {
		for i := range b.Pix {
			b.Pix[i] = ^b.Pix[i]
		}
	}
	if pad := b.Width & 7; pad != 0 {
		for y := range b.Height {
			row := b.Row(y)
			row[len(row)-1] &= ^byte(0) << (8 - pad)
		}
	}
}

// faxLength is where rows stop being those of a standard page of A4, for files
// that do not say their resolution.
const faxLength = 1500

// resolution is the page's, in pels per inch.
func (p *directoryPage) resolution() t4.Resolution {
	inches := 1.0
	if p.unit == unitCentimetre {
		inches = 2.54
	}
	const highest = 10000
	x, y := math.Round(p.xRes*inches), math.Round(p.yRes*inches)
	if p.unit >= unitInch && p.unit <= unitCentimetre && x >= 1 && x <= highest && y >= 1 && y <= highest {
		return named(t4.Resolution{X: int(x), Y: int(y)})
	}
	switch p.width {
	case 1728, 2048, 2432:
		if p.height > faxLength {
			return t4.Fine
		}
		return t4.Standard
	}
	return t4.Resolution{}
}

// named is the resolution of T.4 that is meant by r, else r: programs round in
// inches and in centimetres, as 8 pels/mm, which is 203 pels/inch, for R8.
func named(r t4.Resolution) t4.Resolution {
	all := t4.Resolutions()
	if slices.Contains(all, r) {
		return r
	}
	near := func(v, want int) bool { return math.Abs(float64(v-want)) <= float64(want)*roundingError/100 }
	for _, t := range all {
		if near(r.X, t.X) && near(r.Y, t.Y) {
			return t
		}
	}
	return r
}

// roundingError is how far a resolution may be from what it means, in percent.
const roundingError = 1.25

// turnedPages is the first Orientation whose rows are columns.
const turnedPages = 5

// orient turns a page whose first row is not the top one (TIFF 6.0,
// Orientation 2 to 8).
func orient(b *t4.Bitmap, res t4.Resolution, orientation uint32) (*t4.Bitmap, t4.Resolution) {
	right := orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7
	bottom := orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8
	turned := orientation >= turnedPages
	width, height := b.Width, b.Height
	if turned {
		width, height = height, width
		res.X, res.Y = res.Y, res.X
	}
	out := t4.NewBitmap(width, height)
	for y := range b.Height {
		row := b.Row(y)
		for x := range b.Width {
			if row[x>>3]<<(x&7)&0x80 == 0 {
				continue
			}
			u, v := x, y
			if turned {
				u, v = y, x
			}
			if right {
				u = width - 1 - u
			}
			if bottom {
				v = height - 1 - v
			}
			out.Row(v)[u>>3] |= 0x80 >> (u & 7)
		}
	}
	return out, res
}
