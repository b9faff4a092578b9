package t4

import (
	"errors"
	"fmt"
	"math/bits"
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
	page := new(Bitmap)
	err := page.DecodeMMR(data, width, maxRows)
	return page, err
}

// DecodeMMR makes b the page that data code, as the function of this name does,
// in the memory that b has.
func (b *Bitmap) DecodeMMR(data []byte, width, maxRows int) error {
	if err := b.reset(width, min(maxRows, len(data)*8)); err != nil {
		return err
	}
	r := reader{data: data}
	ref := closeChanges(changesFor(width), int32(width))
	cur := changesFor(width)
	for {
		if r.fill(); r.endOfPage() {
			return nil
		}
		if b.Height >= min(maxRows, MaxRows) {
			return fmt.Errorf("%w: it has more than %d rows", ErrTooLarge, b.Height)
		}
		if r.sameRow(ref) {
			b.repeatRow()
			continue
		}
		var ok bool
		if cur, ok = r.row2D(cur[:0], ref, int32(width)); !ok {
			return fmt.Errorf("%w in row %d, near octet %d", ErrDamaged, b.Height, min(r.bit()/8, len(data)))
		}
		paint(b.addRow(), cur)
		cur, ref = ref, cur
	}
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

// sameRow reads a row that is like its reference line, as blank ones mostly are:
// it is coded by one V0 for each changing element and for the edge.
func (r *reader) sameRow(ref []int32) bool {
	v0 := len(ref) - sentinels + 1
	if v0 > r.n || v0 > bits.LeadingZeros64(^r.acc) {
		return false
	}
	r.skip(v0)
	return true
}

// row2D reads a row in two dimensions into cur; see the writer's. It is false
// if the row is damaged. cur and ref have room for the changing elements of any
// row.
//
// The loop goes round for each code word of a page. So the reader's state is in
// variables, and the modes that make up most of a page share one path without a
// branch that depends on which one it is.
func (r *reader) row2D(cur, ref []int32, width int32) ([]int32, bool) {
	cur = cur[:cap(cur)]
	n := 0 // changing elements in cur
	b := 0 // b1 is ref[b]
	a0 := int32(-1)
	acc, left := r.acc, r.n
	for a0 < width {
		if left < modeBits+2*runBits {
			r.acc, r.n = acc, left
			r.fill()
			acc, left = r.acc, r.n
		}
		m := modeTable[acc>>(64-modeBits)]
		acc <<= m.n & 63
		left -= int(m.n)
		if m.mode >= modeVL3 {
			a1 := ref[b] + int32(m.mode) - int32(modeV0)
			if a1 <= a0 {
				return cur[:n], false
			}
			a0 = a1
			cur[n] = a1
			n++
			if b > 0 && ref[b-1] > a1 { // only if a1 is left of ref[b]
				b--
				continue
			}
			b++
		} else if m.mode == modeHorizontal {
			colour := n & 1
			e1 := runTables[colour][acc>>(64-runBits)]
			e2 := runTables[colour^1][acc<<(e1.len()&63)>>(64-runBits)]
			if e1.common() && e2.common() {
				acc <<= (e1.len() + e2.len()) & 63
				left -= e1.len() + e2.len()
				a1 := max(a0, 0) + e1.pels()
				a0 = a1 + e2.pels()
				if a0 > width {
					return cur[:n], false
				}
				cur[n], cur[n+1] = a1, a0
				n += 2
			} else {
				r.acc, r.n = acc, left
				if n, a0 = r.runs2D(cur[:n], a0, width); a0 < 0 {
					return cur[:n], false
				}
				acc, left = r.acc, r.n
			}
		} else if m.mode == modePass {
			a0 = ref[b+1]
			b += 2
			continue
		} else {
			return cur[:n], false
		}
		for ref[b] <= a0 && a0 < width {
			b += 2
		}
	}
	r.acc, r.n = acc, left
	if n > 0 && cur[n-1] == width {
		n--
	}
	return closeChanges(cur[:n], width), a0 == width && !r.ended()
}

// runs2D reads the two runs of horizontal mode, whatever they are, behind the
// changing elements of a row. It returns how many of those there are then and
// the new a0; that is below zero if the row is damaged.
func (r *reader) runs2D(cur []int32, a0, width int32) (int, int32) {
	colour := len(cur) & 1
	first, second := r.run(runTables[colour]), r.run(runTables[colour^1])
	a1 := max(a0, 0) + first
	a2 := a1 + second
	if first < 0 || second < 0 || a2 > width {
		return len(cur), -1
	}
	return len(addChange(addChange(cur, a1, width), a2, width)), a2
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
