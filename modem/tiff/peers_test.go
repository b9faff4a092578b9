package tiff

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/modem/t4"
)

// missing skips a test that lacks what lies outside the repository, or fails
// it if peers are required.
func missing(t *testing.T, what string, err error) {
	t.Helper()
	if os.Getenv("FAXMESH_REQUIRE_PEERS") == "1" {
		t.Fatalf("%s is required: %v", what, err)
	}
	t.Skipf("needs %s: %v", what, err)
}

func conformance(t *testing.T, dir string) string {
	t.Helper()
	root := os.Getenv("FAXMESH_CONFORMANCE")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "conformance")
	}
	path := filepath.Join(root, dir)
	if _, err := os.Stat(path); err != nil {
		missing(t, "the conformance material (set FAXMESH_CONFORMANCE)", err)
	}
	return path
}

// libtiff runs one of libtiff's tools and returns what it says.
func libtiff(t *testing.T, tool string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		missing(t, "libtiff's tools (package libtiff-tools)", err)
	}
	out, err := exec.Command(tool, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", tool, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// widePages are pages of all widths of T.4 up to 400 pels/inch, and of odd ones.
func widePages() []*t4.Bitmap {
	pages := []*t4.Bitmap{testPage(1, 1728, 300), testPage(2, 1725, 99)}
	for i, width := range []int{2048, 2432, 2592, 3072, 3456, 3648, 4096, 4864, 1, 7, 9, 1001, 2623, 6001} {
		pages = append(pages, testPage(uint64(3+i), width, 20))
	}
	return pages
}

func readAll(t *testing.T, path string) (pages []*t4.Bitmap, res []t4.Resolution) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := open(data)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	for i := range f.Len() {
		b, r, err := f.Page(i)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		pages, res = append(pages, b), append(res, r)
	}
	return pages, res
}

// TestLibtiffReads: libtiff finds the same pels in our files, and no fault.
func TestLibtiffReads(t *testing.T) {
	pages := widePages()
	for name, opt := range codings {
		dir := t.TempDir()
		ours, theirs := filepath.Join(dir, "ours.tif"), filepath.Join(dir, "theirs.tif")
		if err := os.WriteFile(ours, write(t, opt, t4.Fine, pages...), 0o600); err != nil {
			t.Fatal(err)
		}
		if out := libtiff(t, "tiffcp", "-c", "none", ours, theirs); out != "" {
			t.Errorf("%s: tiffcp says: %s", name, out)
		}
		got, res := readAll(t, theirs)
		for i, want := range pages {
			if len(got) != len(pages) || !got[i].Equal(want) || res[i] != t4.Fine {
				t.Errorf("%s: page %d of %d is not what libtiff reads", name, i, len(got))
			}
		}
		info := libtiff(t, "tiffinfo", ours)
		for _, want := range []string{"Software: faxmesh", "204, 196 pixels/inch", "Page Number: 1-0", "multi-page document", "min-is-white"} {
			if !strings.Contains(info, want) {
				t.Errorf("%s: tiffinfo does not say %q:\n%s", name, want, info)
			}
		}
	}
}

// TestLibtiffWrites: we find the pels in every form that libtiff writes.
func TestLibtiffWrites(t *testing.T) {
	pages := widePages()
	dir := t.TempDir()
	ours := filepath.Join(dir, "ours.tif")
	if err := os.WriteFile(ours, write(t, Options{}, t4.Standard, pages...), 0o600); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, coding := range []string{"none", "packbits", "g3:1d", "g3:1d:fill", "g3:2d", "g3:2d:fill", "g4"} {
		for _, form := range []string{"", "-B", "-f lsb2msb", "-r 16", "-B -f lsb2msb -r 7"} {
			n++
			theirs := filepath.Join(dir, fmt.Sprintf("%d.tif", n))
			args := append(strings.Fields(form), "-c", coding, ours, theirs)
			libtiff(t, "tiffcp", args...)
			got, res := readAll(t, theirs)
			for i, want := range pages {
				if len(got) != len(pages) || !got[i].Equal(want) || res[i] != t4.Standard {
					t.Errorf("%s %s: page %d of %d is not what libtiff wrote", coding, form, i, len(got))
				}
			}
		}
	}
}

// TestOddFiles reads the odd files as libtiff does, pel by pel.
func TestOddFiles(t *testing.T) {
	var files []string
	for _, pattern := range []string{"damaged/*.tif", "tiff/*.tif", "tiff/*.tiff", "charts/itu1_*.tif"} {
		path := filepath.Join(conformance(t, filepath.Dir(pattern)), filepath.Base(pattern))
		found, err := filepath.Glob(path)
		if err != nil || len(found) == 0 {
			t.Fatalf("no files %s: %v", pattern, err)
		}
		files = append(files, found...)
	}
	for i, path := range files {
		plain := filepath.Join(t.TempDir(), fmt.Sprintf("%d.tif", i))
		libtiff(t, "tiffcp", "-c", "none", path, plain)
		got, _ := readAll(t, path)
		want, _ := readAll(t, plain)
		if len(got) != len(want) {
			t.Errorf("%s: %d pages, libtiff has %d", path, len(got), len(want))
			continue
		}
		for i := range got {
			// A page that ends early is short here and filled with white there.
			rest := want[i].Pix[min(len(got[i].Pix), len(want[i].Pix)):]
			for _, v := range rest {
				if v != 0 {
					t.Errorf("%s: page %d has rows that are missing here", path, i)
					break
				}
			}
			want[i].Height -= len(rest) / want[i].Stride
			if !got[i].Equal(want[i]) {
				t.Errorf("%s: page %d is not what libtiff reads", path, i)
			}
		}
	}
}

// TestScriptPages reads the pages that call scripts send, in Group 3 and in
// several strips. One of them is more than libtiff takes: its rows have more
// changes than it has room for.
func TestScriptPages(t *testing.T) {
	dir := conformance(t, "etsi")
	for name, want := range map[string][]int{
		"diago1": {1002}, "duration1": {237}, "error": {400}, "impress": {1079}, "stairstep": {1728},
		"impress_white": {1079, 1100}, "white": {1100}, "white_2p": {1100, 1100},
	} {
		pages, res := readAll(t, filepath.Join(dir, "etsi_300_242_a4_"+name+".tif"))
		if len(pages) != len(want) {
			t.Errorf("%s: %d pages, want %d", name, len(pages), len(want))
			continue
		}
		for i, p := range pages {
			if p.Width != 1728 || p.Height != want[i] || res[i] != t4.Standard {
				t.Errorf("%s: page %d is %d x %d at %v, want %d rows", name, i, p.Width, p.Height, res[i], want[i])
			}
		}
	}
}
