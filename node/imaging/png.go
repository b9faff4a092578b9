package imaging

import (
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/faxmesh/faxmesh/modem/t4"
)

// PNG writes a page for a screen: one bit to the pixel, its rows repeated where
// they are far apart, so that it looks right where the pixel size that is also
// given is ignored. A page wider than maxWidth is reduced to it, with square
// pixels; a maxWidth of 0 means as it is.
func PNG(w io.Writer, b *t4.Bitmap, res t4.Resolution, maxWidth int) error {
	if b.Width < 1 || b.Height < 1 || res.X < 1 || res.Y < 1 {
		return fmt.Errorf("imaging: a page of %d x %d pels at %d x %d pels/inch cannot be shown",
			b.Width, b.Height, res.X, res.Y)
	}
	x, y := float64(res.X), float64(res.Y)
	repeat := max(1, int(math.Round(x/y)))
	if maxWidth > 0 && b.Width > maxWidth || res.Y > res.X*5/4 {
		width := b.Width
		if maxWidth > 0 {
			width = min(width, maxWidth)
		}
		p := fromBitmap(b)
		s := float64(width) / float64(b.Width)
		p = p.scale(width, rowsFor(p, s, res, t4.Resolution{X: 1, Y: 1}))
		b, repeat = p.threshold(255*inkShare/100), 1
		x, y = x*s, x*s
	}
	return writePNG(w, b, repeat, x, y*float64(repeat))
}

// writePNG writes a page with every row repeat times; x and y are the pixels to
// the inch of the result.
func writePNG(w io.Writer, b *t4.Bitmap, repeat int, x, y float64) error {
	c := pngChunks{w: w}
	c.write([]byte("\x89PNG\r\n\x1a\n"))
	var header [13]byte // width, height, 1 bit of grey, the usual methods
	binary.BigEndian.PutUint32(header[:], uint32(b.Width))
	binary.BigEndian.PutUint32(header[4:], uint32(b.Height*repeat))
	header[8] = 1
	c.chunk("IHDR", header[:])
	var size [9]byte
	binary.BigEndian.PutUint32(size[:], uint32(math.Round(x/0.0254)))
	binary.BigEndian.PutUint32(size[4:], uint32(math.Round(y/0.0254)))
	size[8] = 1 // to the metre
	c.chunk("pHYs", size[:])
	z := zlib.NewWriter(&c)
	line := make([]byte, 1+(b.Width+7)/8) // filter type 0, then the pixels
	for v := range b.Height {
		for i, bits := range b.Row(v) {
			line[1+i] = ^bits // 1 is white here
		}
		for range repeat {
			if _, err := z.Write(line); err != nil {
				return fmt.Errorf("imaging: write PNG: %w", err)
			}
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("imaging: write PNG: %w", err)
	}
	c.flush()
	c.chunk("IEND", nil)
	if c.err != nil {
		return fmt.Errorf("imaging: write PNG: %w", c.err)
	}
	return nil
}

// pngChunks writes the chunks of a PNG file. What is written to it goes to IDAT
// chunks.
type pngChunks struct {
	w    io.Writer
	data []byte // of the next IDAT
	err  error  // the first one
}

const idatSize = 32 << 10

func (c *pngChunks) Write(p []byte) (int, error) {
	c.data = append(c.data, p...)
	if len(c.data) >= idatSize {
		c.flush()
	}
	return len(p), c.err
}

func (c *pngChunks) flush() {
	if len(c.data) > 0 {
		c.chunk("IDAT", c.data)
		c.data = c.data[:0]
	}
}

func (c *pngChunks) chunk(kind string, data []byte) {
	c.write(binary.BigEndian.AppendUint32(nil, uint32(len(data))))
	body := append([]byte(kind), data...)
	c.write(binary.BigEndian.AppendUint32(body, crc32.ChecksumIEEE(body)))
}

func (c *pngChunks) write(p []byte) {
	if c.err == nil {
		_, c.err = c.w.Write(p)
	}
}
