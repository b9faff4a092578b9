package t4

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// printed is a page like a letter: margins, lines of print, blanks between them.
func printed(height int) *Bitmap {
	r := rand.New(rand.NewPCG(3, 3))
	b := NewBitmap(1728, height)
	for y := 100; y < height-100; y++ {
		if y%40 >= 24 {
			continue
		}
		for x := 100; x < 1500; x += 8 + r.IntN(24) {
			setRun(b.Row(y), x, x+1+r.IntN(6))
		}
	}
	return b
}

// codedRows is a page in bits, and where each row begins, with its EOL.
func codedRows(b *Bitmap, twoD bool) (s bitString, at []int) {
	const k = 4
	for y := range b.Height {
		at = append(at, len(s))
		s.word(eolText)
		switch {
		case twoD && y%k != 0:
			s.word("0")
			s.row2D(b.Row(y), b.Row(y-1), b.Width)
			continue
		case twoD:
			s.word("1")
		}
		s.row1D(b.Row(y), b.Width)
	}
	at = append(at, len(s))
	for range rtcEOLs {
		s.word(eolText)
		if twoD {
			s.word("1")
		}
	}
	return s, at
}

// TestTornPages: what a demodulator that has lost its signal makes of rows is
// random, and few EOLs are in it. The rows are missed all the same.
func TestTornPages(t *testing.T) {
	page := printed(1100)
	for _, c := range []struct {
		name        string
		from, to    int // rows in the noise
		cut         bool
		least, most int // rows that are bad or have vanished
		run         int // of them in a row, at least
	}{
		{"nothing", 0, 0, false, 0, 0, 0},
		{"one row", 500, 501, false, 1, 5, 1},
		{"ten rows", 520, 530, false, 5, 22, 5},
		{"the head", 0, 300, false, 200, 450, 100},
		{"the middle", 300, 700, false, 240, 520, 200},
		{"from the margin on", 40, 400, false, 240, 470, 100},
		{"the tail, without RTC", 600, 1100, true, 300, 650, 100},
		{"all but a third", 360, 1100, true, 500, 1100, 400},
	} {
		for _, twoD := range []bool{false, true} {
			s, at := codedRows(page, twoD)
			r := rand.New(rand.NewPCG(5, 5))
			for i := at[c.from]; i < at[c.to]; i++ {
				s[i] = byte(r.IntN(2))
			}
			if c.cut {
				s = s[:at[c.to]]
			}
			decode := DecodeMH
			if twoD {
				decode = DecodeMR
			}
			_, q := decode(s.octets(), page.Width, MaxRows)
			bad := q.BadRows + q.LostRows
			if bad < c.least || bad > c.most+3*map[bool]int{true: 1}[twoD] || q.ConsecutiveBad < c.run || q.Cut != c.cut {
				t.Errorf("%s, in two dimensions %v: %d rows, %d bad, %d lost, %d in a row, cut %v", c.name, twoD, q.Rows, q.BadRows, q.LostRows, q.ConsecutiveBad, q.Cut)
			}
		}
	}
}

// TestStruckEOL: without the EOL between them two rows are one. Damage to single
// rows, however long, is no tear.
func TestStruckEOL(t *testing.T) {
	page := printed(1100)
	for y := 1; y < page.Height; y += 31 {
		s, at := codedRows(page, false)
		s[at[y]+5] = 1
		if _, q := DecodeMH(s.octets(), page.Width, MaxRows); q.Rows != page.Height-1 || q.BadRows != 1 || q.LostRows > 4 {
			t.Fatalf("EOL of row %d: %+v", y, q)
		}
		s, at = codedRows(page, false)
		s[at[y]+12] ^= 1
		if _, q := DecodeMH(s.octets(), page.Width, MaxRows); q.LostRows > 1 {
			t.Fatalf("row %d: %+v", y, q)
		}
	}
}

// TestIdleAround: some programs idle with ones before the first EOL, for seconds,
// and behind the RTC. None of that has ever been a row.
func TestIdleAround(t *testing.T) {
	page := printed(300)
	idle := bytes.Repeat([]byte{0xff}, 4500)
	for _, twoD := range []bool{false, true} {
		s, _ := codedRows(page, twoD)
		decode := DecodeMH
		if twoD {
			decode = DecodeMR
		}
		_, q := decode(slices.Concat(idle, s.octets(), idle), page.Width, MaxRows)
		if want := (Quality{Rows: page.Height}); !reflect.DeepEqual(q, want) {
			t.Errorf("in two dimensions %v: %+v, want %+v", twoD, q, want)
		}
	}
}
