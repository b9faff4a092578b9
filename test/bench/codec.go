package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/image/ccitt"

	"github.com/faxmesh/faxmesh/modem/t4"
)

// What is asked of the codec.
const (
	leastSpeedup = 2.0 // throughput of MMR over libtiff's, geometric mean over the charts
	mostAllocs   = 0.0 // allocations for each row
)

// The charts of the ITU-T.
const charts = 8

// fineK is the K of MR that libtiff chooses for pages of fine resolution.
const fineK = 4

// task is one coding in one direction.
type task struct {
	coding, deed string
	barred       bool // libtiff is to be beaten
}

func (t task) String() string { return strings.ToUpper(t.coding) + " " + t.deed }

var tasks = [...]task{
	{"mh", "encode", false}, {"mh", "decode", false},
	{"mr", "encode", false}, {"mr", "decode", false},
	{"mmr", "encode", true}, {"mmr", "decode", true},
}

// Who is measured.
const (
	ours = iota
	theirs
	ximage
	contestants
)

var names = [contestants]string{"faxmesh", "libtiff", "x/image"}

// speeds are in megapixels per second; 0 where there is none.
type speeds [len(tasks)][charts][contestants]float64

// codec measures the fax codings on the test charts of the ITU-T.
func codec(args []string, out io.Writer) ([]bar, error) {
	flags := flag.NewFlagSet("codec", flag.ContinueOnError)
	rounds := flags.Int("rounds", 5, "measure everything so many times; the best counts")
	slice := flags.Duration("slice", 20*time.Millisecond, "repeat each deed for so long")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 || *rounds < 1 || *slice < time.Millisecond {
		return nil, fmt.Errorf("want no arguments, at least 1 round and slices of at least 1 ms")
	}
	pages, err := readCharts()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bench-codec-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	tiff, err := startLibtiff(dir)
	if err != nil {
		return nil, err
	}
	defer tiff.Close()
	var best speeds
	for range *rounds {
		if err := best.round(pages, tiff, *slice); err != nil {
			return nil, err
		}
	}
	allocs := measureAllocs(pages[0])
	best.print(out, allocs)
	return best.bars(allocs), nil
}

// readCharts reads the charts from the conformance material, which lies outside
// the repository.
func readCharts() ([charts]*t4.Bitmap, error) {
	dir := os.Getenv("FAXMESH_CONFORMANCE")
	if dir == "" {
		dir = filepath.Join("..", "shared", "conformance")
	}
	var pages [charts]*t4.Bitmap
	for i := range pages {
		name := filepath.Join(dir, "charts", fmt.Sprintf("itu%d.pbm", i+1))
		data, err := os.ReadFile(name)
		if err != nil {
			return pages, fmt.Errorf("the ITU-T charts are needed; set FAXMESH_CONFORMANCE to the directory that holds charts/: %w", err)
		}
		var width, height int
		if _, err := fmt.Sscanf(string(data[:min(len(data), 64)]), "P4\n%d %d\n", &width, &height); err != nil ||
			width < 1 || width > t4.MaxWidth || height < 1 || height > t4.MaxRows || len(data) < (width+7)/8*height {
			return pages, fmt.Errorf("%s is not a raw portable bitmap", name)
		}
		pages[i] = t4.NewBitmap(width, height)
		copy(pages[i].Pix, data[len(data)-len(pages[i].Pix):])
	}
	return pages, nil
}

// round measures everything once. One contestant follows the other on the same
// chart, so that what else the machine does hits all of them.
func (s *speeds) round(pages [charts]*t4.Bitmap, tiff *libtiff, slice time.Duration) error {
	for t, task := range tasks {
		for c, page := range pages {
			coded := encode(task.coding, nil, page)
			note := func(who int, took time.Duration) {
				mpx := float64(page.Width*page.Height) / 1e6 / took.Seconds()
				s[t][c][who] = max(s[t][c][who], mpx)
			}
			took, err := timeOurs(task, page, coded, slice)
			if err != nil {
				return fmt.Errorf("%v, chart %d: %w", task, c+1, err)
			}
			note(ours, took)
			took, octets, err := tiff.time(task.coding, task.deed, page, slice)
			if err != nil {
				return fmt.Errorf("%v, chart %d: %w", task, c+1, err)
			}
			if octets != len(coded) {
				return fmt.Errorf("%v, chart %d: faxmesh makes %d octets, libtiff %d", task, c+1, len(coded), octets)
			}
			note(theirs, took)
			if sub, ok := map[string]ccitt.SubFormat{"mh": ccitt.Group3, "mmr": ccitt.Group4}[task.coding]; ok && task.deed == "decode" {
				if took, err = timeXImage(sub, page, slice); err != nil {
					return fmt.Errorf("%v, chart %d: x/image: %w", task, c+1, err)
				}
				note(ximage, took)
			}
		}
	}
	return nil
}

// encode appends the page as libtiff codes it: without RTC.
func encode(coding string, dst []byte, page *t4.Bitmap) []byte {
	switch coding {
	case "mh":
		return t4.AppendMH(dst, page, t4.MHOptions{})
	case "mr":
		return t4.AppendMR(dst, page, t4.MROptions{K: fineK})
	}
	return t4.AppendMMR(dst, page)
}

