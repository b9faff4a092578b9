package tiff

import (
	"encoding/binary"
	"fmt"
	"io"
)

// File is an open file. It reads from its source when asked for a page and
// holds none; its methods may be called from several goroutines if the source's
// may.
type File struct {
	r     io.ReaderAt
	size  int64
	order binary.ByteOrder
	pages []directoryPage
	dirs  []uint32 // where the directories begin
}

// directoryPage is what a page's directory says.
type directoryPage struct {
	width, height uint32
	bits, samples uint32
	compression   uint32
	photometric   uint32
	fillOrder     uint32
	orientation   uint32
	t4Options     uint32
	unit          uint32
	xRes, yRes    float64
	tiled         bool
	strips        strips
}

// strips says where a page's rows are.
type strips struct {
	rows            uint32 // of each strip but the last
	offsets, counts field
}

// field is a value of a directory: its octets if they fit in four, else where
// they are.
type field struct {
	typ    uint16
	count  uint32
	inline [4]byte
}

// Open reads the directories of a file of size octets. The errors wrap
// ErrFormat or ErrTooLarge, or are r's.
func Open(r io.ReaderAt, size int64) (*File, error) {
	f := &File{r: r, size: size}
	if size > MaxFile {
		return nil, fmt.Errorf("%w: the file has more than %d octets", ErrTooLarge, int64(MaxFile))
	}
	var head [8]byte
	if err := f.read(head[:], 0); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	switch string(head[:4]) {
	case "II*\x00":
		f.order = binary.LittleEndian
	case "MM\x00*":
		f.order = binary.BigEndian
	case "II+\x00", "MM\x00+":
		return nil, fmt.Errorf("%w: it is a BigTIFF file; save it as a classic TIFF file", ErrUnsupported)
	default:
		return nil, fmt.Errorf("%w: it does not begin as a TIFF file", ErrFormat)
	}
	if err := f.readDirectories(int64(f.order.Uint32(head[4:]))); err != nil {
		return nil, err
	}
	if len(f.pages) == 0 {
		return nil, fmt.Errorf("%w: it has no pages", ErrFormat)
	}
	return f, nil
}

// Len returns the number of pages.
func (f *File) Len() int { return len(f.pages) }

// readDirectories follows the chain of directories from the one at offset at.
func (f *File) readDirectories(at int64) error {
	seen := map[int64]bool{}
	for at != 0 {
		n := len(seen) + 1
		if seen[at] {
			return fmt.Errorf("%w: directory %d leads back to an earlier one", ErrFormat, n-1)
		}
		if n > MaxPages {
			return fmt.Errorf("%w: the file has more than %d pages", ErrTooLarge, MaxPages)
		}
		seen[at] = true
		f.dirs = append(f.dirs, uint32(at))
		page, isPage, next, err := f.readDirectory(at)
		if err != nil {
			return fmt.Errorf("directory %d: %w", n, err)
		}
		if isPage {
			f.pages = append(f.pages, page)
		}
		at = next
	}
	return nil
}

// readDirectory reads the directory at offset at, and where the next one is.
// Thumbnails and masks are no pages.
func (f *File) readDirectory(at int64) (p directoryPage, isPage bool, next int64, err error) {
	var n [2]byte
	if err := f.read(n[:], at); err != nil {
		return p, false, 0, err
	}
	fields := int(f.order.Uint16(n[:]))
	if fields > MaxFields {
		return p, false, 0, fmt.Errorf("%w: it has %d fields, at most %d are read", ErrTooLarge, fields, MaxFields)
	}
	b := make([]byte, fields*12+4)
	if err := f.read(b, at+2); err != nil {
		return p, false, 0, err
	}
	p = directoryPage{
		bits: 1, samples: 1, compression: compressionNone, fillOrder: fillMSBFirst,
		orientation: 1, unit: unitInch, strips: strips{rows: 1<<32 - 1},
	}
	isPage = true
	for ; len(b) > 4; b = b[12:] {
		v := field{typ: f.order.Uint16(b[2:]), count: f.order.Uint32(b[4:])}
		copy(v.inline[:], b[8:])
		switch tag := f.order.Uint16(b); tag {
		case tagNewSubfileType:
			kind := f.number(v)
			isPage = isPage && (kind == noNumber || kind&(subfileReduced|subfileMask) == 0)
		case tagSubfileType:
			isPage = isPage && f.number(v) != oldReduced
		default:
			f.set(&p, tag, v)
		}
	}
	return p, isPage, int64(f.order.Uint32(b)), nil
}

