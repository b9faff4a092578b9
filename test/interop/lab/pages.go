package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/t4"
	"github.com/faxmesh/faxmesh/modem/tiff"
)

// Document is a document in memory. It is a modem.Pages.
type Document []modem.Page

func (d Document) Len() int                       { return len(d) }
func (d Document) Page(i int) (modem.Page, error) { return d[i], nil }

// ReadTIFF reads a file of pages. With an error come the pages before the one
// that it is about: programs leave a page begun behind when a call ends.
func ReadTIFF(name string) (Document, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	file, err := tiff.Open(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	d := make(Document, file.Len())
	for i := range d {
		if d[i].Image, d[i].Resolution, err = file.Page(i); err != nil {
			return d[:i], fmt.Errorf("%s: page %d: %w", name, i+1, err)
		}
	}
	return d, nil
}

// writeTIFF writes the pages as a file.
func writeTIFF(name string, d Document, coding tiff.Coding) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := tiff.NewWriter(f, tiff.Options{Coding: coding})
	for _, p := range d {
		if err := w.WritePage(p.Image, p.Resolution); err != nil {
			return err
		}
	}
	return w.Close()
}

// The size of the standard page: A4, fine.
const (
	standardWidth = 1728
	standardRows  = 2292
	standardLines = 32 // of business text
)

// StandardPages makes n standard pages, each with its number: A4 in fine
// resolution, 32 lines of business text, about 35 kB in MMR and 58 kB in MH.
func StandardPages(ctx context.Context, dir string, n int) (Document, error) {
	var ps bytes.Buffer
	for page := range n {
		standardPage(&ps, page+1)
	}
	name := filepath.Join(dir, fmt.Sprintf("standard%d.tif", n))
	gs := exec.CommandContext(ctx, "gs", "-q", "-dNOPAUSE", "-dBATCH", "-dSAFER", "-sDEVICE=tiffg4", "-r204x196",
		fmt.Sprintf("-g%dx%d", standardWidth, standardRows), "-dFIXEDMEDIA", "-sOutputFile="+name, "-")
	gs.Stdin = &ps
	if out, err := gs.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("gs: %w\n%s", err, out)
	}
	d, err := ReadTIFF(name)
	if err != nil {
		return nil, err
	}
	for i := range d {
		d[i].Resolution = t4.Fine
	}
	return d, nil
}

// standardPage writes the page as PostScript.
func standardPage(w io.Writer, page int) {
	fmt.Fprintf(w, "/Times-Roman findfont 12 scalefont setfont\n")
	fmt.Fprintf(w, "48 790 moveto (Page %d of the order of 14 March, our reference %04d/%d) show\n", page, 4711+page, page)
	for n := range standardLines - 1 {
		fmt.Fprintf(w, "48 %d moveto (%02d. We confirm %d crates of item %d-%02d at EUR %d.%02d, due in %d days, free %s.) show\n",
			766-23*n, n+1, 3+(n*7+page)%40, 1000+n*37, page%100, 12+n*3, (n*17+page)%100, 14+n%3*7,
			[...]string{"house", "on board", "at works", "carrier"}[n%4])
	}
	fmt.Fprintf(w, "showpage\n")
}

// Same says how got differs from want: "" if rows from to to-1 of want are
// rows of got, shift further down, and otherwise where the first pel differs.
func Same(got, want *t4.Bitmap, shift, from, to int) string {
	if got.Width != want.Width {
		return fmt.Sprintf("%d pels to a row, want %d", got.Width, want.Width)
	}
	differ, first := 0, to
	for y := to - 1; y >= from; y-- {
		if y+shift >= got.Height || !bytes.Equal(got.Row(y+shift), want.Row(y)) {
			differ, first = differ+1, y
		}
	}
	if differ == 0 {
		return ""
	}
	return fmt.Sprintf("%d rows of %d differ, the first is row %d; %d rows arrived", differ, to-from, first, got.Height)
}
