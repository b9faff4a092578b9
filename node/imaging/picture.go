package imaging

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image/jpeg"
	"image/png"
	"io"
	"math"

	"github.com/faxmesh/faxmesh/modem/t4"
	"github.com/faxmesh/faxmesh/modem/tiff"
)

// maxAspect is how many times as long as wide a picture may be.
const maxAspect = 10

// fromPicture makes a picture as wide as the page. One that is wider than tall
// is laid on its side.
func (d *document) fromPicture(pages *pageWriter, kind string, res t4.Resolution) error {
	decodeConfig, decode := png.DecodeConfig, png.Decode
	if kind == "JPEG" {
		decodeConfig, decode = jpeg.DecodeConfig, jpeg.Decode
	}
	config, err := decodeConfig(d.reader())
	if err != nil {
		return pictureError(kind, err)
	}
	w, h := config.Width, config.Height
	switch {
	case w < 1 || h < 1:
		return fmt.Errorf("%w: the picture has no pixels", ErrDamaged)
	case w > MaxPixels/h:
		return fmt.Errorf("%w: the picture has %d x %d pixels, at most %d are taken", ErrTooLarge, w, h, MaxPixels)
	case w > maxAspect*h || h > maxAspect*w:
		return fmt.Errorf("%w: a picture of %d x %d pixels is too narrow", ErrUnsupported, w, h)
	}
	orientation := 1
	if kind == "JPEG" {
		orientation = exifOrientation(d.reader())
	}
	img, err := decode(d.reader())
	if err != nil {
		return pictureError(kind, err)
	}
	p := grey(img)
	if orientation > 1 {
		p = p.turn(orientation)
	}
	if p.width > p.height {
		p = p.turn(quarterTurn)
	}
	level, bilevel := p.cut()
	p = p.scale(Width, rowsFor(p, float64(Width)/float64(p.width), t4.Resolution{X: 1, Y: 1}, res))
	if bilevel {
		return pages.writeCut(p.threshold(level), res)
	}
	return pages.writeCut(p.diffuse(), res)
}

// quarterTurn is EXIF's orientation of a picture to be turned clockwise.
const quarterTurn = 6

// pictureError sorts the errors of the decoders.
func pictureError(kind string, err error) error {
	var pngKind png.UnsupportedError
	var jpegKind jpeg.UnsupportedError
	if errors.As(err, &pngKind) || errors.As(err, &jpegKind) {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return fmt.Errorf("%w: the %s picture cannot be read: %w", ErrDamaged, kind, err)
}

// rowsFor returns how tall a picture becomes whose columns are scaled by s, so
// that it keeps its shape; from and to are the resolutions before and after.
func rowsFor(p plane, s float64, from, to t4.Resolution) int {
	shape := float64(from.X) / float64(from.Y) * float64(to.Y) / float64(to.X)
	return max(1, int(math.Round(float64(p.height)*s*shape)))
}

// fromTIFF takes pages that are in fax form as they are and fits the others.
func (d *document) fromTIFF(pages *pageWriter, res t4.Resolution) error {
	f, err := tiff.Open(d, d.size)
	if err != nil {
		return tiffError(err)
	}
	if f.Len() > MaxPages {
		return fmt.Errorf("%w: it has %d pages, at most %d are taken", ErrTooLarge, f.Len(), MaxPages)
	}
	for i := range f.Len() {
		b, from, err := f.Page(i)
		if err != nil {
			return tiffError(err)
		}
		if own, ok := faxForm(b, from, res); ok {
			err = pages.write(centre(b), own)
		} else if b, err = fit(b, from, res); err == nil {
			err = pages.writeCut(b, res)
		}
		if err != nil {
			return fmt.Errorf("page %d: %w", i+1, err)
		}
	}
	return nil
}

// tiffError gives an error of package tiff the kind it has here.
func tiffError(err error) error {
	for from, to := range map[error]error{
		tiff.ErrFormat: ErrDamaged, tiff.ErrUnsupported: ErrUnsupported, tiff.ErrTooLarge: ErrTooLarge,
	} {
		if errors.Is(err, from) {
			return fmt.Errorf("%w: %w", to, err)
		}
	}
	return err
}

// exifOrientation finds the orientation in a JPEG file's first segments: 1 to
// 8, 1 where there is none. It looks no further than an EXIF segment reaches.
func exifOrientation(r io.Reader) int {
	head, _ := io.ReadAll(io.LimitReader(r, 1<<17))
	for b := head[min(2, len(head)):]; len(b) >= 4 && b[0] == 0xFF && b[1] != 0xDA; {
		size := int(binary.BigEndian.Uint16(b[2:]))
		if size < 2 || 2+size > len(b) {
			return 1
		}
		if exif, ok := bytes.CutPrefix(b[4:2+size], []byte("Exif\x00\x00")); ok && b[1] == 0xE1 {
			return tiffOrientation(exif)
		}
		b = b[2+size:]
	}
	return 1
}

// tiffOrientation reads the orientation from the TIFF header that EXIF is.
func tiffOrientation(b []byte) int {
	var order binary.ByteOrder = binary.LittleEndian
	if bytes.HasPrefix(b, []byte("MM")) {
		order = binary.BigEndian
	}
	if len(b) < 8 || uint64(order.Uint32(b[4:]))+2 > uint64(len(b)) {
		return 1
	}
	const orientationTag, shortType = 274, 3
	b = b[order.Uint32(b[4:]):]
	n := int(order.Uint16(b))
	for b = b[2:]; n > 0 && len(b) >= 12; n, b = n-1, b[12:] {
		v := int(order.Uint16(b[8:]))
		if order.Uint16(b) == orientationTag && order.Uint16(b[2:]) == shortType && v >= 1 && v <= 8 {
			return v
		}
	}
	return 1
}
