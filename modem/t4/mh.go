package t4

import "fmt"

// MHOptions is how AppendMH lays out a page.
type MHOptions struct {
	// MinBits is the least length of a coded line with its EOL, in bits: fill
	// stretches shorter ones to T.4's minimum transmission time.
	MinBits int
	// RTC ends the page as T.4 transmits it: the last line's EOL and the return
	// to control. Without it, as in TIFF files, nothing follows the last line.
	RTC bool
	// AlignEOL fills so that each EOL ends with an octet (TIFF's T4Options bit 2).
	AlignEOL bool
}

// AppendMH appends the page as T.4 codes it in one dimension: an EOL, then the
// lines, each followed by its EOL; padded to the octet. It returns the extended
// slice. Width must be from 1 to MaxWidth.
func AppendMH(dst []byte, b *Bitmap, opt MHOptions) []byte {
	w := writer{buf: dst}
	width := int32(b.Width)
	changes := changesFor(b.Width)
	if b.Height > 0 || opt.RTC {
		w.eol(0, opt)
	}
	for y := range b.Height {
		start := w.bits()
		changes = appendChanges(changes[:0], b.Row(y), b.Width)
		w.row1D(changes, width)
		if y < b.Height-1 || opt.RTC {
			w.eol(opt.MinBits-(w.bits()-start), opt)
		}
	}
	if opt.RTC {
		for range rtcEOLs - 1 {
			w.eol(0, opt)
		}
	}
	return w.bytes()
}

// eol appends an EOL that with its fill has at least the given number of bits.
func (w *writer) eol(least int, opt MHOptions) {
	fill := max(least-eolBits, 0)
	if opt.AlignEOL {
		fill += -(w.bits() + fill + eolBits) & 7
	}
	w.zeros(fill)
	w.put(code{eolWord, eolBits})
}

// row1D appends a row in one dimension (T.4 clause 4.1.1): runs of white and
// black in turn, the first one white, of no pels if need be.
func (w *writer) row1D(changes []int32, width int32) {
	a0 := int32(0)
	for i := 0; ; i++ {
		a1 := changes[i]
		w.run(runWords[i&1], a1-a0)
		if a1 == width {
			return
		}
		a0 = a1
	}
}

// Quality is how well a page came through a line without error correction.
type Quality struct {
	Rows           int // rows in the bitmap
	BadRows        int // of them, damaged and replaced by the row before
	ConsecutiveBad int // the most that were damaged in a row
}

// DecodeMH decodes a T.4 page in one dimension, as received: damaged rows are
// replaced by the last good one and counted. It takes fill, EOLs in any
// alignment, noise before the first EOL and behind the last, and a missing RTC.
// At most maxRows rows are returned. The bitmap is never nil.
func DecodeMH(data []byte, width, maxRows int) (*Bitmap, Quality) {
	return decodeT4(data, width, maxRows, false)
}

// DecodeMR decodes a T.4 page in two dimensions, as DecodeMH does. Rows that
// refer to a damaged one count as damaged.
func DecodeMR(data []byte, width, maxRows int) (*Bitmap, Quality) {
	return decodeT4(data, width, maxRows, true)
}

// endEOLs in succession end a page. One less than RTC has, for one that the
// line has damaged.
const endEOLs = rtcEOLs - 1

// decodeT4 cuts the data at the EOLs, at whatever bit they are, and decodes
// each piece on its own: so a broken code never swallows the row after it.
func decodeT4(data []byte, width, maxRows int, twoD bool) (*Bitmap, Quality) {
	page, err := emptyPage(width, min(maxRows, len(data)*8/eolBits))
	if err != nil {
		return page, Quality{}
	}
	d := rowDecoder{
		r: reader{data: data}, page: page, lost: true,
		cur: changesFor(width), ref: changesFor(width),
	}
	eols := eolScanner{data: data, tagged: twoD}
	run := 0 // EOLs in succession
	for page.Height < min(maxRows, MaxRows) {
		p, more := eols.next()
		if p.empty() {
			if run++; !more || run >= endEOLs {
				break
			}
			continue
		}
		whole := d.decode(p)
		// What has no EOL on one side, or comes within an RTC, may be noise.
		if whole || p.closed && more && run < 2 {
			d.add(whole)
		}
		if !more {
			break
		}
		run = 1
	}
	return page, d.quality
}

// rowDecoder decodes the pieces of a T.4 page one after the other.
type rowDecoder struct {
	r        reader
	page     *Bitmap
	cur, ref []int32
	lost     bool // ref is not the row before
	bad      int  // consecutive damaged rows so far
	quality  Quality
}

// decode reads one piece into cur. It is false if the piece is no whole row.
func (d *rowDecoder) decode(p piece) (ok bool) {
	width := int32(d.page.Width)
	d.r.seek(p.start)
	switch {
	case p.oneD:
		d.cur, ok = d.r.row1D(d.cur[:0], width)
	case !d.lost:
		d.cur, ok = d.r.row2D(d.cur[:0], d.ref, width)
	}
	return ok && p.fillFrom(d.r.bit())
}

// add appends the row decoded last to the page, or what stands for it.
func (d *rowDecoder) add(whole bool) {
	d.quality.Rows++
	d.lost = !whole
	if !whole {
		d.page.repeatRow()
		d.bad++
		d.quality.BadRows++
		d.quality.ConsecutiveBad = max(d.quality.ConsecutiveBad, d.bad)
		return
	}
	paint(d.page.addRow(), d.cur)
	d.bad = 0
	d.cur, d.ref = d.ref, d.cur
}

// row1D reads a row in one dimension. It is false if the row is damaged.
func (r *reader) row1D(cur []int32, width int32) ([]int32, bool) {
	a0 := int32(0)
	for colour := 0; a0 < width; colour ^= 1 {
		n := r.run(runTables[colour])
		if n < 0 || a0+n > width {
			return cur, false
		}
		a0 += n
		cur = addChange(cur, a0, width)
	}
	return closeChanges(cur, width), !r.ended()
}

// DecodeRLE decodes TIFF's compression 2: rows in one dimension without EOLs,
// each beginning with an octet. It ends at the end of data or when maxRows rows
// are there. Damage ends the page as in DecodeMMR.
func DecodeRLE(data []byte, width, maxRows int) (*Bitmap, error) {
	page, err := emptyPage(width, min(maxRows, len(data)))
	if err != nil {
		return page, err
	}
	r := reader{data: data}
	cur := changesFor(width)
	for at := 0; at < len(data) && page.Height < min(maxRows, MaxRows); at = (r.bit() + 7) / 8 {
		r.seek(at * 8)
		var ok bool
		if cur, ok = r.row1D(cur[:0], int32(width)); !ok {
			return page, fmt.Errorf("%w in row %d, near octet %d", ErrDamaged, page.Height, min(r.bit()/8, len(data)))
		}
		paint(page.addRow(), cur)
	}
	return page, nil
}
