package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/settings"
	"github.com/faxmesh/faxmesh/cmd/terminal"
	"github.com/faxmesh/faxmesh/modem/tiff"
	"github.com/faxmesh/faxmesh/node/imaging"
)

// widest is the width in pixels of a page drawn as PNG: all of it.
const widest = 0

func (a *app) viewCommand() *cobra.Command {
	var out string
	var page int
	cmd := &cobra.Command{
		Use:   "view FAX",
		Short: "Fetch the pages of a fax",
		Long: `Fetch the pages of a fax, sent or received, from whichever node has them.
FAX is an id, or as much of its beginning as is unique, or the word latest: the
newest received fax.

The name of the output says what is written: .tif is the fax as it was on the
line, all pages; .png is a picture of one page, %d in the name stands for its
number. "-" is standard output, as TIFF. Without -o it is FAX.tif.`,
		Example: `  faxmesh view 01hq2v
  faxmesh view 01hq2v -o page-%d.png
  faxmesh view 01hq2v --page 2 -o second.png
  faxmesh view 01hq2v -o - | tiffinfo /dev/stdin`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := newViewing(args[0], out, page)
			if err != nil {
				return err
			}
			return a.view(cmd.Context(), v)
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "where to write: NAME.tif, NAME-%d.png or -")
	cmd.Flags().IntVar(&page, "page", 0, "only this page (PNG)")
	return cmd
}

// viewing is what view was asked to do.
type viewing struct {
	fax  string
	out  string
	page int // 0: all
	png  bool
}

func newViewing(id, out string, page int) (viewing, error) {
	v := viewing{fax: id, out: out, page: page}
	if out == "" {
		v.out = filepath.Base(id) + ".tif"
	}
	switch ext := strings.ToLower(filepath.Ext(v.out)); {
	case page < 0:
		return v, terminal.Usagef("there is no page %d", page)
	case v.out == "-", ext == ".tif", ext == ".tiff":
		if page != 0 {
			return v, terminal.Usagef("--page needs -o NAME.png; a TIFF holds all pages")
		}
	case ext == ".png":
		v.png = true
		if n := strings.Count(v.out, "%"); n > 1 || n == 1 && !strings.Contains(v.out, "%d") {
			return v, terminal.Usagef("%s: only one %%d may stand in the name", v.out)
		}
	default:
		return v, terminal.Usagef("%s: write .tif or .png, or - for standard output", v.out)
	}
	return v, nil
}

func (a *app) view(ctx context.Context, v viewing) error {
	return a.with(ctx, func(c *clientlib.Client) error {
		if err := v.resolve(ctx, c); err != nil {
			return err
		}
		var data bytes.Buffer
		if _, err := c.Fetch(ctx, v.fax, &data); err != nil {
			return err
		}
		if v.out == "-" {
			_, err := io.Copy(a.Out, &data)
			return err
		}
		f, err := tiff.Open(bytes.NewReader(data.Bytes()), int64(data.Len()))
		if err != nil {
			return fmt.Errorf("fax %s cannot be read: %w", v.fax, err)
		}
		if v.png {
			return a.drawPages(f, v)
		}
		if err := settings.WriteDurably(v.out, data.Bytes(), 0o600); err != nil {
			return err
		}
		fmt.Fprintf(a.Out, "%s: %s\n", v.out, pages(f.Len()))
		return nil
	})
}

// latest stands for the newest received fax that one may see.
const latest = "latest"

// resolve turns "latest" into an id.
func (v *viewing) resolve(ctx context.Context, c *clientlib.Client) error {
	if v.fax != latest {
		return nil
	}
	list, err := c.Inbox(ctx, 1)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errors.New("there is no received fax yet")
	}
	v.fax = list[0].ID
	if v.out == latest+".tif" {
		v.out = v.fax + ".tif"
	}
	return nil
}

func (a *app) drawPages(f *tiff.File, v viewing) error {
	first, last := 1, f.Len()
	if v.page != 0 {
		if v.page > last {
			return fmt.Errorf("fax %s has %s; there is no page %d", v.fax, pages(last), v.page)
		}
		first, last = v.page, v.page
	}
	if first != last && !strings.Contains(v.out, "%d") {
		return terminal.Usagef("fax %s has %s; write -o NAME-%%d.png, or choose one with --page", v.fax, pages(last))
	}
	for n := first; n <= last; n++ {
		name := strings.Replace(v.out, "%d", fmt.Sprint(n), 1)
		if err := drawPage(f, n, name); err != nil {
			return fmt.Errorf("page %d: %w", n, err)
		}
		fmt.Fprintf(a.Out, "%s: page %d of %d\n", name, n, f.Len())
	}
	return nil
}

func drawPage(f *tiff.File, n int, name string) error {
	bitmap, resolution, err := f.Page(n - 1)
	if err != nil {
		return err
	}
	w, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(imaging.PNG(w, bitmap, resolution, widest), w.Close())
}
