// Package imaging turns the documents that people hand in into fax pages.
//
// What a document is, its content says, not its name. Everything becomes
// black and white, 1728 pels wide, in a TIFF-F file of Group 4 pages. Pages
// that have this form already are not touched.
package imaging

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/faxmesh/faxmesh/modem/t4"
	"github.com/faxmesh/faxmesh/modem/tiff"
)

// Limits on a document.
const (
	MaxDocument = 256 << 20 // octets
	MaxPages    = 1000      // fax pages
	MaxPixels   = 40 << 20  // of a picture; an A4 page at 600 pels/inch has 35 million
	MaxText     = 4 << 20   // octets of plain text
)

// Width is that of every page made here: A4 in R8 pels (T.4 clause 2).
const Width = 1728

// Kinds of errors. All are the fault of the document; anything else is not.
var (
	ErrUnsupported = errors.New("document cannot be faxed")
	ErrDamaged     = errors.New("document is damaged")
	ErrTooLarge    = errors.New("document is too large")
)

// accepted ends the errors of documents that are of a kind not taken.
const accepted = "accepted are TIFF-F, PNG, JPEG and plain text in UTF-8"

// Options is what pages to make.
type Options struct {
	// Resolution is that of pages that have none of their own, and the finest
	// that is made: t4.Standard, t4.Fine or t4.Superfine. Zero means t4.Fine.
	Resolution t4.Resolution
}

// Info is what a document was.
type Info struct {
	Pages int    // fax pages written
	Kind  string // "TIFF", "PNG", "JPEG" or "text"
}

// Convert reads a document of size octets and writes its fax pages to out. The
// name is for messages. What has been written before an error is no file. A
// picture takes up to 16 octets of memory for each of its pixels; how many
// conversions run at a time is the caller's to limit.
func Convert(ctx context.Context, src io.ReaderAt, size int64, name string, out io.Writer, opt Options) (Info, error) {
	res, err := opt.resolution()
	if err != nil {
		return Info{}, err
	}
	doc := &document{ctx: ctx, src: src, size: size}
	pages := &pageWriter{ctx: ctx, w: tiff.NewWriter(out, tiff.Options{})}
	info, err := doc.convert(pages, res)
	if doc.err != nil {
		err = doc.err // what a decoder made of it does not matter
	}
	if err == nil {
		err = pages.w.Close()
	}
	if err != nil {
		return Info{}, fmt.Errorf("%q: %w", name, err)
	}
	info.Pages = pages.n
	return info, nil
}

// resolution is that asked for, if it is one of Group 3.
func (o Options) resolution() (t4.Resolution, error) {
	switch o.Resolution {
	case t4.Resolution{}:
		return t4.Fine, nil
	case t4.Standard, t4.Fine, t4.Superfine:
		return o.Resolution, nil
	}
	return t4.Resolution{}, fmt.Errorf("imaging: pages cannot be made at %d x %d pels/inch", o.Resolution.X, o.Resolution.Y)
}

// document is the source, and remembers why it could not be read.
type document struct {
	ctx  context.Context
	src  io.ReaderAt
	size int64
	err  error
}

func (d *document) ReadAt(p []byte, at int64) (int, error) {
	if err := d.ctx.Err(); err != nil {
		d.err = err
		return 0, err
	}
	n, err := d.src.ReadAt(p, at)
	if err != nil && err != io.EOF {
		d.err = fmt.Errorf("read the document: %w", err)
	}
	return n, err
}

// reader reads the document from its beginning.
func (d *document) reader() io.Reader { return io.NewSectionReader(d, 0, d.size) }

// sniffed is how much of a document tells its kind.
const sniffed = 1024

