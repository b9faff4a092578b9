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
	w := lineWriter{writer: writer{buf: dst}, align: opt.AlignEOL}
	w.begin(b, opt.RTC)
	changes := changesFor(b.Width)
	for y := range b.Height {
		start := w.bits()
		changes = appendChanges(changes[:0], b.Row(y), b.Width)
		w.row1D(changes, int32(b.Width))
		if y < b.Height-1 || opt.RTC {
			w.eol(opt.MinBits-(w.bits()-start), true)
		}
	}
	return w.end(opt.RTC)
}

// lineWriter writes rows with EOLs between them.
type lineWriter struct {
	writer
	align  bool // each EOL ends with an octet
	tagged bool // a tag bit follows each EOL
}

// begin appends the EOL before the first row, if there is anything to come.
func (w *lineWriter) begin(b *Bitmap, rtc bool) {
	if b.Height > 0 || rtc {
		w.eol(0, true)
	}
}

// eol appends an EOL, with its tag bit if the page has them, that with its fill
// has at least the given number of bits. oneD says how the next row is coded.
func (w *lineWriter) eol(least int, oneD bool) {
	mark := code{eolWord, eolBits}
	if w.tagged {
		mark = code{eolWord << 1, eolBits + 1}
		if oneD {
			mark.bits |= 1
		}
	}
	fill := max(least-int(mark.n), 0)
	if w.align {
		fill += -(w.bits() + fill + eolBits) & 7
	}
	w.zeros(fill)
	w.put(mark)
}

// end appends what an RTC has beyond the EOL of the last row, and padding.
func (w *lineWriter) end(rtc bool) []byte {
	if rtc {
		for range rtcEOLs - 1 {
			w.eol(0, true)
		}
	}
	return w.bytes()
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
	page := new(Bitmap)
	if err := page.reset(width, min(maxRows, len(data))); err != nil {
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
