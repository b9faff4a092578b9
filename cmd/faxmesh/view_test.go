package main

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/faxmesh/faxmesh/cmd/terminal"
	"github.com/faxmesh/faxmesh/modem/t4"
	"github.com/faxmesh/faxmesh/modem/tiff"
)

// twoPages is a fax whose pages differ in their height.
func twoPages(t *testing.T) *tiff.File {
	t.Helper()
	var b bytes.Buffer
	w := tiff.NewWriter(&b, tiff.Options{})
	for _, rows := range []int{100, 200} {
		if err := w.WritePage(t4.NewBitmap(1728, rows), t4.Fine); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := tiff.Open(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestDrawPages(t *testing.T) {
	f := twoPages(t)
	for _, c := range []struct {
		out   string
		page  int
		files []string
		usage bool
	}{
		{"p-%d.png", 0, []string{"p-1.png", "p-2.png"}, false},
		{"p-%d.png", 2, []string{"p-2.png"}, false},
		{"second.PNG", 2, []string{"second.PNG"}, false},
		{"p.png", 0, nil, true},
	} {
		dir := t.TempDir()
		v, err := newViewing("id", filepath.Join(dir, c.out), c.page)
		if err != nil {
			t.Fatal(err)
		}
		a := &app{Terminal: terminal.Terminal{Out: &bytes.Buffer{}}}
		err = a.drawPages(f, v)
		if (terminal.Status(err) == terminal.Usage) != c.usage || err != nil && !c.usage {
			t.Errorf("%s page %d: %v", c.out, c.page, err)
		}
		left, err := os.ReadDir(dir)
		if err != nil || len(left) != len(c.files) {
			t.Errorf("%s page %d: left %v, %v", c.out, c.page, left, err)
		}
		for _, name := range c.files {
			r, err := os.Open(filepath.Join(dir, name))
			if err != nil {
				t.Error(err)
				continue
			}
			picture, err := png.Decode(r)
			r.Close()
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			wantTall := name != "p-1.png"
			if tall := picture.Bounds().Dy() >= 150; tall != wantTall {
				t.Errorf("%s is %v", name, picture.Bounds())
			}
		}
	}
	a := &app{Terminal: terminal.Terminal{Out: &bytes.Buffer{}}}
	if err := a.drawPages(f, viewing{fax: "id", out: "x.png", page: 3, png: true}); err == nil {
		t.Error("a third page of two is drawn")
	}
}