// set notes one field of a directory.
func (f *File) set(p *directoryPage, tag uint16, v field) {
	switch tag {
	case tagImageWidth:
		p.width = f.number(v)
	case tagImageLength:
		p.height = f.number(v)
	case tagBitsPerSample:
		p.bits = f.number(v)
	case tagCompression:
		p.compression = f.number(v)
	case tagPhotometric:
		p.photometric = f.number(v)
	case tagFillOrder:
		p.fillOrder = f.number(v)
	case tagStripOffsets:
		p.strips.offsets = v
	case tagOrientation:
		p.orientation = f.number(v)
	case tagSamplesPerPixel:
		p.samples = f.number(v)
	case tagRowsPerStrip:
		p.strips.rows = f.number(v)
	case tagStripByteCounts:
		p.strips.counts = v
	case tagXResolution:
		p.xRes = f.rational(v)
	case tagYResolution:
		p.yRes = f.rational(v)
	case tagT4Options:
		p.t4Options = f.number(v)
	case tagResolutionUnit:
		p.unit = f.number(v)
	case tagTileWidth:
		p.tiled = true
	}
}

// noNumber is what number returns of a field that has none.
const noNumber = 1<<32 - 1

// number returns the first number of a field whose value is inline. A field
// with more of them, as BitsPerSample of a colour page, has none that matters
// here and gives what no check accepts.
func (f *File) number(v field) uint32 {
	switch {
	case v.typ == typeByte && v.count == 1:
		return uint32(v.inline[0])
	case v.typ == typeShort && v.count == 1:
		return uint32(f.order.Uint16(v.inline[:]))
	case v.typ == typeLong && v.count == 1:
		return f.order.Uint32(v.inline[:])
	}
	return noNumber
}

// rational returns a field's fraction; 0, for unknown, where there is none. Some
// programs write a whole number instead.
func (f *File) rational(v field) float64 {
	if n := f.number(v); n != noNumber {
		return float64(n)
	}
	var b [8]byte
	if v.typ != typeRational || v.count != 1 || f.read(b[:], int64(f.order.Uint32(v.inline[:]))) != nil {
		return 0
	}
	num, den := f.order.Uint32(b[:]), f.order.Uint32(b[4:])
	if den == 0 {
		return 0
	}
	return float64(num) / float64(den)
}

// numbers returns all numbers of a field, at most limit of them.
func (f *File) numbers(v field, limit int) ([]uint32, error) {
	size := map[uint16]int{typeShort: 2, typeLong: 4}[v.typ]
	if size == 0 {
		return nil, fmt.Errorf("%w: the field is missing or of no fit type", ErrFormat)
	}
	n := int(min(int64(v.count), int64(limit)))
	b := v.inline[:]
	if int64(v.count)*int64(size) > int64(len(b)) {
		b = make([]byte, n*size)
		if err := f.read(b, int64(f.order.Uint32(v.inline[:]))); err != nil {
			return nil, err
		}
	}
	out := make([]uint32, n)
	for i := range out {
		if size == 2 {
			out[i] = uint32(f.order.Uint16(b[2*i:]))
		} else {
			out[i] = f.order.Uint32(b[4*i:])
		}
	}
	return out, nil
}

// read fills b from offset at. What lies outside the file is ErrFormat.
func (f *File) read(b []byte, at int64) error {
	if at < 0 || at > f.size || int64(len(b)) > f.size-at {
		return fmt.Errorf("%w: it points outside the file, to octet %d", ErrFormat, at)
	}
	if n, err := f.r.ReadAt(b, at); n < len(b) {
		return fmt.Errorf("tiff: read: %w", err)
	}
	return nil
}
