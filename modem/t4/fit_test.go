package t4

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"testing"
)

// conversions are what a receiver may ask of a page: a resolution, a paper.
func conversions() (all []conversion) {
	for _, from := range Resolutions() {
		for _, to := range Resolutions() {
			for _, p := range [][2]Paper{{A4, A4}, {A3, A4}, {B4, A4}, {A4, A3}} {
				all = append(all, conversion{from, to, p[0], p[1]})
			}
		}
	}
	return all
}

type conversion struct {
	from, to     Resolution
	paper, taken Paper
}

func (f conversion) String() string {
	return fmt.Sprintf("%v on paper %d to %v on paper %d", f.from, f.paper, f.to, f.taken)
}

// ink counts the black pels of a page.
func ink(b *Bitmap) int {
	n := 0
	for _, v := range b.Pix {
		n += bits.OnesCount8(v)
	}
	return n
}

// TestFitKeepsLines: lines of one pel survive wherever they are, upright and
// level, in every conversion.
func TestFitKeepsLines(t *testing.T) {
	for _, c := range conversions() {
		width := c.from.Width(c.paper)
		page := NewBitmap(width, 9)
		for x := 3; x < width; x += 37 {
			for y := range page.Height {
				setRun(page.Row(y), x, x+1)
			}
		}
		got, err := Fit(page, c.from, c.to, c.to.Width(c.taken))
		if err != nil {
			t.Fatalf("%v: %v", c, err)
		}
		lines := (width - 4) / 37
		for y := range got.Height {
			edges := len(appendChanges(nil, got.Row(y), got.Width)) - sentinels
			if edges/2 < lines {
				t.Fatalf("%v: %d of %d upright lines in row %d", c, edges/2, lines, y)
			}
		}

		page = NewBitmap(width, 160)
		for y := 2; y < page.Height; y += 37 {
			setRun(page.Row(y), 0, width)
		}
		got, err = Fit(page, c.from, c.to, c.to.Width(c.taken))
		if err != nil {
			t.Fatalf("%v: %v", c, err)
		}
		lines, black := 0, false
		for y := range got.Height {
			now := pel(got.Row(y), got.Width/2)
			if now && !black {
				lines++
			}
			black = now
		}
		if lines != (page.Height-3)/37+1 {
			t.Fatalf("%v: %d of %d level lines", c, lines, (page.Height-3)/37+1)
		}
	}
}

// TestFitKeepsEveryLine: an upright line of one pel is still one line wherever it
// is, in every conversion, and two that are two pels apart as they come are two.
func TestFitKeepsEveryLine(t *testing.T) {
	type change struct{ from, to, shift, width int }
	done := map[change]bool{}
	lines := 0
	for _, c := range conversions() {
		page := NewBitmap(c.from.Width(c.paper), 1)
		setRun(page.Row(0), 0, page.Width)
		got, err := Fit(page, c.from, c.to, c.to.Width(c.taken))
		if err != nil {
			t.Fatal(err)
		}
		edges := appendChanges(nil, got.Row(0), got.Width) // where the page lies
		way := change{page.Width, int(edges[1] - edges[0]), int(edges[0]), got.Width}
		if done[way] {
			continue
		}
		done[way] = true
		from, to, shift := int32(way.from), int32(way.to), int32(way.shift)
		gap := (2*from + to - 1) / to
		for x := range from {
			scaled := scaleRuns(nil, closeChanges([]int32{x, x + 1}, from), from, to, shift)
			if len(scaled) != 2 || scaled[0] < shift || scaled[1] <= scaled[0] || scaled[1] > shift+to {
				t.Fatalf("%+v: a line at %d becomes %v", way, x, scaled)
			}
			lines++
			if next := x + 1 + gap; next < from {
				if two := scaleRuns(nil, closeChanges([]int32{x, x + 1, next, next + 1}, from), from, to, shift); len(two) != 4 {
					t.Fatalf("%+v: lines at %d and %d become %v", way, x, next, two)
				}
			}
		}
	}
	t.Logf("%d lines in %d conversions of the width", lines, len(done))
}