// decode makes into the page, whose size is known. What is wrong shows in the
// pels, or as an error that has no part in the time.
func decode(coding string, into *t4.Bitmap, data []byte, page *t4.Bitmap) {
	switch coding {
	case "mh":
		into.DecodeMH(data, page.Width, page.Height)
	case "mr":
		into.DecodeMR(data, page.Width, page.Height)
	default:
		_ = into.DecodeMMR(data, page.Width, page.Height)
	}
}

// repeat does the deed for so long and returns the mean time of one.
func repeat(slice time.Duration, deed func()) time.Duration {
	start := time.Now()
	for n := 1; ; n++ {
		deed()
		if took := time.Since(start); took >= slice {
			return took / time.Duration(n)
		}
	}
}

func timeOurs(t task, page *t4.Bitmap, coded []byte, slice time.Duration) (time.Duration, error) {
	into := new(t4.Bitmap) // as libtiff's, it is not made anew for each page
	if decode(t.coding, into, coded, page); !into.Equal(page) {
		return 0, fmt.Errorf("the page does not come back")
	}
	if t.deed == "decode" {
		return repeat(slice, func() { decode(t.coding, into, coded, page) }), nil
	}
	buf := bytes.Clone(coded)
	return repeat(slice, func() { buf = encode(t.coding, buf[:0], page) }), nil
}

func timeXImage(sub ccitt.SubFormat, page *t4.Bitmap, slice time.Duration) (time.Duration, error) {
	coded := t4.AppendMMR(nil, page)
	if sub == ccitt.Group3 {
		coded = t4.AppendMH(nil, page, t4.MHOptions{RTC: true}) // it insists on RTC
	}
	pels := make([]byte, len(page.Pix))
	var err error
	read := func() {
		r := ccitt.NewReader(bytes.NewReader(coded), ccitt.MSB, sub, page.Width, page.Height, &ccitt.Options{Invert: true})
		if _, e := io.ReadFull(r, pels); e != nil {
			err = e
		}
	}
	read()
	if err == nil && !bytes.Equal(pels, page.Pix) {
		err = fmt.Errorf("the page does not come back")
	}
	if err != nil {
		return 0, err
	}
	return repeat(slice, read), err
}

// alloc counts allocations: for a page, and for each of its rows.
type alloc struct{ page, row float64 }

// measureAllocs compares a page with its upper half: what grows with the rows
// is allocated for rows.
func measureAllocs(page *t4.Bitmap) (counts [len(tasks)]alloc) {
	const runs = 10
	rows := page.Height / 2
	half := &t4.Bitmap{Width: page.Width, Height: rows, Stride: page.Stride, Pix: page.Pix[:rows*page.Stride]}
	for i, t := range tasks {
		count := func(b *t4.Bitmap) float64 {
			coded := encode(t.coding, nil, b)
			if t.deed == "decode" {
				return testing.AllocsPerRun(runs, func() { decode(t.coding, new(t4.Bitmap), coded, b) })
			}
			return testing.AllocsPerRun(runs, func() { coded = encode(t.coding, coded[:0], b) })
		}
		whole := count(page)
		counts[i] = alloc{page: whole, row: (whole - count(half)) / float64(page.Height-rows)}
	}
	return counts
}

// mean is the geometric mean over the charts.
func (s *speeds) mean(task, who int) float64 {
	sum := 0.0
	for c := range charts {
		sum += math.Log(s[task][c][who])
	}
	return math.Exp(sum / charts)
}

func (s *speeds) print(out io.Writer, allocs [len(tasks)]alloc) {
	fmt.Fprintf(out, "megapixels per second\n%-12s%-9s", "", "chart")
	for c := range charts {
		fmt.Fprintf(out, "%8d", c+1)
	}
	fmt.Fprintf(out, "%9s%9s%12s%11s\n", "mean", "x libtiff", "allocs/page", "allocs/row")
	for t, task := range tasks {
		for who, name := range names {
			mean := s.mean(t, who)
			if mean == 0 {
				continue // it cannot do this
			}
			fmt.Fprintf(out, "%-12v%-9s", task, name)
			for c := range charts {
				fmt.Fprintf(out, "%8.0f", s[t][c][who])
			}
			fmt.Fprintf(out, "%9.0f%9.2f", mean, mean/s.mean(t, theirs))
			if who == ours {
				fmt.Fprintf(out, "%12.0f%11.3f", allocs[t].page, allocs[t].row)
			}
			fmt.Fprintln(out)
		}
	}
}

func (s *speeds) bars(allocs [len(tasks)]alloc) []bar {
	var bars []bar
	for t, task := range tasks {
		if task.barred {
			bars = append(bars, atLeast(task.String()+", times libtiff", s.mean(t, ours)/s.mean(t, theirs), leastSpeedup))
		}
		bars = append(bars, atMost(task.String()+", allocations per row", allocs[t].row, mostAllocs))
	}
	return bars
}
