package tiff

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/faxmesh/faxmesh/modem/t4"
)

// Coding is how a file holds its pages.
type Coding int

// The codings of the writer.
const (
	Group4   Coding = iota // T.6
	Group3                 // T.4 in one dimension
	Group3MR               // T.4 in two dimensions
)

// Options is how a Writer writes.
type Options struct {
	Coding   Coding
	LSBFirst bool // FillOrder 2
	AlignEOL bool // each EOL of Group 3 ends with an octet (T4Options)
}

const software = "faxmesh\x00"

// Writer writes a file page by page. It holds the page written last, because
// only the next call knows whether another directory follows.
type Writer struct {
	w     io.Writer
	opt   Options
	pos   int64 // octets written
	pages int   // pages given to WritePage
	held  heldPage
	err   error // the first one; no more is written
	done  bool
}

// heldPage is a page that is coded and not written.
type heldPage struct {
	strip         []byte
	width, height int
	res           t4.Resolution
}

// NewWriter returns a Writer to w. Close completes the file; w stays open.
func NewWriter(w io.Writer, opt Options) *Writer {
	return &Writer{w: w, opt: opt}
}

// WritePage appends a page. It does not keep b.
func (w *Writer) WritePage(b *t4.Bitmap, res t4.Resolution) error {
	switch {
	case w.err != nil:
		return w.err
	case w.done:
		return errors.New("tiff: write after Close")
	case b.Width < 1 || b.Width > t4.MaxWidth || b.Height < 1 || b.Height > t4.MaxRows:
		return fmt.Errorf("%w: a page of %d x %d pels cannot be written", ErrTooLarge, b.Width, b.Height)
	case res.X < 1 || res.Y < 1:
		return fmt.Errorf("%w: a page needs a resolution to be written", ErrUnsupported)
	case w.pages == MaxPages:
		return fmt.Errorf("%w: more than %d pages cannot be written", ErrTooLarge, MaxPages)
	}
	if err := w.flush(true); err != nil {
		return err
	}
	w.pages++
	strip := w.opt.appendStrip(w.held.strip[:0], b, res)
	w.held = heldPage{strip: strip, width: b.Width, height: b.Height, res: res}
	return nil
}

// appendStrip codes a page.
func (o Options) appendStrip(strip []byte, b *t4.Bitmap, res t4.Resolution) []byte {
	switch o.Coding {
	case Group3:
		strip = t4.AppendMH(strip, b, t4.MHOptions{AlignEOL: o.AlignEOL})
	case Group3MR:
		k := min(res.K(), t4.MaxPlainK)
		strip = t4.AppendMR(strip, b, t4.MROptions{K: k, AlignEOL: o.AlignEOL})
	default:
		strip = t4.AppendMMR(strip, b)
	}
	if o.LSBFirst {
		t4.Reverse(strip)
	}
	return strip
}

// describe returns what a directory says of the coding: Compression, the tag of
// its options, and their value.
func (o Options) describe() (compression uint32, tag uint16, options uint32) {
	switch o.Coding {
	case Group3:
	case Group3MR:
		options |= t4TwoDimensional
	default:
		return compressionGroup4, tagT6Options, 0
	}
	if o.AlignEOL {
		options |= t4AlignedEOL
	}
	return compressionGroup3, tagT4Options, options
}

// Close writes the last page. A file without pages is an error. Further calls
// return what the first one did.
func (w *Writer) Close() error {
	if w.done || w.err != nil {
		return w.err
	}
	w.done = true
	if w.pages == 0 {
		w.err = errors.New("tiff: a file needs at least one page")
		return w.err
	}
	return w.flush(false)
}

