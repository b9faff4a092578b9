package t4

import (
	"errors"
	"slices"
	"testing"
)

// FuzzMMR: whatever comes, the decoder returns a page within its limits, and
// what it returns comes back when coded again.
func FuzzMMR(f *testing.F) {
	page, _ := rowsWithEOL(6)
	coded := AppendMMR(nil, page)
	f.Add(coded, uint16(1728))
	f.Add(coded[:len(coded)/2], uint16(1728))
	f.Add([]byte{0x00, 0x10, 0x01}, uint16(1))
	f.Fuzz(func(t *testing.T, data []byte, width uint16) {
		got, err := DecodeMMR(data, int(width), 1000)
		checkPage(t, got, int(width), err == nil)
		again, err := DecodeMMR(AppendMMR(nil, got), got.Width, 1000)
		if got.Width > 0 && (err != nil || !again.Equal(got)) {
			t.Fatalf("%d rows of %d do not come back: %v", got.Height, got.Width, err)
		}
	})
}

// FuzzRLE does the same for rows without EOLs.
func FuzzRLE(f *testing.F) {
	_, lines := rowsWithEOL(6)
	var data []byte
	for _, l := range lines {
		data = append(data, l[:len(l)-eolBits].octets()...)
	}
	f.Add(data, uint16(1728))
	f.Add(data[:len(data)/2], uint16(1728))
	f.Fuzz(func(t *testing.T, data []byte, width uint16) {
		got, err := DecodeRLE(data, int(width), 1000)
		checkPage(t, got, int(width), err == nil)
		if got.Height > len(data) {
			t.Fatalf("%d rows of %d octets", got.Height, len(data))
		}
		again, err := DecodeMMR(AppendMMR(nil, got), got.Width, 1000)
		if got.Width > 0 && (err != nil || !again.Equal(got)) {
			t.Fatalf("%d rows of %d do not come back: %v", got.Height, got.Width, err)
		}
	})
}

// FuzzT4 does the same for the decoders with EOLs.
func FuzzT4(f *testing.F) {
	page, _ := rowsWithEOL(6)
	coded := AppendMH(nil, page, MHOptions{RTC: true})
	f.Add(coded, uint16(1728), false)
	f.Add(coded[:len(coded)/2], uint16(1728), true)
	f.Add([]byte{0x00, 0x18, 0x01}, uint16(1), true)
	f.Fuzz(func(t *testing.T, data []byte, width uint16, twoD bool) {
		decode := DecodeMH
		if twoD {
			decode = DecodeMR
		}
		got, q := decode(data, int(width), 1000)
		checkPage(t, got, int(width), got.Height > 0)
		if q.Rows != got.Height || q.BadRows != len(q.Damaged) || q.ConsecutiveBad > q.BadRows+q.LostRows || q.LostRows < 0 ||
			!slices.IsSorted(q.Damaged) || q.BadRows > 0 && q.Damaged[q.BadRows-1] >= q.Rows {
			t.Fatalf("%d rows, %+v", got.Height, q)
		}
		again, q := DecodeMH(AppendMH(nil, got, MHOptions{RTC: true}), got.Width, 1000)
		if got.Width > 0 && (q.BadRows != 0 || !again.Equal(got)) {
			t.Fatalf("%d rows of %d do not come back: %+v", got.Height, got.Width, q)
		}
		again, q = DecodeMR(AppendMR(nil, got, MROptions{K: 3, RTC: true}), got.Width, 1000)
		if got.Width > 0 && (q.BadRows != 0 || !again.Equal(got)) {
			t.Fatalf("%d rows of %d do not come back from MR: %+v", got.Height, got.Width, q)
		}
	})
}

// FuzzFit: a page of any size, at whatever resolution its file says, comes out
// as wide as it is wanted or not at all, and no black row is lost.
func FuzzFit(f *testing.F) {
	f.Add([]byte{0x10, 0, 0xFF}, uint16(24), 204, 196, 204, 98, uint16(1728))
	f.Add([]byte{1, 2, 3, 4, 5, 6}, uint16(9), 300, 300, 204, 391, uint16(5))
	f.Fuzz(func(t *testing.T, pels []byte, width uint16, fromX, fromY, toX, toY int, want uint16) {
		page := NewBitmap(int(width), len(pels)/max(1, int(width+7)/8))
		copy(page.Pix, pels)
		for y := range page.Height {
			if pad := page.Width % 8; pad != 0 {
				page.Row(y)[page.Stride-1] &= 0xFF << (8 - pad)
			}
		}
		got, err := Fit(page, Resolution{fromX, fromY}, Resolution{toX, toY}, int(want))
		if err != nil {
			if !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrResolution) {
				t.Fatal(err)
			}
			return
		}
		if got.Height > MaxRows || got.Width != int(want) || (ink(page) > 0) != (ink(got) > 0) {
			t.Fatalf("%d x %d with %d pels black become %d x %d with %d", page.Width, page.Height, ink(page), got.Width, got.Height, ink(got))
		}
		for y := range got.Height {
			row := got.Row(y)
			if pad := got.Width % 8; pad != 0 && row[len(row)-1]<<pad != 0 {
				t.Fatalf("row %d has pels past the edge", y)
			}
		}
	})
}

func checkPage(t *testing.T, b *Bitmap, width int, good bool) {
	t.Helper()
	if b == nil || b.Height > 1000 || good && b.Width != width || len(b.Pix) != b.Height*b.Stride {
		t.Fatalf("not a page: %+v", b)
	}
	for y := range b.Height {
		row := b.Row(y)
		if pad := b.Width % 8; pad != 0 && row[len(row)-1]<<pad != 0 {
			t.Fatalf("row %d has pels past the edge", y)
		}
	}
}
