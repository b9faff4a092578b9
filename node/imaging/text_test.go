package imaging

import (
	"bytes"
	"fmt"
	"image/png"
	"slices"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/modem/t4"
)

// set converts text and returns where each page has ink: for each line of the
// grid the first and last column with any, -1 for a white line.
func set(t *testing.T, text string, res t4.Resolution, pages int) [][][2]int {
	t.Helper()
	var out [][][2]int
	for _, p := range mustConvert(t, []byte(text), res, "text", pages) {
		if p.Height != a4Rows(res) || p.res != res {
			t.Fatalf("%d rows at %v", p.Height, p.res)
		}
		var grid [][2]int
		for l := range lines {
			grid = append(grid, inked(p, l))
		}
		for len(grid) > 0 && grid[len(grid)-1] == [2]int{-1, -1} {
			grid = grid[:len(grid)-1]
		}
		out = append(out, grid)
	}
	return out
}

func inked(p faxPage, line int) [2]int {
	edge := func(l float64) int { return int((marginTenths + lineTenths*l) / a4Tenths * float64(p.Height)) }
	at := [2]int{-1, -1}
	for c := range columns {
		x0, x1 := int(marginPels+columnPels*float64(c)+0.5), int(marginPels+columnPels*float64(c+1)+0.5)
		for y := edge(float64(line)); y < edge(float64(line+1)); y++ {
			for x := x0; x < x1; x++ {
				if p.Row(y)[x/8]<<(x%8)&0x80 != 0 {
					if at[0] < 0 {
						at[0] = c
					}
					at[1] = c
				}
			}
		}
	}
	return at
}

func TestTextLayout(t *testing.T) {
	none := [2]int{-1, -1}
	word := strings.Repeat("x", 30)
	for _, c := range []struct {
		name, text string
		want       [][][2]int
	}{
		{"lines", "ab\n\n cd\r\ne", [][][2]int{{{0, 1}, none, {1, 2}, {0, 0}}}},
		{"tabs", "a\tb\n\t\tc\n1234567\td", [][][2]int{{{0, 8}, {16, 16}, {0, 8}}}},
		{"full line", strings.Repeat("x", 80) + "\ny", [][][2]int{{{0, 79}, {0, 0}}}},
		{"long word", strings.Repeat("x", 85), [][][2]int{{{0, 79}, {0, 4}}}},
		{"words", word + " " + word + " " + word, [][][2]int{{{0, 60}, {0, 29}}}},
		{"words that just fit", word + " " + word + " " + word[:18] + " x", [][][2]int{{{0, 79}, {0, 0}}}},
		{"form feed", "a\f\nb\n", [][][2]int{{{0, 0}}, {{0, 0}}}},
		{"form feed in a line", "a\fb", [][][2]int{{{0, 0}}, {{0, 0}}}},
		{"white page", "a\f\fb", [][][2]int{{{0, 0}}, nil, {{0, 0}}}},
		{"mark, joined letters", "\ufeffe\u0301\u00a0x\u2028y\u00ad\u2009z\rw", [][][2]int{{{0, 2}, {0, 2}, {0, 0}}}},
		{"63 lines", strings.Repeat("x\n", 63) + " \n\f\n", [][][2]int{slices.Repeat([][2]int{{0, 0}}, 63)}},
		{"63 lines and one", strings.Repeat("x\n", 64), [][][2]int{slices.Repeat([][2]int{{0, 0}}, 63), {{0, 0}}}},
	} {
		for _, res := range []t4.Resolution{t4.Standard, t4.Fine, t4.Superfine} {
			if got := set(t, c.text, res, len(c.want)); fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%s at %v: %v, want %v", c.name, res, got, c.want)
			}
		}
	}
}

// TestLetters: letters differ from each other, and are the same everywhere.
func TestLetters(t *testing.T) {
	f, err := newTypeface(t4.Fine)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]rune{}
	for _, r := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNPQRSTUVWXYZ0123456789ÄÖÜäöüßéàŁžДжΩλ€" {
		b := t4.NewBitmap(40, 60)
		if err := f.draw(b, 10, 40, r); err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[string(b.Pix)]; ok {
			t.Errorf("%c looks like %c", r, other)
		}
		seen[string(b.Pix)] = r
	}
}

