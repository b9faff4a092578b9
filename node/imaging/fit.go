package imaging

import (
	"fmt"
	"math"

	"github.com/faxmesh/faxmesh/modem/t4"
)

// faxForm reports whether a page can be sent as it is, pel by pel, and at which
// resolution: if it is no wider than Width, at a resolution of Group 3 no finer
// than res.
func faxForm(b *t4.Bitmap, from, res t4.Resolution) (own t4.Resolution, ok bool) {
	own, ok = group3(from)
	return own, ok && b.Width <= Width && own.Y <= res.Y
}

// fit scales a page to the resolution res. It keeps its size on paper if that
// is known and no more than A4's. A page too wide for that is laid on its side
// if it is wider than tall, and reduced.
func fit(b *t4.Bitmap, from, res t4.Resolution) (*t4.Bitmap, error) {
	if from == (t4.Resolution{}) {
		from = t4.Resolution{X: 1, Y: 1} // as if drawn large: it comes to fill the page
	}
	if w, h := b.Width*from.Y, b.Height*from.X; w > maxAspect*h || h > maxAspect*w {
		return nil, fmt.Errorf("%w: a page of %d x %d pels is too narrow", ErrUnsupported, b.Width, b.Height)
	}
	if b.Width*b.Height > MaxPixels {
		return nil, fmt.Errorf("%w: a page of %d x %d pels must be scaled, at most %d pels can be", ErrTooLarge, b.Width, b.Height, MaxPixels)
	}
	p := fromBitmap(b)
	const wider = Width * 105 / 100 // Letter is a little wider than A4
	if p.width*res.X > wider*from.X && p.width*from.Y > p.height*from.X {
		p = p.turn(quarterTurn)
		from.X, from.Y = from.Y, from.X
	}
	s := min(float64(res.X)/float64(from.X), float64(Width)/float64(p.width))
	width := max(1, int(math.Round(s*float64(p.width))))
	p = p.scale(width, rowsFor(p, s, from, res))
	return centre(p.threshold(255 * inkShare / 100)), nil
}

// group3 returns the resolution of Group 3 that a page can be sent at as it is.
// Pages in inches, as 200 x 200, pass for those in millimetres: the difference
// is less than between two fax machines.
func group3(r t4.Resolution) (t4.Resolution, bool) {
	near := func(v, want int) bool { return v*100 >= want*96 && v*100 <= want*104 }
	if near(r.X, t4.Fine.X) {
		for _, to := range []t4.Resolution{t4.Standard, t4.Fine, t4.Superfine} {
			if near(r.Y, to.Y) {
				return to, true
			}
		}
	}
	return t4.Resolution{}, false
}

// centre puts a page that is too narrow in the middle of a white one.
func centre(b *t4.Bitmap) *t4.Bitmap {
	if b.Width == Width {
		return b
	}
	out := t4.NewBitmap(Width, b.Height)
	shift := (Width - b.Width) / 2
	octets, bits := shift>>3, shift&7
	for y := range b.Height {
		row := out.Row(y)[octets:]
		for i, v := range b.Row(y) {
			row[i] |= v >> bits
			if low := v << (8 - bits); low != 0 {
				row[i+1] |= low
			}
		}
	}
	return out
}
