package t4

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
)

// rowsWithEOL is a page whose rows all differ, and its rows as MH codes them,
// each with the EOL behind it.
func rowsWithEOL(height int) (*Bitmap, []bitString) {
	b := randomPage(rand.New(rand.NewPCG(1, 2)), 1728, height)
	lines := make([]bitString, height)
	for y := range height {
		setRun(b.Row(y), 5*y, 5*y+3)
		lines[y].row1D(b.Row(y), b.Width)
		lines[y].word(eolText)
	}
	return b, lines
}

const eolText = "000000000001"

func TestDamagedRows(t *testing.T) {
	page, lines := rowsWithEOL(20)
	flip := func(y, bit int) { lines[y][bit] ^= 1 }
	flip(7, 0) // 00110101 begins otherwise
	flip(8, 0)
	flip(12, len(lines[12])-40) // near its end: the row is good up to there
	var s bitString
	s.word(eolText)
	for _, l := range lines {
		s = append(s, l...)
	}
	for range 5 {
		s.word(eolText)
	}
	got, q := DecodeMH(s.octets(), page.Width, MaxRows)
	if want := (Quality{Rows: 20, BadRows: 3, ConsecutiveBad: 2, Damaged: []int{7, 8, 12}}); !reflect.DeepEqual(q, want) {
		t.Fatalf("quality %+v, want %+v", q, want)
	}
	for y := range 20 {
		want := y
		switch y {
		case 7, 8:
			want = 6
		case 12:
			if left := page.Stride * 3 / 4; bytes.Equal(got.Row(y)[:left], page.Row(y)[:left]) {
				continue
			}
		}
		if !bytes.Equal(got.Row(y), page.Row(want)) {
			t.Errorf("row %d is not row %d of the page", y, want)
		}
	}
}

// TestDamagedMR: a row that refers to a damaged one is lost with it, up to the
// next one in one dimension.
func TestDamagedMR(t *testing.T) {
	page, _ := rowsWithEOL(20)
	const k = 4
	for hit := range page.Height {
		var s bitString
		for y := range page.Height {
			s.word(eolText)
			if y%k == 0 {
				s.word("1")
			} else {
				s.word("0")
			}
			at := len(s)
			if y%k == 0 {
				s.row1D(page.Row(y), page.Width)
			} else {
				s.row2D(page.Row(y), page.Row(y-1), page.Width)
			}
			if y == hit {
				s = append(s[:at], 0, 0, 0, 0, 0, 0, 0, 0, 1) // no code word
			}
		}
		for range rtcEOLs {
			s.word(eolText + "1")
		}
		got, q := DecodeMR(s.octets(), page.Width, MaxRows)
		lost := k - hit%k
		want := Quality{Rows: 20, BadRows: lost, ConsecutiveBad: lost}
		for y := range lost {
			want.Damaged = append(want.Damaged, hit+y)
		}
		if !reflect.DeepEqual(q, want) {
			t.Errorf("row %d damaged: %+v, want %+v", hit, q, want)
			continue
		}
		for y := range page.Height {
			want := make([]byte, page.Stride) // before the first good row, white
			if y < hit || y >= hit+lost {
				want = page.Row(y)
			} else if hit > 0 {
				want = page.Row(hit - 1)
			}
			if !bytes.Equal(got.Row(y), want) {
				t.Errorf("row %d damaged: row %d is wrong", hit, y)
			}
		}
	}
}

func TestPageEnds(t *testing.T) {
	page, lines := rowsWithEOL(4)
	body := bitString{}
	body.word(eolText)
	for _, l := range lines {
		body = append(body, l...)
	}
	cut := body[:len(body)-len(lines[3])/2]
	with := func(s bitString, words ...string) []byte {
		s = append(bitString{}, s...)
		for _, w := range words {
			s.word(w)
		}
		return s.octets()
	}
	for _, c := range []struct {
		name string
		data []byte
		rows int
		cut  bool // nothing is left of RTC
	}{
		{"RTC", with(body, eolText, eolText, eolText, eolText, eolText), 4, false},
		{"RTC, then noise", with(body, eolText, eolText, eolText, eolText, "1011100110101110101", eolText, "111"), 4, false},
		{"RTC, then another page", append(with(body, eolText, eolText, eolText, eolText, eolText), with(body)...), 4, false},
		{"RTC damaged", with(body, eolText, eolText, "010000100001", eolText, eolText), 4, false},
		{"no RTC", with(body), 4, true},
		{"no RTC, noise", with(body, "11010111010110"), 4, true},
		{"cut off in a row", with(cut), 3, true},
		{"no EOL behind the last row", with(body[:len(body)-12]), 4, true},
		{"fill before RTC", with(body, "00000000000000000000000", eolText, eolText), 4, false},
		{"noise in front", append([]byte{0xA7, 0x31, 0x05}, with(body)...), 4, true},
		{"fill in front", append(make([]byte, 40), with(body)...), 4, true},
		{"one EOL too many in between", with(append(append(bitString{}, body...), body...)), 8, true},
		{"nothing", nil, 0, true},
		{"zeros alone", make([]byte, 1000), 0, true},
		{"ones alone", bytes.Repeat([]byte{0xFF}, 1000), 0, true},
		{"EOLs alone", with(nil, eolText, eolText, eolText, eolText, eolText, eolText), 0, false},
	} {
		got, q := DecodeMH(c.data, page.Width, MaxRows)
		if got.Height != c.rows || !clean(q, c.rows) || q.Cut != c.cut {
			t.Errorf("%s: %d rows, %+v; want %d good ones, cut %v", c.name, got.Height, q, c.rows, c.cut)
			continue
		}
		for y := range got.Height {
			if !bytes.Equal(got.Row(y), page.Row(y%4)) {
				t.Errorf("%s: row %d is wrong", c.name, y)
			}
		}
	}
}

