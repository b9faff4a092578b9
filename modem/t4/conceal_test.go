package t4

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"testing"
)

// wrong counts the pels in which two rows differ.
func wrong(a, b []byte) int {
	n := 0
	for i := range a {
		n += bits.OnesCount8(a[i] ^ b[i])
	}
	return n
}

// damaged codes row y on its own, by itself or against the row above, damages
// it, and returns what is decoded of it, if the damage shows.
func damaged(r *rand.Rand, page *Bitmap, y int, oneD bool) (cur, above []int32, ok bool) {
	width := int32(page.Width)
	above = appendChanges(changesFor(page.Width), page.Row(y-1), page.Width)
	row := appendChanges(nil, page.Row(y), page.Width)
	var w writer
	if oneD {
		w.row1D(row, width)
	} else {
		w.row2D(row, above, width)
	}
	end := w.bits()
	data := append(w.bytes(), 0, 0, 0) // fill
	for at, n := r.IntN(end), r.IntN(8); n >= 0 && at < end; at, n = at+1, n-1 {
		data[at/8] ^= 0x80 >> (at % 8)
	}
	d := rowDecoder{r: reader{data: data}, page: page, cur: changesFor(page.Width), ref: above}
	whole := d.decode(piece{start: 0, zeros: end, end: len(data) * 8, oneD: oneD})
	return d.cur, above, !whole
}

// TestConceal: over the charts, rows that are concealed are nearer to the truth
// than rows that repeat the one above.
func TestConceal(t *testing.T) {
	for _, oneD := range []bool{true, false} {
		r := rand.New(rand.NewPCG(8, 15))
		repeated, concealed := 0, 0
		for _, i := range []int{1, 4, 5, 7} {
			page := readPBM(t, conformance(t, "charts", fmt.Sprintf("itu%d.pbm", i)))
			row := make([]byte, page.Stride)
			for y := 1; y < page.Height; y += 2 {
				if cur, above, ok := damaged(r, page, y, oneD); ok {
					clear(row)
					paint(row, conceal(cur, above, int32(page.Width), oneD))
					repeated += wrong(page.Row(y), page.Row(y-1))
					concealed += wrong(page.Row(y), row)
				}
			}
		}
		most := 0.98
		if oneD {
			most = 0.8
		}
		t.Logf("one dimension %v: %d pels are wrong, %d if rows are repeated", oneD, concealed, repeated)
		if float64(concealed) > most*float64(repeated) {
			t.Errorf("one dimension %v: %d pels are wrong, %d if rows are repeated", oneD, concealed, repeated)
		}
	}
}

// TestConcealRow shows what is believed.
func TestConcealRow(t *testing.T) {
	const width = 200
	above := closeChanges([]int32{10, 20, 50, 60, 100, 110}, width)
	for _, c := range []struct {
		name string
		cur  []int32
		oneD bool
		want []int32
	}{
		{"nothing decoded", nil, true, []int32{10, 20, 50, 60, 100, 110}},
		{"good up to the damage", []int32{11, 21, 49, 61}, true, []int32{11, 21, 49, 61, 100, 110}},
		{"damaged in a black run", []int32{11, 21, 49}, true, []int32{11, 21, 49, 60, 100, 110}},
		{"a new stroke", []int32{11, 21, 30, 33, 49, 61}, true, []int32{11, 21, 30, 33, 49, 61, 100, 110}},
		{"a new stroke in two dimensions", []int32{11, 21, 30, 33, 49, 61}, false, []int32{11, 21, 50, 60, 100, 110}},
		{"astray", []int32{11, 21, 25, 35, 65, 75, 101, 109}, true, []int32{11, 21, 50, 60, 100, 110}},
		{"the other colour", []int32{20, 50, 60, 100}, true, []int32{10, 20, 50, 60, 100, 110}},
		{"a streak", []int32{11, 190}, true, []int32{11, 20, 50, 60, 100, 110}},
		{"more than a row", closeChanges([]int32{11, 21, 49, 61, 101, 111}, width), true, []int32{11, 21, 49, 61, 101, 111}},
	} {
		cur := append(changesFor(width), c.cur...)
		got := conceal(cur, above, width, c.oneD)
		if fmt.Sprint(got) != fmt.Sprint(closeChanges(c.want, width)) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
