package t4

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"testing"
)

// mrText is a page in MR, K 4, bit by bit, each row behind its EOL and tag bit.
// The tag bit of the hit row is wrong; no row is hit if that is -1.
func mrText(page *Bitmap, hit int) bitString {
	var s bitString
	for y := range page.Height {
		oneD := y%4 == 0
		s.word(eolText)
		s.word(map[bool]string{true: "1", false: "0"}[oneD != (y == hit)])
		if oneD {
			s.row1D(page.Row(y), page.Width)
		} else {
			s.row2D(page.Row(y), page.Row(y-1), page.Width)
		}
	}
	return s
}

// TestTagBits: a row whose tag bit is struck is read all the same if it is one
// of one dimension; else it is lost with those that refer to it.
func TestTagBits(t *testing.T) {
	page, _ := rowsWithEOL(20)
	for hit := range page.Height {
		s := mrText(page, hit)
		for range rtcEOLs {
			s.word(eolText + "1")
		}
		got, q := DecodeMR(s.octets(), page.Width, MaxRows)
		want := Quality{Rows: page.Height}
		if lost := 4 - hit%4; lost < 4 {
			want.BadRows, want.ConsecutiveBad = lost, lost
			for y := range lost {
				want.Damaged = append(want.Damaged, hit+y)
			}
		}
		if !reflect.DeepEqual(q, want) {
			t.Errorf("tag bit of row %d: %+v, want %+v", hit, q, want)
			continue
		}
		for y := range page.Height {
			if lost := y >= hit && y < hit+len(want.Damaged); !lost && !bytes.Equal(got.Row(y), page.Row(y)) {
				t.Errorf("tag bit of row %d: row %d is wrong", hit, y)
			}
		}
	}
}

// TestTagGuess: hardly a row of the charts in two dimensions would pass for one
// in one dimension, damaged or not; so a struck tag bit can be told.
func TestTagGuess(t *testing.T) {
	rows, taken := 0, 0
	for i := range mmrSizes {
		chart := readPBM(t, conformance(t, "charts", fmt.Sprintf("itu%d.pbm", i+1)))
		d := rowDecoder{page: chart, cur: changesFor(chart.Width)}
		cur, above := changesFor(chart.Width), changesFor(chart.Width)
		var w writer
		for y := 1; y < chart.Height; y++ {
			above = appendChanges(above[:0], chart.Row(y-1), chart.Width)
			cur = appendChanges(cur[:0], chart.Row(y), chart.Width)
			w = writer{buf: w.buf[:0]}
			w.row2D(cur, above, int32(chart.Width))
			end := w.bits()
			d.r.data = append(w.bytes(), 0, 0, 0)
			for _, struck := range []int{-1, end / 2} {
				if struck >= 0 {
					d.r.data[struck/8] ^= 0x80 >> (struck % 8)
				}
				if _, ok := d.row1D(piece{zeros: end, end: len(d.r.data) * 8}, d.cur[:0]); ok {
					taken++
				}
				rows++
			}
		}
	}
	t.Logf("%d of %d rows in two dimensions are whole ones in one dimension, too", taken, rows)
	if taken*5000 > rows {
		t.Errorf("%d of %d rows in two dimensions are taken for ones in one dimension", taken, rows)
	}
}

// TestFirstRow2D: a first row in two dimensions refers to a white one, but only
// if no row before it is lost.
func TestFirstRow2D(t *testing.T) {
	page, _ := rowsWithEOL(6)
	white := make([]byte, page.Stride)
	var s bitString
	for y := range page.Height {
		above := white
		if y > 0 {
			above = page.Row(y - 1)
		}
		s.word(eolText + "0")
		s.row2D(page.Row(y), above, page.Width)
	}
	for range rtcEOLs {
		s.word(eolText + "1")
	}
	got, q := DecodeMR(s.octets(), page.Width, MaxRows)
	if !got.Equal(page) || !clean(q, page.Height) {
		t.Errorf("not read: %+v", q)
	}
	noise := bitString{}
	noise.word("0110100101")
	if _, q := DecodeMR(append(noise, s...).octets(), page.Width, MaxRows); q.BadRows != page.Height {
		t.Errorf("behind noise: %+v", q)
	}
}

// TestRTCWithoutTags: an RTC of bare EOLs ends a page in MR, too.
func TestRTCWithoutTags(t *testing.T) {
	page, _ := rowsWithEOL(7)
	for eols := endEOLs; eols <= 2*rtcEOLs; eols++ {
		s := mrText(page, -1)
		for range eols {
			s.word(eolText)
		}
		s.word("0010110111") // what the line makes of the end of the carrier
		got, q := DecodeMR(s.octets(), page.Width, MaxRows)
		if want := (Quality{Rows: page.Height}); !got.Equal(page) || !reflect.DeepEqual(q, want) {
			t.Errorf("%d EOLs: %+v, want %+v", eols, q, want)
		}
	}
}

// row is one row of MH and whether it is a whole one.
type row struct {
	name  string
	words []string
	want  func(row []byte) // paints the row; nil: it is damaged
}

