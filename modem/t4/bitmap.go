// Package t4 codes and decodes bilevel pages as ITU-T T.4 and T.6 do.
package t4

// Bitmap is a bilevel page. Rows are packed, eight pels to the octet, the
// leftmost pel in the most significant bit; 1 is black; the bits after the last
// pel of a row are 0.
type Bitmap struct {
	Width, Height int // pels, rows
	Stride        int // octets from one row to the next
	Pix           []byte
}

// NewBitmap returns a white page.
func NewBitmap(width, height int) *Bitmap {
	stride := (width + 7) / 8
	return &Bitmap{Width: width, Height: height, Stride: stride, Pix: make([]byte, stride*height)}
}

// Row returns row y.
func (b *Bitmap) Row(y int) []byte {
	return b.Pix[y*b.Stride : y*b.Stride+(b.Width+7)/8]
}

// Resolution is one of T.4's (pels per inch, horizontally by vertically).
type Resolution struct{ X, Y int }

// The resolutions of Group 3 in R8 pels (T.4 clause 2).
var (
	Standard  = Resolution{204, 98}  // R8 x 3.85 lines/mm
	Fine      = Resolution{204, 196} // R8 x 7.7 lines/mm
	Superfine = Resolution{204, 391} // R8 x 15.4 lines/mm
)
