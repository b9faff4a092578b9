package main

import (
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/t4"
	"github.com/faxmesh/faxmesh/test/interop/lab"
)

// document has n pages of which no two are the same.
func document(n int) lab.Document {
	d := make(lab.Document, n)
	for i := range d {
		page := t4.NewBitmap(1728, 40)
		for y := range page.Height {
			page.Row(y)[i] = byte(y + 1)
		}
		d[i] = modem.Page{Image: page, Resolution: t4.Fine}
	}
	return d
}

func TestJudge(t *testing.T) {
	mode := lab.Mode{ECM: true, Coding: "MMR", Rate: line.V17x14400}
	slower := mode
	slower.Rate = line.V29x9600
	plain := lab.Mode{Coding: "MH", Rate: line.V17x14400}
	want := document(2)
	swapped := lab.Document{want[1], want[0]}
	cut := weathers[len(weathers)-1]
	for _, c := range []struct {
		name     string
		row      row
		sent     lab.Sent
		received lab.Received
		wrong    string // "": nothing
	}{
		{"all well", row{mode: mode}, lab.Sent{OK: true, Pages: 2, Mode: mode}, lab.Received{OK: true, Pages: want, Mode: mode}, ""},
		{"sender failed", row{mode: mode}, lab.Sent{Pages: 2}, lab.Received{OK: true, Pages: want}, "sender says that it failed"},
		{"receiver failed", row{mode: mode}, lab.Sent{OK: true, Pages: 2}, lab.Received{Pages: want}, "receiver says that it failed"},
		{"page lost", row{mode: mode}, lab.Sent{OK: true, Pages: 2}, lab.Received{OK: true, Pages: want[:1]}, "receiver has 1"},
		{"page too many", row{mode: mode}, lab.Sent{OK: true, Pages: 2}, lab.Received{OK: true, Pages: append(want[:2:2], want[0])}, "receiver has 3"},
		{"wrong order", row{mode: mode}, lab.Sent{OK: true, Pages: 2}, lab.Received{OK: true, Pages: swapped}, "page 1: 40 rows of 40"},
		{"slower than asked", row{mode: mode}, lab.Sent{OK: true, Pages: 2, Mode: slower}, lab.Received{OK: true, Pages: want}, "V.29 9600"},
		{"bad line, failed, told", row{mode: mode, weather: cut}, lab.Sent{Pages: 1}, lab.Received{Pages: want[:1]}, ""},
		{"bad line, more arrived", row{mode: mode, weather: cut}, lab.Sent{Pages: 1}, lab.Received{Pages: want}, ""},
		{"bad line, not arrived", row{mode: mode, weather: cut}, lab.Sent{Pages: 1}, lab.Received{}, "receiver has 0"},
		{"bad line, sent, not arrived", row{mode: mode, weather: cut}, lab.Sent{OK: true, Pages: 2}, lab.Received{Pages: want[:1]}, "receiver has 1"},
		{"bad line, sent, too few", row{mode: mode, weather: cut}, lab.Sent{OK: true, Pages: 1}, lab.Received{Pages: want}, "but that 1 of 2"},
		{"bad line, ECM, damaged", row{mode: mode, weather: cut}, lab.Sent{Pages: 1}, lab.Received{Pages: swapped}, "page 1: 40 rows of 40"},
		{"bad line, no ECM, damaged", row{mode: plain, weather: cut}, lab.Sent{Pages: 1}, lab.Received{Pages: swapped}, ""},
		{"harmless, failed", row{mode: mode, weather: weathers[0]}, lab.Sent{Pages: 1}, lab.Received{Pages: want}, "sender says that it failed"},
	} {
		v := verdict{sent: c.sent, received: c.received}
		v.judge(c.row, want)
		if (c.wrong == "") != (v.wrong == "") || !strings.Contains(v.wrong, c.wrong) {
			t.Errorf("%s: %q, want %q", c.name, v.wrong, c.wrong)
		}
	}
}

// TestMatrix: the calls that have to be made are in the matrix, none twice, and
// HylaFAX is not asked for more than it can do.
func TestMatrix(t *testing.T) {
	rows := append(matrix(), impaired()...)
	seen := map[string]bool{}
	for _, r := range rows {
		if seen[r.String()] {
			t.Errorf("twice: %v", r)
		}
		seen[r.String()] = true
		most := 4.0
		switch {
		case !r.mode.ECM && r.to == hylafax:
			most = 1
		case !r.mode.ECM && r.from == hylafax:
			most = 2
		}
		if speed := r.speed(4); speed != most {
			t.Errorf("%v at speed %g, want %g", r, speed, most)
		}
	}
	if perRate := 5 + 5 + 5 + 1 + 1; len(matrix()) != 2*len(rates)*perRate {
		t.Errorf("%d calls on good lines, want %d", len(matrix()), 2*len(rates)*perRate)
	}
	n := 0
	for _, b := range batches(rows, 4) {
		n += len(b.rows)
		for _, r := range b.rows {
			if r.weather.name != b.rows[0].weather.name || r.speed(4) != b.speed {
				t.Errorf("%v shares an exchange with %v", r, b.rows[0])
			}
		}
	}
	if n != len(rows) {
		t.Errorf("%d calls in batches, want %d", n, len(rows))
	}
}
