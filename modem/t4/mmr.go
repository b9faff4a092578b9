package t4

import (
	"errors"
	"fmt"
)

// Errors of the decoders.
var (
	// ErrDamaged: the data hold something that is no code or does not fit the
	// width, or end within a row.
	ErrDamaged = errors.New("t4: coded page is damaged")
	// ErrTooLarge: the page is wider than MaxWidth or longer than asked for.
	ErrTooLarge = errors.New("t4: page is too large")
)

// AppendMMR appends the page as T.6 codes it, with EOFB and padded to the
// octet, and returns the extended slice. Width must be from 1 to MaxWidth.
func AppendMMR(dst []byte, b *Bitmap) []byte {
	w := writer{buf: dst}
	ref := closeChanges(changesFor(b.Width), int32(b.Width)) // an imaginary white line
	cur := changesFor(b.Width)
	for y := range b.Height {
		cur = appendChanges(cur[:0], b.Row(y), b.Width)
		w.row2D(cur, ref, int32(b.Width))
		cur, ref = ref, cur
	}
	w.put(code{eofbWord, eofbBits})
	return w.bytes()
}

// row2D appends a row in two dimensions, against a reference line (T.6 clause
// 2.2). Figure 1 of T.6, with a0 white:
//
//	                      b1            b2
//	reference line  ......##############....
//	coding line     ..########..........####
//	                 |a0      |a1       |a2
//
// a0 is the last pel that is coded (-1 before the first), a1 the next changing
// element to its right, a2 the one after; b1 is the first changing element of
// the reference line right of a0 and of the colour opposite to a0's, b2 the
// next one.
func (w *writer) row2D(cur, ref []int32, width int32) {
	a0 := int32(-1)
	a, b := 0, 0 // a1 is cur[a], b1 is ref[b]; equal parity means equal colour
	for a0 < width {
		for ref[b] <= a0 {
			b += 2
		}
		a1, b1, b2 := cur[a], ref[b], ref[b+1]
		if b2 < a1 {
			w.put(modeCodes[modePass])
			a0 = b2
			continue
		}
		if d := a1 - b1; -3 <= d && d <= 3 {
			w.put(modeCodes[int32(modeV0)+d])
			a0 = a1
			a++
			b = otherColour(b, d)
			continue
		}
		a2 := cur[a+1]
		colour := a & 1
		w.put(modeCodes[modeHorizontal])
		w.run(runWords[colour], a1-max(a0, 0)) // the first run counts from pel 0
		w.run(runWords[colour^1], a2-a1)
		a0 = a2
		a += 2
	}
}

// otherColour returns where to look for b1 after vertical mode, in which a1 was
// d right of ref[b]: the neighbour to the left may be right of a1 only if that
// was left of ref[b].
func otherColour(b int, d int32) int {
	if d < 0 && b > 0 {
		return b - 1
	}
	return b + 1
}

// DecodeMMR decodes a T.6 page of at most maxRows rows. It ends at EOFB, at
// the end of data, or when maxRows rows are there; where more rows follow, the
// error wraps ErrTooLarge. Damaged data end the page: the rows before the
// damage are returned with an error that wraps ErrDamaged. The bitmap is never
// nil.
func DecodeMMR(data []byte, width, maxRows int) (*Bitmap, error) {
	page, err := emptyPage(width, min(maxRows, len(data)*8))
	if err != nil {
		return page, err
	}
	r := reader{data: data}
	ref := closeChanges(changesFor(width), int32(width))
	cur := changesFor(width)
	for {
		if r.fill(); r.endOfPage() {
			return page, nil
		}
		if page.Height >= min(maxRows, MaxRows) {
			return page, fmt.Errorf("%w: it has more than %d rows", ErrTooLarge, page.Height)
		}
		var ok bool
		if cur, ok = r.row2D(cur[:0], ref, int32(width)); !ok {
			return page, fmt.Errorf("%w in row %d, near octet %d", ErrDamaged, page.Height, min(r.bit()/8, len(data)))
		}
		paint(page.addRow(), cur)
		cur, ref = ref, cur
	}
}

// commonRows is the length up to which a page never grows: A4 at 7.7 lines/mm
// and some more.
const commonRows = 2400

// emptyPage returns a page to append rows to, probably as many as given.
func emptyPage(width, rows int) (*Bitmap, error) {
	if width < 1 || width > MaxWidth {
		return NewBitmap(0, 0), fmt.Errorf("%w: width %d is not in 1..%d", ErrTooLarge, width, MaxWidth)
	}
	page := NewBitmap(width, 0)
	page.Pix = make([]byte, 0, max(0, min(rows, commonRows))*page.Stride)
	return page, nil
}

// endOfPage reports whether EOFB or nothing but padding follows. The first EOL
// is enough if the data end within the second one. No row begins with so many
// zeros.
func (r *reader) endOfPage() bool {
	if r.peek(eofbBits) == eofbWord {
		return true
	}
	if r.n >= eofbBits {
		return false
	}
	return r.acc == 0 || r.n >= eolBits && r.peek(eolBits) == eolWord && r.acc<<eolBits == 0
}

// row2D reads a row in two dimensions; see the writer's. It is false if the
// row is damaged.
func (r *reader) row2D(cur, ref []int32, width int32) ([]int32, bool) {
	a0 := int32(-1)
	b := 0 // b1 is ref[b]
	for a0 < width {
		for ref[b] <= a0 {
			b += 2
		}
		if r.n < modeBits {
			r.fill()
		}
		m := modeTable[r.acc>>(64-modeBits)]
		r.skip(int(m.n))
		switch m.mode {
		case modeNone:
			return cur, false
		case modePass:
			a0 = ref[b+1]
		case modeHorizontal:
			colour := len(cur) & 1
			white, black := runTables[colour], runTables[colour^1]
			first, second := r.run(white), r.run(black)
			a1 := max(a0, 0) + first
			a2 := a1 + second
			if first < 0 || second < 0 || a2 > width {
				return cur, false
			}
			cur = addChange(addChange(cur, a1, width), a2, width)
			a0 = a2
		default:
			d := int32(m.mode) - int32(modeV0)
			a1 := ref[b] + d
			if a1 <= a0 || a1 > width {
				return cur, false
			}
			if a0 = a1; a1 < width {
				cur = append(cur, a1)
			}
			b = otherColour(b, d)
		}
	}
	return closeChanges(cur, width), !r.ended()
}

// addChange appends a changing element. A run of no pels takes back the change
// before it, so that changing elements stay what T.4 calls so; its parity is
// kept. Nothing changes at the edge.
func addChange(c []int32, x, width int32) []int32 {
	if x == width {
		return c
	}
	if n := len(c); n > 0 && c[n-1] == x {
		return c[:n-1]
	}
	return append(c, x)
}