func (d *document) convert(pages *pageWriter, res t4.Resolution) (Info, error) {
	switch {
	case d.size <= 0:
		return Info{}, fmt.Errorf("%w: it is empty", ErrUnsupported)
	case d.size > MaxDocument:
		return Info{}, fmt.Errorf("%w: it has %d octets, at most %d are taken", ErrTooLarge, d.size, MaxDocument)
	}
	head, err := io.ReadAll(io.LimitReader(d.reader(), sniffed))
	if err != nil {
		return Info{}, err
	}
	kind, foreign := sniff(head)
	switch kind {
	case "TIFF":
		err = d.fromTIFF(pages, res)
	case "PNG", "JPEG":
		err = d.fromPicture(pages, kind, res)
	case "text":
		err = d.fromText(pages, res)
	default:
		err = fmt.Errorf("%w: it is %s; %s", ErrUnsupported, foreign, accepted)
	}
	return Info{Kind: kind}, err
}

// kinds are what a document begins with. Those without a kind are not taken,
// though some of them would pass for text.
var kinds = []struct{ magic, kind, foreign string }{
	{"II*\x00", "TIFF", ""},
	{"MM\x00*", "TIFF", ""},
	{"\x89PNG\r\n\x1a\n", "PNG", ""},
	{"\xff\xd8\xff", "JPEG", ""},
	{"%PDF-", "", "a PDF document"},
	{"%!PS", "", "a PostScript document"},
	{"{\\rtf", "", "an RTF document"},
	{"PK\x03\x04", "", "an archive or an office document"},
	{"\xd0\xcf\x11\xe0", "", "an office document or an encrypted one"},
	{"GIF8", "", "a GIF picture"},
	{"RIFF", "", "a WebP picture or a recording"},
	{"BM", "", "a BMP picture"},
	{"\xff\xfe", "", "text in UTF-16"},
	{"\xfe\xff", "", "text in UTF-16"},
}

// sniff tells a document by its first octets: its kind, or what else it is.
func sniff(head []byte) (kind, foreign string) {
	text := isText(head)
	trimmed := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n\x00")
	for _, k := range kinds {
		if k.magic == "BM" && text {
			continue // two letters are no sign
		}
		if bytes.HasPrefix(head, []byte(k.magic)) || k.kind == "" && bytes.HasPrefix(trimmed, []byte(k.magic)) {
			return k.kind, k.foreign
		}
	}
	if text {
		return "text", ""
	}
	return "", "of an unknown kind"
}

// isText reports whether b begins a UTF-8 text; its last character may be cut.
func isText(b []byte) bool {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			return !utf8.FullRune(b)
		}
		if isControl(r) {
			return false
		}
		b = b[n:]
	}
	return true
}

// isControl reports whether r is a character that no text has.
func isControl(r rune) bool {
	switch r {
	case '\t', '\n', '\r', '\f', '\v':
		return false
	}
	return r < ' ' || r >= 0x7F && r < 0xA0
}

// pageWriter counts pages.
type pageWriter struct {
	ctx context.Context
	w   *tiff.Writer
	n   int
}

func (p *pageWriter) write(b *t4.Bitmap, res t4.Resolution) error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	if p.n == MaxPages {
		return fmt.Errorf("%w: it has more than %d pages", ErrTooLarge, MaxPages)
	}
	p.n++
	return p.w.WritePage(b, res)
}

// a4Rows is the length of an A4 page: 297 mm (T.4 clause 2).
func a4Rows(res t4.Resolution) int { return 1143 * res.Y / t4.Standard.Y }

// writeCut writes a page of any length: one that is longer than the longest
// paper, Legal, goes on on further pages of A4.
func (p *pageWriter) writeCut(b *t4.Bitmap, res t4.Resolution) error {
	length := a4Rows(res)
	if b.Height <= length*356/297 {
		return p.write(b, res)
	}
	for y := 0; y < b.Height; y += length {
		rows := min(length, b.Height-y)
		part := &t4.Bitmap{Width: b.Width, Height: rows, Stride: b.Stride, Pix: b.Pix[y*b.Stride : (y+rows)*b.Stride]}
		if err := p.write(part, res); err != nil {
			return err
		}
	}
	return nil
}