// TestFitKeepsEveryRow: each row of a page is in a row of what is made of it, in
// order, and each row of that is made of some.
func TestFitKeepsEveryRow(t *testing.T) {
	for from := 1; from <= 130; from++ {
		for to := 1; to <= 400; to++ {
			next := 0 // the first row that is not seen yet
			for y := range to {
				first, end := sources(y, from, to)
				if first > next || end <= first || end > from || end < next {
					t.Fatalf("%d rows to %d: row %d is made of %d to %d, after %d", from, to, y, first, end, next)
				}
				next = end
			}
			if next != from {
				t.Fatalf("%d rows to %d: those from %d are lost", from, to, next)
			}
		}
	}
}

// TestFitKeepsShape: a box keeps its proportions, its size where the paper
// allows, and its place relative to the middle.
func TestFitKeepsShape(t *testing.T) {
	for _, c := range conversions() {
		width := c.from.Width(c.paper)
		// Around the middle of the page, 2 inches wide, half of one high.
		page := NewBitmap(width, c.from.Y*9/16)
		for y := range c.from.Y / 2 {
			setRun(page.Row(y), width/2-c.from.X, width/2+c.from.X)
		}
		got, err := Fit(page, c.from, c.to, c.to.Width(c.taken))
		if err != nil || got.Width != c.to.Width(c.taken) {
			t.Fatalf("%v: %v", c, err)
		}
		edges := appendChanges(nil, got.Row(0), got.Width)
		height := 0
		for height < got.Height && pel(got.Row(height), got.Width/2) {
			height++
		}
		factor := min(1, float64(Fine.Width(c.taken))/float64(Fine.Width(c.paper)))
		wide, high := float64(edges[1]-edges[0]), float64(height)
		for name, v := range map[string][2]float64{
			"width":  {wide, 2 * float64(c.to.X) * factor},
			"height": {high, float64(c.to.Y) / 2 * factor},
			"left":   {float64(edges[0]), float64(got.Width)/2 - float64(c.to.X)*factor},
		} {
			if math.Abs(v[0]-v[1]) > 0.03*v[1]+1 {
				t.Errorf("%v: the box's %s is %v, want %.1f", c, name, v[0], v[1])
			}
		}
	}
}

// TestFitPairs: from fine to standard, lines are combined in pairs.
func TestFitPairs(t *testing.T) {
	page, _ := rowsWithEOL(21)
	got, err := Fit(page, Fine, Standard, page.Width)
	if err != nil || got.Height != 11 {
		t.Fatalf("%d rows: %v", got.Height, err)
	}
	pairs := 0
	for y := range got.Height {
		// The last one has no partner: one of the pairs is of one line.
		first, end := sources(y, 21, 11)
		want := slices.Clone(page.Row(first))
		if end-first == 2 {
			merge(want, page.Row(first+1))
			pairs++
		}
		if !slices.Equal(got.Row(y), want) {
			t.Errorf("row %d is not its pair of lines", y)
		}
	}
	if pairs != 10 {
		t.Errorf("%d pairs of lines, want 10", pairs)
	}
}

func TestFitLeavesAlone(t *testing.T) {
	page, _ := rowsWithEOL(21)
	for _, to := range []Resolution{Fine, Inch200} {
		if got, err := Fit(page, Fine, to, page.Width); got != page || err != nil {
			t.Errorf("to %v: another page, %v", to, err)
		}
	}
	if got, err := Fit(NewBitmap(1728, 0), Fine, Standard, 1728); err != nil || got.Height != 0 {
		t.Errorf("a page without rows: %v", err)
	}
}

