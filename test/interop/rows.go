package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/test/interop/lab"
)

// The programs.
const (
	faxmesh = "faxmesh"
	efax    = "efax"
	hylafax = "hylafax"
)

// row is one call to make.
type row struct {
	from, to string
	mode     lab.Mode
	pages    int
	weather  weather
}

// weather is a state of the line with its name.
type weather struct {
	name string
	lab.Weather
	harmless bool // a call has to succeed
}

func (r row) String() string {
	ecm := "no ECM"
	if r.mode.ECM {
		ecm = "ECM"
	}
	text := fmt.Sprintf("%-7s -> %-7s  %-6s %-3s  %-12s  %d", r.from, r.to, ecm, r.mode.Coding, r.mode.Rate, r.pages)
	return fmt.Sprintf("%s page%-1s  %-16s", text, map[bool]string{true: "s"}[r.pages > 1], r.weather.name)
}

// has says whether the row's line contains all the words.
func (r row) has(words string) bool {
	text := strings.Join(strings.Fields(r.String()), " ")
	for _, word := range strings.Split(words, ",") {
		if !strings.Contains(text, strings.TrimSpace(word)) {
			return false
		}
	}
	return true
}

// speed is how fast the row's line may go. HylaFAX looks at its terminal each
// 100 ms of wall time. Without ECM that is too late for a page if the line goes
// much faster than the clock; for one that follows its confirmation as closely
// as ours do, if it goes faster at all.
func (r row) speed(asked float64) float64 {
	switch {
	case r.mode.ECM:
		return asked
	case r.to == hylafax:
		return min(asked, 1)
	case r.from == hylafax:
		return min(asked, 2)
	}
	return asked
}

// pairs are the programs that call one another, and the codings that the
// sender has with ECM and without.
var pairs = []struct {
	from, to   string
	ecm, plain []string
}{
	{faxmesh, faxmesh, []string{"MMR", "MR", "MH"}, []string{"MR", "MH"}},
	{faxmesh, hylafax, []string{"MMR", "MR", "MH"}, []string{"MR", "MH"}},
	{hylafax, faxmesh, []string{"MMR", "MR", "MH"}, []string{"MR", "MH"}},
	{faxmesh, efax, nil, []string{"MH"}},
	{efax, faxmesh, nil, []string{"MH"}},
}

var rates = []line.Rate{line.V17x14400, line.V29x9600, line.V27ter4800}

// leftOut says what the matrix lacks, and why.
const leftOut = "left out: ECM, MMR and MR with efax, which has none of them"

// matrix are the calls on lines without fault.
func matrix() []row {
	var rows []row
	for _, pages := range []int{1, 5} {
		for _, rate := range rates {
			for _, p := range pairs {
				for _, coding := range p.ecm {
					rows = append(rows, row{from: p.from, to: p.to, mode: lab.Mode{ECM: true, Coding: coding, Rate: rate}, pages: pages})
				}
				for _, coding := range p.plain {
					rows = append(rows, row{from: p.from, to: p.to, mode: lab.Mode{Coding: coding, Rate: rate}, pages: pages})
				}
			}
		}
	}
	return rows
}

// weathers are the bad lines.
var weathers = []weather{
	{"delay 300 ms", lab.Weather{Delay: 300 * time.Millisecond}, true},
	{"echo 25 dB", lab.Weather{Echo: 25, EchoDelay: 30 * time.Millisecond}, true},
	{"noise, loss 8", lab.Weather{Noise: -50, Loss: 8}, true},
	{"noise, loss 12", lab.Weather{Noise: -50, Loss: 12}, false},
	{"noise, loss 14", lab.Weather{Noise: -50, Loss: 14}, false},
	{"slips", lab.Weather{Slip: 40000}, false},
	{"drops", lab.Weather{DropEvery: 8 * time.Second, DropFor: 20 * time.Millisecond}, false},
	{"cut at 20 s", lab.Weather{Cut: 20 * time.Second}, false},
}

// impaired are the calls on bad lines.
func impaired() []row {
	var rows []row
	for _, w := range weathers {
		for _, p := range pairs {
			if len(p.ecm) > 0 {
				rows = append(rows, row{p.from, p.to, lab.Mode{ECM: true, Coding: p.ecm[0], Rate: rates[0]}, 2, w})
			}
			rows = append(rows, row{p.from, p.to, lab.Mode{Coding: p.plain[0], Rate: rates[0]}, 2, w})
		}
	}
	return rows
}

// batch are rows for one exchange.
type batch struct {
	speed float64
	rows  []row
	cost  time.Duration // about so much wall time
}

// maxBatch keeps the lanes equally busy: a batch that has taken so much wall
// time takes no more rows.
const maxBatch = 2 * time.Minute

// batches puts rows together that can share an exchange, the longest batches
// first.
func batches(rows []row, asked float64) []batch {
	var all []batch
	open := map[string]int{} // the batch that still takes rows
	for _, r := range rows {
		key := fmt.Sprint(r.weather.name, r.speed(asked))
		i, ok := open[key]
		if !ok || all[i].cost >= maxBatch {
			i = len(all)
			all = append(all, batch{speed: r.speed(asked)})
			open[key] = i
		}
		all[i].rows = append(all[i].rows, r)
		all[i].cost += time.Duration(float64(r.nominal()) / all[i].speed)
	}
	slices.SortStableFunc(all, func(a, b batch) int { return cmp.Compare(b.cost, a.cost) })
	return all
}

// pageOctets are about those of a standard page in the longest coding.
const pageOctets = 60000

// nominal is about how long the row's call takes in line time.
func (r row) nominal() time.Duration {
	perPage := pageOctets*8/r.mode.Rate.BitsPerSecond() + 3
	return time.Duration(15+r.pages*perPage) * time.Second
}

// lineTime is the longest that the row's call may take in line time: a page may
// be repeated, at a lower rate, but not for ever.
func (r row) lineTime() time.Duration {
	if r.weather.name == "" {
		return 90*time.Second + 2*r.nominal()
	}
	return 5*time.Minute + 6*r.nominal()
}
