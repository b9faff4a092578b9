// Package t4 codes and decodes bilevel pages as ITU-T T.4 and T.6 do.
//
// Coded octets are MSB first: the first bit on the line is the most significant
// bit of the first octet. Reverse turns them into the order of the line.
package t4

import (
	"fmt"
	"math/bits"
	"slices"
)

// Limits on a page, whatever its announcement says.
const (
	MaxWidth = 16384 // pels; the widest of T.4 is 14592 (A3 at 1200 pels/inch)
	MaxRows  = 20000 // rows; T.4 pages may be of unlimited length, memory is not
)

// commonRows is the length up to which a page that is decoded never grows: A4 at
// 7.7 lines/mm and some more.
const commonRows = 2400

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

// reset makes b an empty page to append rows to, probably as many as given, in
// the memory that b has.
func (b *Bitmap) reset(width, rows int) error {
	if width < 1 || width > MaxWidth {
		*b = Bitmap{Pix: b.Pix[:0]}
		return fmt.Errorf("%w: width %d is not in 1..%d", ErrTooLarge, width, MaxWidth)
	}
	*b = Bitmap{Width: width, Stride: (width + 7) / 8, Pix: b.Pix[:0]}
	if room := max(0, min(rows, commonRows)) * b.Stride; cap(b.Pix) < room {
		b.Pix = make([]byte, 0, room)
	}
	return nil
}

// addRow appends a white row to a bitmap whose rows are contiguous.
func (b *Bitmap) addRow() []byte {
	n := len(b.Pix)
	b.Pix = slices.Grow(b.Pix, b.Stride)[:n+b.Stride]
	row := b.Pix[n:]
	clear(row)
	b.Height++
	return row
}

// repeatRow appends a copy of the last row, or a white row to an empty page.
func (b *Bitmap) repeatRow() {
	row := b.addRow()
	if b.Height > 1 {
		copy(row, b.Row(b.Height-2))
	}
}

// Equal reports whether both pages have the same pels.
func (b *Bitmap) Equal(o *Bitmap) bool {
	if b.Width != o.Width || b.Height != o.Height {
		return false
	}
	for y := range b.Height {
		if string(b.Row(y)) != string(o.Row(y)) {
			return false
		}
	}
	return true
}

// Reverse reverses the order of the bits in every octet of b, in place. The
// line carries the least significant bit of an octet first (T.31 clause 8).
func Reverse(b []byte) {
	for i, v := range b {
		b[i] = bits.Reverse8(v)
	}
}
