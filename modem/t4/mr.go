package t4

// MROptions is how AppendMR lays out a page.
type MROptions struct {
	// K is how often at least a row is coded in one dimension, so that damage
	// does not spread: see Resolution.K. With 1, or less, every row is.
	K int
	// MinBits, RTC and AlignEOL are as in MHOptions. The tag bit counts to the
	// line before it.
	MinBits  int
	RTC      bool
	AlignEOL bool
}

// AppendMR appends the page as T.4 codes it in two dimensions (clause 4.2): as
// AppendMH does, but a tag bit follows each EOL, and of K rows all but the
// first are coded against the row before. Width must be from 1 to MaxWidth.
func AppendMR(dst []byte, b *Bitmap, opt MROptions) []byte {
	k := max(opt.K, 1)
	width := int32(b.Width)
	w := lineWriter{writer: writer{buf: dst}, align: opt.AlignEOL, tagged: true}
	w.begin(b, opt.RTC)
	cur, ref := changesFor(b.Width), changesFor(b.Width)
	for y := range b.Height {
		start := w.bits()
		cur = appendChanges(cur[:0], b.Row(y), b.Width)
		if y%k == 0 {
			w.row1D(cur, width)
		} else {
			w.row2D(cur, ref, width)
		}
		if last := y == b.Height-1; !last || opt.RTC {
			w.eol(opt.MinBits-(w.bits()-start), last || (y+1)%k == 0)
		}
		cur, ref = ref, cur
	}
	return w.end(opt.RTC)
}