// TestOddRows reads what encoders make that go their own ways about runs.
func TestOddRows(t *testing.T) {
	const width = 5200
	black := func(x0, x1 int) func([]byte) { return func(r []byte) { setRun(r, x0, x1) } }
	longest := extendedMakeup[12]
	for _, c := range []row{
		{"one make-up code after the other", []string{longest, longest, whiteMakeup[0], whiteTerminating[16]}, black(0, 0)},
		{"short make-up codes first", []string{whiteMakeup[0], longest, longest, whiteTerminating[16]}, black(0, 0)},
		{"no shorter than need be", []string{whiteMakeup[26], whiteMakeup[26], whiteMakeup[26], whiteTerminating[16]}, black(0, 0)},
		{"a make-up code and nothing", []string{longest, longest, whiteMakeup[0], whiteTerminating[0], blackTerminating[16]}, black(5184, 5200)},
		{"black from the edge", []string{whiteTerminating[0], longest, longest, blackMakeup[0], blackTerminating[16]}, black(0, 5200)},
		{"nothing black in the middle", []string{whiteTerminating[40], blackTerminating[0], longest, longest, whiteTerminating[40]}, black(0, 0)},
		{"nothing white in the middle", []string{whiteTerminating[10], blackTerminating[6], whiteTerminating[0], blackTerminating[4],
			longest, longest, whiteTerminating[60]}, black(10, 20)},
		{"nothing white at the end", []string{whiteTerminating[0], longest, longest, blackMakeup[0], blackTerminating[16], whiteTerminating[0]}, black(0, 5200)},
		{"nothing black at the end", []string{longest, longest, whiteMakeup[0], whiteTerminating[16], blackTerminating[0]}, black(0, 0)},
		{"one pel short", []string{longest, longest, whiteMakeup[0], whiteTerminating[15]}, nil},
		{"one pel too many", []string{longest, longest, whiteMakeup[0], whiteTerminating[17]}, nil},
		{"a black pel too many", []string{longest, longest, whiteMakeup[0], whiteTerminating[16], blackTerminating[1]}, nil},
		{"two empty runs at the end", []string{longest, longest, whiteMakeup[0], whiteTerminating[16], blackTerminating[0], whiteTerminating[0]}, nil},
		{"no terminating code", []string{longest, longest, whiteMakeup[0]}, nil},
		{"half a width", []string{longest, whiteTerminating[40]}, nil},
		{"no code", []string{"000000001"}, nil},
		{"uncompressed mode", []string{"000000001111"}, nil},
	} {
		for _, fill := range []int{0, 1, 11, 500} {
			var s bitString
			for range 2 {
				s.word(eolText)
				for _, w := range c.words {
					s.word(w)
				}
				s = append(s, make([]byte, fill)...)
			}
			for range rtcEOLs {
				s.word(eolText)
			}
			got, q := DecodeMH(s.octets(), width, MaxRows)
			want := NewBitmap(width, 2)
			bad := Quality{Rows: 2, BadRows: 2, ConsecutiveBad: 2, Damaged: []int{0, 1}}
			if c.want != nil {
				c.want(want.Row(0))
				c.want(want.Row(1))
				bad = Quality{Rows: 2}
			}
			if !reflect.DeepEqual(q, bad) || c.want != nil && !got.Equal(want) {
				t.Errorf("%s, fill of %d: %+v", c.name, fill, q)
			}
		}
	}
}

// TestPlainPages: pages that leave no mode unused or use but one, at every width.
func TestPlainPages(t *testing.T) {
	pages := map[string]func(x, y int) bool{
		"white":            func(_, _ int) bool { return false },
		"black":            func(_, _ int) bool { return true },
		"upright stripes":  func(x, _ int) bool { return x%2 == 0 },
		"level stripes":    func(_, y int) bool { return y%2 == 0 },
		"chequers":         func(x, y int) bool { return (x+y)%2 == 0 },
		"slow slant":       func(x, y int) bool { return (x+y)/3%5 == 0 },
		"fast slant":       func(x, y int) bool { return (x+4*y)%9 < 4 },
		"the edges":        func(x, y int) bool { return x == 0 || y == 0 },
		"all but the left": func(x, _ int) bool { return x > 0 },
	}
	all := []int{1, 2, 3, 7, 8, 9, 63, 65, 1725, 2560, 2624}
	for _, r := range Resolutions() {
		for p := range papers {
			all = append(all, r.Width(p))
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	for name, black := range pages {
		for _, width := range all {
			page := NewBitmap(width, 6)
			for y := range page.Height {
				for x := range width {
					if black(x, y) {
						page.Row(y)[x>>3] |= 0x80 >> (x & 7)
					}
				}
			}
			if got, err := DecodeMMR(AppendMMR(nil, page), width, MaxRows); err != nil || !got.Equal(page) {
				t.Errorf("%s, %d wide: MMR: %v", name, width, err)
			}
			if got, q := DecodeMH(AppendMH(nil, page, MHOptions{RTC: true}), width, MaxRows); !got.Equal(page) || !clean(q, 6) {
				t.Errorf("%s, %d wide: MH: %+v", name, width, q)
			}
			for _, k := range []int{2, 4} {
				if got, q := DecodeMR(AppendMR(nil, page, MROptions{K: k, RTC: true}), width, MaxRows); !got.Equal(page) || !clean(q, 6) {
					t.Errorf("%s, %d wide: MR, K %d: %+v", name, width, k, q)
				}
			}
		}
	}
}
