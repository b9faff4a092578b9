package tiff

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/faxmesh/faxmesh/modem/t4"
)

// eols returns the bits behind the EOLs of a strip.
func eols(strip []byte) (behind []int) {
	zeros := 0
	for i := range len(strip) * 8 {
		if strip[i/8]<<(i%8)&0x80 == 0 {
			zeros++
			continue
		}
		if zeros >= 11 {
			behind = append(behind, i+1)
		}
		zeros = 0
	}
	return behind
}

// damage strikes up to n bursts in a strip, but no EOL and no tag bit: what
// libtiff makes of those is not what T.4 means.
func damage(r *rand.Rand, strip []byte, n int, tagged bool) {
	marks := eols(strip)
	for range n {
		before := bytes.Clone(strip)
		for at, left := r.IntN(len(strip)*8), r.IntN(6); left >= 0 && at < len(strip)*8; at, left = at+1, left-1 {
			if _, behind := slices.BinarySearch(marks, at); !tagged || !behind {
				strip[at/8] ^= 0x80 >> (at % 8)
			}
		}
		if !slices.Equal(marks, eols(strip)) {
			copy(strip, before)
		}
	}
}

// busyPage has rows much like the ones above, as pages have.
func busyPage(r *rand.Rand, width, height int) *t4.Bitmap {
	b := t4.NewBitmap(width, height)
	for y := range height {
		row := b.Row(y)
		if y > 0 && r.IntN(4) > 0 {
			copy(row, b.Row(y-1))
		}
		for range r.IntN(6) {
			for x, n := r.IntN(width), r.IntN(60); n > 0 && x < width; x, n = x+1, n-1 {
				row[x/8] ^= 0x80 >> (x % 8)
			}
		}
	}
	return b
}

// readBare opens a file that libtiff has written without coding, whatever it
// thinks of the pages before.
func readBare(t *testing.T, from string) *t4.Bitmap {
	t.Helper()
	to := filepath.Join(filepath.Dir(from), "bare.tif")
	if _, err := exec.LookPath("tiffcp"); err != nil {
		missing(t, "libtiff's tools (package libtiff-tools)", err)
	}
	// -i: go on after errors. It complains and fails all the same.
	said, _ := exec.Command("tiffcp", "-i", "-c", "none", from, to).CombinedOutput()
	pages, _ := readAll(t, to)
	if len(pages) != 1 {
		t.Fatalf("libtiff has %d pages of one: %s", len(pages), said)
	}
	return pages[0]
}

// near reports whether a page has this row about there: each damage costs libtiff
// a row more, when it has read past the EOL.
func near(page *t4.Bitmap, y int, row []byte) bool {
	const costs = 6
	for at := max(y-costs, 0); at <= min(y+costs, page.Height-1); at++ {
		if bytes.Equal(page.Row(at), row) {
			return true
		}
	}
	return false
}

// TestLibtiffDamaged: what is damaged says so, and the rest is what libtiff
// reads. Where rows have EOLs, all that are not marked as damaged agree; in T.6
// those that come before the damage. An exception in some hundred rows is where
// libtiff takes for damage what damage has made a run of no pels.
func TestLibtiffDamaged(t *testing.T) {
	r := rand.New(rand.NewPCG(19, 84))
	const rounds, rows = 10, 120
	for _, c := range []struct {
		name string
		opt  Options
		k    int // 0: T.6
	}{
		{"MH", Options{Coding: Group3}, 1},
		{"MH, aligned", Options{Coding: Group3, AlignEOL: true, LSBFirst: true}, 1},
		{"MR", Options{Coding: Group3MR}, 4},
		{"MR, aligned", Options{Coding: Group3MR, AlignEOL: true, LSBFirst: true}, 4},
		{"MMR", Options{}, 0},
		{"MMR, LSB first", Options{LSBFirst: true}, 0},
	} {
		bad, kept, alone := 0, 0, 0
		for round := range rounds {
			page := busyPage(r, []int{1728, 2432, 1001}[round%3], rows)
			data := write(t, c.opt, t4.Fine, page)
			strip := c.opt.appendStrip(nil, page, t4.Fine)
			at := bytes.Index(data, strip)
			strip = data[at : at+len(strip)]
			if c.opt.LSBFirst {
				t4.Reverse(strip)
			}
			damage(r, strip, 1+r.IntN(5), c.k > 1)
			var got *t4.Bitmap
			var marked []int
			switch c.k {
			case 0:
				got, _ = t4.DecodeMMR(strip, page.Width, rows)
			case 1:
				var q t4.Quality
				got, q = t4.DecodeMH(strip, page.Width, rows)
				marked = q.Damaged
			default:
				var q t4.Quality
				got, q = t4.DecodeMR(strip, page.Width, rows)
				marked = q.Damaged
			}
			if c.opt.LSBFirst {
				t4.Reverse(strip)
			}
			name := filepath.Join(t.TempDir(), fmt.Sprintf("%d.tif", round))
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
			want := readBare(t, name)
			// The last row has no EOL behind it: damaged, it may be noise.
			if c.k > 0 && got.Height < rows-1 {
				t.Errorf("%s, round %d: %d rows of %d", c.name, round, got.Height, rows)
			}
			bad += len(marked) + rows - got.Height
			for y := range got.Height {
				if _, is := slices.BinarySearch(marked, y); is {
					continue
				}
				if near(want, y, got.Row(y)) {
					kept++
				} else {
					alone++
				}
			}
		}
		t.Logf("%s: %d rows agree, %d do not, %d are damaged", c.name, kept, alone, bad)
		if bad == 0 || kept < rounds*rows/4 || alone > kept/200 {
			t.Errorf("%s: %d rows agree with libtiff's, %d do not, %d are damaged", c.name, kept, alone, bad)
		}
	}
}

// TestPDF: a PDF made of our file, which takes the coded pages over, shows the
// same pels to a reader that has decoders of its own.
func TestPDF(t *testing.T) {
	for _, tool := range []string{"tiff2pdf", "pdfimages"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, "tiff2pdf (libtiff-tools) and pdfimages (poppler-utils)", err)
		}
	}
	pages := []*t4.Bitmap{testPage(1, 1728, 300), testPage(2, 2432, 99), testPage(3, 1001, 50)}
	for name, opt := range codings {
		dir := t.TempDir()
		ours, pdf := filepath.Join(dir, "ours.tif"), filepath.Join(dir, "ours.pdf")
		if err := os.WriteFile(ours, write(t, opt, t4.Fine, pages...), 0o600); err != nil {
			t.Fatal(err)
		}
		if out := libtiff(t, "tiff2pdf", "-o", pdf, ours); out != "" {
			t.Errorf("%s: tiff2pdf says: %s", name, out)
		}
		if out, err := exec.Command("pdfimages", pdf, filepath.Join(dir, "page")).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: pdfimages: %v: %s", name, err, out)
		}
		for i, want := range pages {
			data, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("page-%03d.pbm", i)))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			got := t4.NewBitmap(want.Width, want.Height)
			head := fmt.Sprintf("P4\n%d %d\n", want.Width, want.Height)
			if copy(got.Pix, bytes.TrimPrefix(data, []byte(head))); len(data) != len(head)+len(got.Pix) {
				t.Errorf("%s: page %d of the PDF has %d octets", name, i, len(data))
			}
			(&directoryPage{}).finish(got) // what is past the edge is nothing
			if !got.Equal(want) {
				t.Errorf("%s: page %d of the PDF is another", name, i)
			}
		}
	}
}
