package t4

// Quality is how well a page came through a line without error correction.
type Quality struct {
	Rows           int   // rows in the bitmap
	BadRows        int   // of them, damaged and concealed
	LostRows       int   // about so many have vanished beside them
	ConsecutiveBad int   // the most that were damaged or have vanished in a row
	Damaged        []int // which rows those are, from 0, in ascending order
	Cut            bool  // nothing of an RTC was there
}

// DecodeMH decodes a T.4 page in one dimension, as received. Damaged rows are
// concealed and counted: they keep what came before the damage, as far as that
// can be believed, and go on as the row above. It takes fill, EOLs in any
// alignment, noise before the first EOL and behind the last, and a missing RTC.
// At most maxRows rows are returned. The bitmap is never nil.
func DecodeMH(data []byte, width, maxRows int) (*Bitmap, Quality) {
	page := new(Bitmap)
	q := page.DecodeMH(data, width, maxRows)
	return page, q
}

// DecodeMH makes b the page that data code, as the function of this name does,
// in the memory that b has.
func (b *Bitmap) DecodeMH(data []byte, width, maxRows int) Quality {
	return b.decodeT4(data, width, maxRows, false)
}

// DecodeMR decodes a T.4 page in two dimensions, as DecodeMH does. Rows that
// refer to a damaged one count as damaged.
func DecodeMR(data []byte, width, maxRows int) (*Bitmap, Quality) {
	page := new(Bitmap)
	q := page.DecodeMR(data, width, maxRows)
	return page, q
}

// DecodeMR makes b the page that data code, as the function of this name does,
// in the memory that b has.
func (b *Bitmap) DecodeMR(data []byte, width, maxRows int) Quality {
	return b.decodeT4(data, width, maxRows, true)
}

// endEOLs in succession end a page. One less than RTC has, for one that the
// line has damaged.
const endEOLs = rtcEOLs - 1

// cutEOLs are more than the one EOL and the end of the data that a page without
// RTC may end with.
const cutEOLs = 3

// decodeT4 cuts the data at the EOLs, at whatever bit they are, and decodes
// each piece on its own: so a broken code never swallows the row after it.
func (b *Bitmap) decodeT4(data []byte, width, maxRows int, twoD bool) Quality {
	if err := b.reset(width, min(maxRows, len(data)*8/eolBits)); err != nil {
		return Quality{}
	}
	d := rowDecoder{
		r: reader{data: data}, page: b, lost: true,
		cur: changesFor(width), again: changesFor(width), ref: closeChanges(changesFor(width), int32(width)),
	}
	eols := eolScanner{data: data, tagged: twoD}
	run := 0 // EOLs in succession
	for b.Height < min(maxRows, MaxRows) {
		p, more := eols.next()
		if p.empty() {
			// What begins with an EOL has lost no row: the first may be coded
			// against the white one that T.6 imagines above it.
			d.lost = d.lost && p.closed
			if run++; !more || run >= endEOLs {
				break
			}
			continue
		}
		whole := d.decode(p)
		// What has no EOL on one side may be noise, or what some modems and
		// programs idle with before a page; so may what comes within an RTC.
		torn := !whole && p.closed && more && run < 2
		d.note(p, whole, torn)
		if whole || torn {
			d.add(p, whole)
		}
		if !more {
			break
		}
		run = 1
	}
	d.quality.Cut = run < cutEOLs
	d.quality.LostRows, d.quality.ConsecutiveBad = d.tears.count()
	return d.quality
}

// rowDecoder decodes the pieces of a T.4 page one after the other.
type rowDecoder struct {
	r        reader
	page     *Bitmap
	cur, ref []int32
	again    []int32 // room for a second try
	lost     bool    // ref is not the row before as it was sent
	tears    tears
	quality  Quality
}

// note takes down the length of a piece that is a whole row, or a torn one.
func (d *rowDecoder) note(p piece, whole, torn bool) {
	switch bits := p.end - p.start + eolBits; {
	case whole:
		d.tears.whole(bits)
	case torn:
		d.tears.torn(bits)
	}
}

// decode reads one piece into cur. It is false if the piece is no whole row.
func (d *rowDecoder) decode(p piece) (ok bool) {
	width := int32(d.page.Width)
	d.cur = d.cur[:0]
	if !p.oneD {
		if !d.lost {
			d.r.seek(p.start)
			d.cur, ok = d.r.row2D(d.cur, d.ref, width)
		}
		if ok && p.fillFrom(d.r.bit()) {
			return true
		}
		// The line may have struck the tag bit. In the charts one row of 10,000 in
		// two dimensions is a whole one in one dimension, too; the reverse is far
		// too common to be tried.
		if d.again, ok = d.row1D(p, d.again[:0]); ok {
			d.cur, d.again = d.again, d.cur
		}
		return ok
	}
	d.cur, ok = d.row1D(p, d.cur)
	return ok
}

// row1D reads a piece that is a row in one dimension. Some encoders end a row
// with a run of no pels.
func (d *rowDecoder) row1D(p piece, cur []int32) ([]int32, bool) {
	d.r.seek(p.start)
	cur, ok := d.r.row1D(cur, int32(d.page.Width))
	if !ok || p.fillFrom(d.r.bit()) {
		return cur, ok
	}
	next := (len(cur)-sentinels)&1 ^ 1 // the colour after the last one
	return cur, d.r.run(runTables[next]) == 0 && p.fillFrom(d.r.bit())
}

// add appends the row decoded last to the page, or what stands for it.
func (d *rowDecoder) add(p piece, whole bool) {
	if d.lost = !whole; d.lost {
		d.quality.BadRows++
		d.quality.Damaged = append(d.quality.Damaged, d.page.Height)
		d.cur = conceal(d.cur, d.ref, int32(d.page.Width), p.oneD)
	}
	d.quality.Rows++
	paint(d.page.addRow(), d.cur)
	d.cur, d.ref = d.ref, d.cur
}
