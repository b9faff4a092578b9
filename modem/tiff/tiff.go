// Package tiff reads and writes TIFF-F, the file format of fax pages (RFC 3949
// profiles S and F).
//
// The writer makes the plain form: little endian, one strip to a page. The
// reader takes what other programs make of bilevel pages, and nothing on trust:
// every count and offset is held against the file and the limits below before
// memory is spent on it.
package tiff

import (
	"errors"

	"github.com/faxmesh/faxmesh/modem/t4"
)

// Limits on a file.
const (
	MaxPages    = 5000
	MaxFields   = 512 // of one directory
	MaxStrips   = t4.MaxRows
	MaxPageData = 64 << 20 // octets of all strips of one page
	MaxFile     = 1 << 31  // octets; offsets in a TIFF file have 32 bits
)

// Kinds of errors.
var (
	// ErrFormat: the file is no TIFF file, or a broken one.
	ErrFormat = errors.New("tiff: damaged file")
	// ErrUnsupported: the page is none that a fax can carry as it is.
	ErrUnsupported = errors.New("tiff: unsupported page")
	// ErrTooLarge: the file or a page is past one of the limits.
	ErrTooLarge = errors.New("tiff: too large")
)

// Tags (TIFF 6.0; RFC 3949 section 3).
const (
	tagNewSubfileType  = 254
	tagSubfileType     = 255 // what came before 254
	tagImageWidth      = 256
	tagImageLength     = 257
	tagBitsPerSample   = 258
	tagCompression     = 259
	tagPhotometric     = 262
	tagFillOrder       = 266
	tagStripOffsets    = 273
	tagOrientation     = 274
	tagSamplesPerPixel = 277
	tagRowsPerStrip    = 278
	tagStripByteCounts = 279
	tagXResolution     = 282
	tagYResolution     = 283
	tagT4Options       = 292
	tagT6Options       = 293
	tagResolutionUnit  = 296
	tagPageNumber      = 297
	tagSoftware        = 305
	tagTileWidth       = 322
)

// Values of tags.
const (
	compressionNone     = 1
	compressionRLE      = 2 // T.4 rows without EOLs
	compressionGroup3   = 3
	compressionGroup4   = 4
	compressionPackBits = 32773

	fillMSBFirst = 1
	fillLSBFirst = 2

	whiteIsZero = 0
	blackIsZero = 1

	t4TwoDimensional = 1 // bits of T4Options
	t4AlignedEOL     = 4

	subfileReduced = 1 // bits of NewSubfileType
	subfilePage    = 2
	subfileMask    = 4

	oldReduced = 2 // SubfileType

	unitInch       = 2
	unitCentimetre = 3
)

// Types of values.
const (
	typeByte     = 1
	typeASCII    = 2
	typeShort    = 3
	typeLong     = 4
	typeRational = 5
)