// flush writes the held page: its directory, the values that do not fit in it,
// then the strip.
func (w *Writer) flush(more bool) error {
	if w.pages == 0 {
		w.put([]byte("II*\x00\x08\x00\x00\x00"))
		return w.err
	}
	dir := w.directory()
	next := w.pos + int64(dir.size()+len(w.held.strip))
	next += next & 1 // a directory begins at an even offset
	if next > MaxFile {
		w.err = fmt.Errorf("%w: the file would have more than %d octets", ErrTooLarge, int64(MaxFile))
		return w.err
	}
	pad := next - w.pos - int64(dir.size()+len(w.held.strip))
	link := next
	if !more {
		link = 0
	}
	w.put(dir.encode(w.pos, link))
	w.put(w.held.strip)
	w.put(make([]byte, pad))
	return w.err
}

func (w *Writer) put(p []byte) {
	if w.err != nil || len(p) == 0 {
		return
	}
	if _, err := w.w.Write(p); err != nil {
		w.err = fmt.Errorf("tiff: write: %w", err)
	}
	w.pos += int64(len(p))
}

// directory describes the held page, the tags in ascending order.
func (w *Writer) directory() directory {
	p := w.held
	compression, optionsTag, options := w.opt.describe()
	fill := uint32(fillMSBFirst)
	if w.opt.LSBFirst {
		fill = fillLSBFirst
	}
	var d directory
	d.long(tagNewSubfileType, subfilePage)
	d.long(tagImageWidth, uint32(p.width))
	d.long(tagImageLength, uint32(p.height))
	d.short(tagBitsPerSample, 1)
	d.short(tagCompression, compression)
	d.short(tagPhotometric, whiteIsZero)
	d.short(tagFillOrder, fill)
	d.long(tagStripOffsets, 0) // set when the place is known
	d.short(tagOrientation, 1)
	d.short(tagSamplesPerPixel, 1)
	d.long(tagRowsPerStrip, uint32(p.height))
	d.long(tagStripByteCounts, uint32(len(p.strip)))
	d.outside(tagXResolution, typeRational, 1, rational(p.res.X))
	d.outside(tagYResolution, typeRational, 1, rational(p.res.Y))
	d.long(optionsTag, options)
	d.short(tagResolutionUnit, unitInch)
	// The total is not known yet: 0 says so (TIFF 6.0, PageNumber).
	d.add(tagPageNumber, typeShort, 2, uint32(w.pages-1))
	d.outside(tagSoftware, typeASCII, uint32(len(software)), []byte(software))
	return d
}

func rational(n int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(n))
	return binary.LittleEndian.AppendUint32(b, 1)
}

// directory is an IFD under construction.
type directory struct {
	entries []entry
	values  []byte // of the entries whose value is outside
}

type entry struct {
	tag, typ     uint16
	count, value uint32
	outside      bool // value counts from the end of the entries
}

func (d *directory) add(tag, typ uint16, count, value uint32) {
	d.entries = append(d.entries, entry{tag, typ, count, value, false})
}

func (d *directory) long(tag uint16, v uint32)  { d.add(tag, typeLong, 1, v) }
func (d *directory) short(tag uint16, v uint32) { d.add(tag, typeShort, 1, v) }

func (d *directory) outside(tag, typ uint16, count uint32, value []byte) {
	d.entries = append(d.entries, entry{tag, typ, count, uint32(len(d.values)), true})
	d.values = append(d.values, value...)
}

// size returns the octets of entries and values.
func (d *directory) size() int { return 2 + 12*len(d.entries) + 4 + len(d.values) }

// encode returns the directory as it stands at offset at, the strip behind it.
func (d *directory) encode(at, next int64) []byte {
	le := binary.LittleEndian
	b := le.AppendUint16(nil, uint16(len(d.entries)))
	strip := uint32(at) + uint32(d.size())
	for _, e := range d.entries {
		v := e.value
		switch {
		case e.tag == tagStripOffsets:
			v = strip
		case e.outside:
			v += strip - uint32(len(d.values))
		}
		b = le.AppendUint16(b, e.tag)
		b = le.AppendUint16(b, e.typ)
		b = le.AppendUint32(b, e.count)
		b = le.AppendUint32(b, v)
	}
	b = le.AppendUint32(b, uint32(next))
	return append(b, d.values...)
}