func TestMinBits(t *testing.T) {
	page, _ := rowsWithEOL(50)
	clear(page.Row(3))
	for _, least := range []int{0, 40, 192, 720} {
		for _, align := range []bool{false, true} {
			name := fmt.Sprintf("MH, at least %d, align %v", least, align)
			coded := AppendMH(nil, page, MHOptions{MinBits: least, RTC: true, AlignEOL: align})
			got, q := DecodeMH(coded, page.Width, MaxRows)
			if !got.Equal(page) || !clean(q, page.Height) {
				t.Fatalf("%s: does not come back, %+v", name, q)
			}
			checkLines(t, name, eolScanner{data: coded}, page.Height, least, align)
			for _, k := range []int{2, 4} {
				name := fmt.Sprintf("MR, K %d, at least %d, align %v", k, least, align)
				coded := AppendMR(nil, page, MROptions{K: k, MinBits: least, RTC: true, AlignEOL: align})
				got, q := DecodeMR(coded, page.Width, MaxRows)
				if !got.Equal(page) || !clean(q, page.Height) {
					t.Fatalf("%s: does not come back, %+v", name, q)
				}
				checkLines(t, name, eolScanner{data: coded, tagged: true}, page.Height, least, align)
			}
		}
	}
}

// checkLines holds the length of each line, from behind one EOL (and its tag
// bit) to behind the next one, and the place of its EOL against what was asked.
func checkLines(t *testing.T, name string, eols eolScanner, rows, least int, align bool) {
	t.Helper()
	eols.next()
	for y := range rows {
		start := eols.pos
		if p, _ := eols.next(); eols.pos-start < least || !p.fillFrom(p.zeros) {
			t.Fatalf("%s: row %d has %d bits", name, y, eols.pos-start)
		}
		if align && eols.pos%8 != 0 {
			t.Fatalf("%s: row %d: EOL ends at bit %d", name, y, eols.pos)
		}
	}
	ends := 1 // the EOL of the last row is the first one of RTC
	for {
		p, more := eols.next()
		if !more {
			break
		}
		if !p.empty() || !p.oneD {
			t.Fatalf("%s: %+v within RTC", name, p)
		}
		ends++
	}
	if ends != rtcEOLs {
		t.Fatalf("%s: %d EOLs at the end", name, ends)
	}
}

func TestMMREnds(t *testing.T) {
	page, _ := rowsWithEOL(30)
	coded := AppendMMR(nil, page)
	// Without EOFB, whole or cut at any of its bits, the page is complete.
	for n := 1; n <= 3; n++ {
		got, err := DecodeMMR(coded[:len(coded)-n], page.Width, MaxRows)
		if err != nil || !got.Equal(page) {
			t.Errorf("without the last %d octets: %d rows, %v", n, got.Height, err)
		}
	}
	got, err := DecodeMMR(append(coded, "more"...), page.Width, MaxRows)
	if err != nil || !got.Equal(page) {
		t.Errorf("with octets behind: %d rows, %v", got.Height, err)
	}
	got, err = DecodeMMR(coded, page.Width, 10)
	if !errors.Is(err, ErrTooLarge) || got.Height != 10 {
		t.Errorf("asked for 10 rows: %d rows, %v", got.Height, err)
	}
	got, err = DecodeMMR(coded[:len(coded)/2], page.Width, MaxRows)
	if !errors.Is(err, ErrDamaged) || got.Height < 5 || got.Height > 25 {
		t.Errorf("cut in half: %d rows, %v", got.Height, err)
	}
	for y := range got.Height {
		if !bytes.Equal(got.Row(y), page.Row(y)) {
			t.Errorf("cut in half: row %d is wrong", y)
		}
	}
	for _, width := range []int{-1, 0, MaxWidth + 1} {
		if got, err := DecodeMMR(coded, width, MaxRows); !errors.Is(err, ErrTooLarge) || got == nil {
			t.Errorf("width %d: %v", width, err)
		}
		if got, q := DecodeMH(coded, width, MaxRows); got.Height != 0 || q.Rows != 0 {
			t.Errorf("width %d: %+v", width, q)
		}
	}
}