func TestPNG(t *testing.T) {
	for _, c := range []struct {
		res                     t4.Resolution
		height, maxWidth        int
		wantWidth, wantHeight   int
		repeat                  int // 0: scaled
		pixelsPerMetre, andTall uint32
	}{
		{t4.Fine, 300, 0, Width, 300, 1, 8031, 7717},
		{t4.Standard, 300, 0, Width, 600, 2, 8031, 7717},
		{t4.Fine, 300, 5000, Width, 300, 1, 8031, 7717},
		{t4.Superfine, 3910, 0, Width, 2040, 0, 8031, 8031},
		{t4.Fine, 1960, 864, 864, 1020, 0, 4016, 4016},
		{t4.Standard, 980, 864, 864, 1020, 0, 4016, 4016},
	} {
		page := noise(3, Width, c.height)
		var buf bytes.Buffer
		if err := PNG(&buf, page, c.res, c.maxWidth); err != nil {
			t.Fatal(err)
		}
		data := bytes.Clone(buf.Bytes())
		img, err := png.Decode(&buf)
		if err != nil {
			t.Fatalf("%v: %v", c.res, err)
		}
		if r := img.Bounds(); r.Dx() != c.wantWidth || r.Dy() != c.wantHeight {
			t.Errorf("%v: %d x %d, want %d x %d", c.res, r.Dx(), r.Dy(), c.wantWidth, c.wantHeight)
			continue
		}
		phys := fmt.Appendf(nil, "pHYs%s\x01", []byte{
			byte(c.pixelsPerMetre >> 24), byte(c.pixelsPerMetre >> 16), byte(c.pixelsPerMetre >> 8), byte(c.pixelsPerMetre),
			byte(c.andTall >> 24), byte(c.andTall >> 16), byte(c.andTall >> 8), byte(c.andTall),
		})
		if !bytes.Contains(data, phys) {
			t.Errorf("%v: pixel size is not %d x %d: % x", c.res, c.pixelsPerMetre, c.andTall, data[33:62])
		}
		p := grey(img)
		for y := 0; c.repeat > 0 && y < p.height; y++ {
			for x, v := range p.row(y) {
				if (v == 0) != (page.Row(y / c.repeat)[x/8]<<(x%8)&0x80 != 0) || v != 0 && v != 255 {
					t.Fatalf("%v: pixel %d, %d is %d", c.res, x, y, v)
				}
			}
		}
	}
	if err := PNG(&bytes.Buffer{}, t4.NewBitmap(0, 0), t4.Fine, 0); err == nil {
		t.Error("showed a page of nothing")
	}
	if err := PNG(failing{}, noise(1, 8, 8), t4.Fine, 0); err == nil {
		t.Error("wrote where nothing can be written")
	}
}

// TestScale holds scale against a twin that covers each pixel by brute force.
func TestScale(t *testing.T) {
	src := fromBitmap(noise(9, 12, 9))
	for _, to := range [][2]int{{12, 9}, {5, 9}, {12, 4}, {1, 1}, {7, 7}, {30, 20}, {24, 3}} {
		got := src.scale(to[0], to[1])
		// On a grid of src times to, every pixel of both is a whole rectangle.
		for y := range to[1] {
			for x := range to[0] {
				sum := 0
				for v := y * src.height; v < (y+1)*src.height; v++ {
					for u := x * src.width; u < (x+1)*src.width; u++ {
						sum += int(src.pix[v/to[1]*src.width+u/to[0]])
					}
				}
				want := float64(sum) / float64(src.width*src.height)
				if !near(float64(got.pix[y*to[0]+x]), want, 1.5) {
					t.Fatalf("%v: pixel %d, %d is %d, want %.1f", to, x, y, got.pix[y*to[0]+x], want)
				}
			}
		}
	}
}