func TestFitRefuses(t *testing.T) {
	page := NewBitmap(1728, 2000)
	for _, c := range []struct {
		name  string
		page  *Bitmap
		from  Resolution
		to    Resolution
		width int
		want  error
	}{
		{"no pels", NewBitmap(0, 0), Fine, Standard, 1728, ErrTooLarge},
		{"no width", page, Fine, Standard, 0, ErrTooLarge},
		{"too wide", page, Fine, Standard, MaxWidth + 1, ErrTooLarge},
		{"too long", NewBitmap(1728, MaxRows), Standard, Fine, 1728, ErrTooLarge},
		{"no resolution", page, Resolution{}, Standard, 1728, ErrResolution},
		{"too fine", page, Fine, Resolution{204, maxDensity + 1}, 1728, ErrResolution},
	} {
		if _, err := Fit(c.page, c.from, c.to, c.width); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestFitCharts: text stays text; its ink does not thin out or flow together.
func TestFitCharts(t *testing.T) {
	for i := range mmrSizes {
		chart := readPBM(t, conformance(t, "charts", fmt.Sprintf("itu%d.pbm", i+1)))
		before := float64(ink(chart)) / float64(chart.Width*chart.Height)
		for _, to := range []Resolution{Standard, Fine, Superfine, Inch300} {
			for _, width := range []int{to.Width(A4), to.Width(A4) * 7 / 10} {
				got, err := Fit(chart, Fine, to, width)
				if err != nil {
					t.Fatal(err)
				}
				after := float64(ink(got)) / float64(got.Width*got.Height)
				if after < before*0.95 || after > before*1.6 {
					t.Errorf("chart %d to %v, %d pels wide: %.1f %% are black, %.1f %% were", i+1, to, width, 100*after, 100*before)
				}
			}
		}
	}
}

func TestFormats(t *testing.T) {
	for _, c := range []struct {
		res    Resolution
		widths [papers]int
		k      int
	}{
		{Standard, [papers]int{1728, 2048, 2432}, 2},
		{Superfine, [papers]int{1728, 2048, 2432}, 8},
		{Inch300, [papers]int{2592, 3072, 3648}, 6},
		{Inch1200, [papers]int{10368, 12288, 14592}, 24},
		{Resolution{72, 72}, [papers]int{}, 2},
	} {
		for p, want := range c.widths {
			if got := c.res.Width(Paper(p)); got != want {
				t.Errorf("%v on paper %d has %d pels, want %d", c.res, p, got, want)
			}
		}
		if c.res.K() != c.k || c.res.Width(papers) != 0 || c.res.Width(-1) != 0 {
			t.Errorf("%v: K is %d, want %d", c.res, c.res.K(), c.k)
		}
	}
	// All rows of a paper are as long, to some percent, and none past the limit.
	for _, r := range Resolutions() {
		for p := range papers {
			mm := float64(r.Width(p)) / float64(r.X) * 25.4
			if want := []float64{215, 255, 303}[p]; math.Abs(mm-want) > 0.03*want || r.Width(p) > MaxWidth {
				t.Errorf("%v on paper %d is %.1f mm wide, want %v", r, p, mm, want)
			}
		}
	}
}

func TestClosest(t *testing.T) {
	for _, c := range []struct {
		from    Resolution
		offered []Resolution
		want    Resolution
	}{
		{Fine, []Resolution{Standard, Fine, Superfine}, Fine},
		{Superfine, []Resolution{Standard, Fine}, Fine},
		{Superfine, []Resolution{Standard}, Standard},
		{Standard, []Resolution{Superfine, Fine}, Fine},
		{Inch200, []Resolution{Standard, Superfine, Fine}, Fine},
		{Inch300, []Resolution{Fine, Superfine, Inch400}, Inch400},
		{Inch300, []Resolution{Standard, Fine, Superfine}, Superfine},
		{Inch400, []Resolution{Standard, Inch300, Superfine}, Inch300},
		{Inch400, []Resolution{Inch300, R16}, R16},
		{Fine, nil, Fine},
	} {
		if got := c.from.Closest(c.offered...); got != c.want {
			t.Errorf("%v of %v: %v, want %v", c.from, c.offered, got, c.want)
		}
	}
}