func TestDamagedMMR(t *testing.T) {
	for name, c := range map[string]struct {
		bits string
		rows int
	}{
		"extension":             {"1" + "0000001111", 1},
		"no code":               {"1" + "00000000001", 1},
		"run past the edge":     {"1" + "001" + whiteTerminating[60] + blackTerminating[60], 1},
		"a1 left of the page":   {"001" + whiteTerminating[1] + blackTerminating[2] + "1" + "0000010" + "111", 1},
		"a1 not right of a0":    {"001" + whiteTerminating[9] + blackTerminating[1] + "1" + "001" + whiteTerminating[9] + blackTerminating[0] + "010" + "0000010", 1},
		"a1 at a0":              {"001" + whiteTerminating[9] + blackTerminating[1] + "1" + "1" + "010" + "1", 1},
		"a1 right of the edge":  {"1" + "011", 1},
		"uncoded black run":     {"001" + whiteTerminating[3] + blackMakeup[0], 0},
		"endless make-up codes": {"001" + string(bytes.Repeat([]byte("000000011111"), 20)), 0},
	} {
		var s bitString
		s.word(c.bits)
		got, err := DecodeMMR(s.octets(), 64, MaxRows)
		if !errors.Is(err, ErrDamaged) || got.Height != c.rows {
			t.Errorf("%s: %d rows, %v", name, got.Height, err)
		}
	}
}

// TestEmptyRuns: a run of no pels within a row is no changing element.
func TestEmptyRuns(t *testing.T) {
	var s bitString
	s.word("001" + whiteTerminating[4] + blackTerminating[0]) // nothing black at 4
	s.word("001" + whiteTerminating[4] + blackTerminating[8] + "1")
	s.word("1" + "1" + "1" + "000000000001000000000001")
	got, err := DecodeMMR(s.octets(), 32, MaxRows)
	want := NewBitmap(32, 2)
	setRun(want.Row(0), 8, 16)
	setRun(want.Row(1), 8, 16)
	if err != nil || !got.Equal(want) {
		t.Errorf("%d rows, %x: %v", got.Height, got.Pix, err)
	}
}

func TestRLE(t *testing.T) {
	page, lines := rowsWithEOL(9)
	var data []byte
	for _, l := range lines {
		data = append(data, l[:len(l)-eolBits].octets()...)
	}
	got, err := DecodeRLE(data, page.Width, 9)
	if err != nil || !got.Equal(page) {
		t.Errorf("%d rows: %v", got.Height, err)
	}
	got, err = DecodeRLE(data[:len(data)-9], page.Width, 9)
	if !errors.Is(err, ErrDamaged) || got.Height != 8 {
		t.Errorf("cut off: %d rows: %v", got.Height, err)
	}
}

func TestReverse(t *testing.T) {
	b := []byte{0x01, 0x80, 0xC8, 0xFF, 0x00, 0x31}
	Reverse(b)
	if want := []byte{0x80, 0x01, 0x13, 0xFF, 0x00, 0x8C}; !bytes.Equal(b, want) {
		t.Errorf("%x, want %x", b, want)
	}
}

// TestEOLs holds the scanner against one that goes bit by bit.
func TestEOLs(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 1))
	for range 2000 {
		data := make([]byte, r.IntN(60))
		for i := range data {
			if r.IntN(3) > 0 {
				data[i] = byte(1<<r.IntN(8)) * byte(r.IntN(2))
			}
		}
		var want []piece
		start, zeros := 0, 0 // the piece under way, the zeros behind its last one
		for i := range len(data) * 8 {
			if data[i/8]<<(i%8)&0x80 == 0 {
				zeros++
				continue
			}
			if zeros >= eolZeros {
				want = append(want, piece{start, i - zeros, i - eolZeros, start > 0, true})
				start = i + 1
			}
			zeros = 0
		}
		want = append(want, piece{start, len(data)*8 - zeros, len(data) * 8, start > 0, true})
		s := eolScanner{data: data}
		for i, w := range want {
			if p, more := s.next(); p != w || more != (i < len(want)-1) {
				t.Fatalf("% x: piece %d is %+v, want %+v", data, i, p, w)
			}
		}
	}
}
