package lines

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/t4"
)

// pageMagic begins a page file: format and version.
const pageMagic = "FXPAGE\x00\x01"

// pageHead follows the magic, big endian; the bitmap's rows and the CRC-32C of
// all before it follow the head. A page is kept uncoded: what is on disk is
// what was decoded, whatever a coder might do to it.
type pageHead struct {
	Width, Height, X, Y, BadRows uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func encodePage(p modem.ReceivedPage) ([]byte, error) {
	b := p.Image
	if b == nil || b.Width < 1 || b.Width > t4.MaxWidth || b.Height < 0 || b.Height > t4.MaxRows {
		return nil, fmt.Errorf("a page of this size cannot be stored (at most %d by %d)", t4.MaxWidth, t4.MaxRows)
	}
	head := pageHead{uint32(b.Width), uint32(b.Height), uint32(p.Resolution.X), uint32(p.Resolution.Y), uint32(max(p.BadRows, 0))}
	out, err := binary.Append([]byte(pageMagic), binary.BigEndian, head)
	if err != nil {
		return nil, err
	}
	for y := range b.Height {
		out = append(out, b.Row(y)...)
	}
	return binary.BigEndian.AppendUint32(out, crc32.Checksum(out, castagnoli)), nil
}

func decodePage(data []byte) (modem.ReceivedPage, error) {
	const before = len(pageMagic) + 5*4
	var head pageHead
	if len(data) < before+4 || !bytes.HasPrefix(data, []byte(pageMagic)) {
		return modem.ReceivedPage{}, fmt.Errorf("no page file: %w", errDamaged)
	}
	body, sum := data[:len(data)-4], binary.BigEndian.Uint32(data[len(data)-4:])
	if crc32.Checksum(body, castagnoli) != sum {
		return modem.ReceivedPage{}, fmt.Errorf("wrong checksum: %w", errDamaged)
	}
	if _, err := binary.Decode(body[len(pageMagic):], binary.BigEndian, &head); err != nil {
		return modem.ReceivedPage{}, err
	}
	rows := body[before:]
	stride := (int(head.Width) + 7) / 8
	if head.Width < 1 || head.Width > t4.MaxWidth || head.Height > t4.MaxRows || len(rows) != stride*int(head.Height) {
		return modem.ReceivedPage{}, fmt.Errorf("size and rows do not agree: %w", errDamaged)
	}
	return modem.ReceivedPage{
		Image:      &t4.Bitmap{Width: int(head.Width), Height: int(head.Height), Stride: stride, Pix: bytes.Clone(rows)},
		Resolution: t4.Resolution{X: int(head.X), Y: int(head.Y)},
		BadRows:    int(head.BadRows),
	}, nil
}
