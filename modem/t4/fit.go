package t4

import (
	"errors"
	"fmt"
)

// ErrResolution: a page cannot be converted from or to such a resolution.
var ErrResolution = errors.New("t4: resolution is out of bounds")

// maxDensity is the highest resolution that is converted, in pels per inch.
const maxDensity = 4800

// Fit converts a page from its resolution to another one and to a width in
// pels, as a receiver takes it. The page keeps its size on paper where the
// width allows; else it is reduced, and keeps its proportions. A narrower page
// is centred. No line vanishes, however thin.
//
// Metric resolutions and those in inches that come close pass for each other,
// as T.30 allows. A page that needs no change is returned itself. The error
// wraps ErrTooLarge or ErrResolution.
func Fit(b *Bitmap, from, to Resolution, width int) (*Bitmap, error) {
	if b.Width < 1 || b.Width > MaxWidth || b.Height > MaxRows || width < 1 || width > MaxWidth {
		return nil, fmt.Errorf("%w: %d x %d pels to a width of %d", ErrTooLarge, b.Width, b.Height, width)
	}
	if min(from.X, from.Y, to.X, to.Y) < 1 || max(from.X, from.Y, to.X, to.Y) > maxDensity {
		return nil, fmt.Errorf("%w: from %v to %v pels per inch", ErrResolution, from, to)
	}
	from, to = from.inches(), to.inches()
	w := share(b.Width, to.X, from.X)
	h := share(b.Height, to.Y, from.Y)
	if w > width {
		w, h = width, share(b.Height, width*to.Y*from.X, b.Width*to.X*from.Y)
	}
	w = max(w, 1)
	if b.Height > 0 {
		h = max(h, 1)
	}
	if h > MaxRows {
		return nil, fmt.Errorf("%w: it would have %d rows", ErrTooLarge, h)
	}
	if w == width && w == b.Width && h == b.Height {
		return b, nil
	}
	return scale(b, w, h, width), nil
}

// share returns n * part / whole, rounded. At the limits of Fit the product has
// 54 bits.
func share(n, part, whole int) int {
	return int((2*int64(n)*int64(part) + int64(whole)) / (2 * int64(whole)))
}

// scale makes w x h pels of the page, in the middle of a page of the given
// width.
func scale(b *Bitmap, w, h, width int) *Bitmap {
	out := NewBitmap(width, h)
	shift := int32(width-w) / 2
	merged := make([]byte, (b.Width+7)/8)
	changes, scaled := changesFor(b.Width), changesFor(width)
	before := -1 // the first source of the row before
	for y := range h {
		first, end := sources(y, b.Height, h)
		if first == before {
			copy(out.Row(y), out.Row(y-1))
			continue
		}
		before = first
		row := b.Row(first)
		if first+1 < end {
			copy(merged, row)
			for s := first + 1; s < end; s++ {
				merge(merged, b.Row(s))
			}
			row = merged
		}
		changes = appendChanges(changes[:0], row, b.Width)
		scaled = scaleRuns(scaled[:0], changes, int32(b.Width), int32(w), shift)
		paint(out.Row(y), closeChanges(scaled, int32(width)))
	}
	return out
}

// sources returns which rows of a page of from rows make row y of a page of to
// rows. Each row has its part in one row at least, so none is lost.
func sources(y, from, to int) (first, end int) {
	if to >= from {
		first = y * from / to
		return first, first + 1
	}
	return (y*from + to - 1) / to, ((y+1)*from + to - 1) / to
}

// merge makes black in row what is black in other.
func merge(row, other []byte) {
	for i, v := range other {
		row[i] |= v
	}
}

// scaleRuns appends the changing elements of a row when its width is changed
// and it is moved to the right. Runs keep their share of the width; a black one
// has at least one pel, and if that is where the one before ends, they join.
func scaleRuns(dst, changes []int32, from, to, shift int32) []int32 {
	for i := 0; i < len(changes)-sentinels; i += 2 { // a black run to the edge ends at a sentinel
		x0 := changes[i]*to/from + shift
		x1 := max(changes[i+1]*to/from+shift, x0+1)
		if n := len(dst); n > 0 && x0 <= dst[n-1] {
			dst[n-1] = max(dst[n-1], x1)
			continue
		}
		dst = append(dst, x0, x1)
	}
	return dst
}

// Closest returns which of the resolutions that a receiver offers keeps most of
// a page at r: r itself if it can be, else the coarsest of those that lose
// nothing, else the one that loses least. It is r if none is offered.
func (r Resolution) Closest(offered ...Resolution) Resolution {
	best, most, pels := r, 0, 0
	own := r.inches()
	for _, o := range offered {
		if o == r {
			return r
		}
		g := o.inches()
		kept, all := min(g.X, own.X)*min(g.Y, own.Y), g.X*g.Y
		if kept > most || kept == most && all < pels {
			best, most, pels = o, kept, all
		}
	}
	return best
}
