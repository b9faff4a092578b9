package t4

import (
	"bytes"
	"io"
	"math/rand/v2"
	"reflect"
	"testing"

	"golang.org/x/image/ccitt"
)

// The twins below code as the Recommendation reads, pel by pel and bit by bit;
// the package's coders must say the same.

type bitString []byte // one octet for each bit

func (s bitString) octets() []byte {
	out := make([]byte, (len(s)+7)/8)
	for i, bit := range s {
		out[i/8] |= bit << (7 - i%8)
	}
	return out
}

func (s *bitString) word(w string) {
	for _, c := range []byte(w) {
		*s = append(*s, c-'0')
	}
}

func (s *bitString) run(black bool, n int) {
	term, makeup := whiteTerminating, whiteMakeup
	if black {
		term, makeup = blackTerminating, blackMakeup
	}
	for ; n > 2560+63; n -= 2560 {
		s.word(extendedMakeup[12])
	}
	switch {
	case n >= 1792:
		s.word(extendedMakeup[(n-1792)/64])
	case n >= 64:
		s.word(makeup[n/64-1])
	}
	s.word(term[n%64])
}

func pel(row []byte, x int) bool { return x >= 0 && row[x/8]<<(x%8)&0x80 != 0 }

// change is the first changing element right of x: a pel that differs from the
// one before.
func change(row []byte, x, width int) int {
	for x++; x < width; x++ {
		if pel(row, x) != pel(row, x-1) {
			return x
		}
	}
	return width
}

func twinMH(b *Bitmap) []byte {
	var s bitString
	for y := range b.Height {
		s.word("000000000001")
		s.row1D(b.Row(y), b.Width)
	}
	return s.octets()
}

func twinMR(b *Bitmap, k int, rtc bool) []byte {
	var s bitString
	for y := range b.Height {
		s.word("000000000001")
		if y%k == 0 {
			s.word("1")
			s.row1D(b.Row(y), b.Width)
		} else {
			s.word("0")
			s.row2D(b.Row(y), b.Row(y-1), b.Width)
		}
	}
	if rtc {
		for range 6 {
			s.word("0000000000011")
		}
	}
	return s.octets()
}

func twinMMR(b *Bitmap) []byte {
	var s bitString
	ref := make([]byte, (b.Width+7)/8)
	for y := range b.Height {
		s.row2D(b.Row(y), ref, b.Width)
		ref = b.Row(y)
	}
	s.word("000000000001000000000001")
	return s.octets()
}

func (s *bitString) row1D(row []byte, width int) {
	for x, black := 0, false; x < width; black = !black {
		n := x
		for n < width && pel(row, n) == black {
			n++
		}
		s.run(black, n-x)
		x = n
	}
}

func (s *bitString) row2D(row, ref []byte, width int) {
	for a0 := -1; a0 < width; {
		black := pel(row, a0)
		a1 := change(row, a0, width)
		b1 := change(ref, a0, width)
		if b1 < width && pel(ref, b1) == black {
			b1 = change(ref, b1, width)
		}
		b2 := change(ref, b1, width)
		switch d := a1 - b1; {
		case b2 < a1:
			s.word("0001")
			a0 = b2
		case -3 <= d && d <= 3:
			s.word([]string{"0000010", "000010", "010", "1", "011", "000011", "0000011"}[d+3])
			a0 = a1
		default:
			a2 := change(row, a1, width)
			s.word("001")
			s.run(black, a1-max(a0, 0))
			s.run(!black, a2-a1)
			a0 = a2
		}
	}
}

// randomPage draws rows that resemble each other, so that all modes occur.
func randomPage(r *rand.Rand, width, height int) *Bitmap {
	b := NewBitmap(width, height)
	for y := range height {
		row := b.Row(y)
		kind := r.IntN(4)
		if y > 0 && kind > 0 {
			copy(row, b.Row(y-1))
		}
		flips := []int{width / 2, 0, 3, 30}[kind]
		for range flips {
			x := r.IntN(width)
			for n := r.IntN(1 + r.IntN(64)); n >= 0 && x < width; n, x = n-1, x+1 {
				row[x/8] ^= 0x80 >> (x % 8)
			}
		}
		if r.IntN(20) == 0 {
			clear(row)
			setRun(row, r.IntN(width), width)
		}
	}
	return b
}

var widths = []int{1, 2, 7, 8, 9, 31, 63, 64, 65, 127, 128, 129, 1728, 2432, 2623, 2624, 2625, 5200, MaxWidth}

func TestTwins(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 6))
	for _, width := range widths {
		b := randomPage(r, width, 60)
		if !bytes.Equal(AppendMMR(nil, b), twinMMR(b)) {
			t.Errorf("width %d: MMR differs from its twin", width)
		}
		if !bytes.Equal(AppendMH(nil, b, MHOptions{}), twinMH(b)) {
			t.Errorf("width %d: MH differs from its twin", width)
		}
		got, err := DecodeMMR(AppendMMR([]byte("before"), b)[6:], width, MaxRows)
		if err != nil || !got.Equal(b) {
			t.Errorf("width %d: MMR does not come back: %v", width, err)
		}
		got, q := DecodeMH(AppendMH(nil, b, MHOptions{RTC: true}), width, MaxRows)
		if !got.Equal(b) || !clean(q, b.Height) {
			t.Errorf("width %d: MH does not come back: %+v", width, q)
		}
		for _, k := range []int{2, 4} {
			rtc := k == 4
			coded := AppendMR(nil, b, MROptions{K: k, RTC: rtc})
			if !bytes.Equal(coded, twinMR(b, k, rtc)) {
				t.Errorf("width %d: MR with K %d differs from its twin", width, k)
			}
			got, q := DecodeMR(coded, width, MaxRows)
			if q.Cut == rtc {
				t.Errorf("width %d: RTC %v, cut %v", width, rtc, q.Cut)
			}
			if !got.Equal(b) || !clean(q, b.Height) {
				t.Errorf("width %d: MR with K %d does not come back: %+v", width, k, q)
			}
		}
	}
}

// TestRunCodes decodes a run of every length with another decoder: that holds
// the whole table of code words against a second copy of the Recommendation.
func TestRunCodes(t *testing.T) {
	const width = 2700
	b := NewBitmap(width, 2*width)
	for n := range width {
		setRun(b.Row(2*n), n, width) // n white, then black
		if n > 0 {
			setRun(b.Row(2*n+1), 0, n)
		}
	}
	for name, sf := range map[string]ccitt.SubFormat{"MH": ccitt.Group3, "MMR": ccitt.Group4} {
		coded := AppendMMR(nil, b)
		if sf == ccitt.Group3 {
			coded = AppendMH(nil, b, MHOptions{RTC: true})
		}
		opt := &ccitt.Options{Invert: true} // 1 is black
		got, err := io.ReadAll(ccitt.NewReader(bytes.NewReader(coded), ccitt.MSB, sf, width, b.Height, opt))
		if err != nil || !bytes.Equal(got, b.Pix) {
			t.Errorf("%s is not what the other decoder reads: %v", name, err)
		}
	}
}

// setRun makes the pels from x0 up to x1 black.
func setRun(row []byte, x0, x1 int) {
	for x := x0; x < x1; x++ {
		row[x>>3] |= 0x80 >> (x & 7)
	}
}

// clean reports whether that many rows have come, none of them damaged.
func clean(q Quality, rows int) bool {
	return reflect.DeepEqual(q, Quality{Rows: rows, Cut: q.Cut}) // a file may have no RTC
}
