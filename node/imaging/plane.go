package imaging

import (
	"image"
	"image/color"

	"github.com/faxmesh/faxmesh/modem/t4"
)

// plane is a grey picture: 0 is black, 255 white.
type plane struct {
	width, height int
	pix           []uint8
}

func newPlane(width, height int) plane {
	return plane{width, height, make([]uint8, width*height)}
}

func (p plane) row(y int) []uint8 { return p.pix[y*p.width : (y+1)*p.width] }

// grey returns a picture as light falls from paper: what is transparent shows
// white.
func grey(img image.Image) plane {
	r := img.Bounds()
	p := newPlane(r.Dx(), r.Dy())
	var shades [256]uint8
	if img, ok := img.(*image.Paletted); ok {
		for i, c := range img.Palette {
			shades[i] = shade(c)
		}
	}
	for y := range p.height {
		row := p.row(y)
		at := r.Min.Y + y
		switch img := img.(type) {
		case *image.Gray:
			copy(row, img.Pix[img.PixOffset(r.Min.X, at):])
		case *image.YCbCr:
			copy(row, img.Y[img.YOffset(r.Min.X, at):])
		case *image.NRGBA:
			pix := img.Pix[img.PixOffset(r.Min.X, at):]
			for x := range row {
				c := pix[4*x : 4*x+4]
				row[x] = onPaper(luma(c[0], c[1], c[2]), c[3])
			}
		case *image.RGBA:
			pix := img.Pix[img.PixOffset(r.Min.X, at):]
			for x := range row {
				c := pix[4*x : 4*x+4]
				row[x] = luma(c[0], c[1], c[2]) + 255 - c[3] // colours are multiplied by alpha
			}
		case *image.Paletted:
			pix := img.Pix[img.PixOffset(r.Min.X, at):]
			for x := range row {
				row[x] = shades[pix[x]]
			}
		default:
			for x := range row {
				row[x] = shade(img.At(r.Min.X+x, at))
			}
		}
	}
	return p
}

// shade is grey for one colour.
func shade(c color.Color) uint8 {
	n := color.NRGBAModel.Convert(c).(color.NRGBA)
	return onPaper(luma(n.R, n.G, n.B), n.A)
}

// luma weighs colours as JPEG does (ITU-T T.871); the weights add up to 65536.
func luma(r, g, b uint8) uint8 {
	return uint8((19595*uint32(r) + 38470*uint32(g) + 7471*uint32(b) + 1<<15) >> 16)
}

func onPaper(v, alpha uint8) uint8 {
	a := uint32(alpha)
	return uint8((uint32(v)*a + 255*(255-a) + 127) / 255)
}

// fromBitmap returns a fax page as a grey picture.
func fromBitmap(b *t4.Bitmap) plane {
	p := newPlane(b.Width, b.Height)
	for y := range p.height {
		bits, row := b.Row(y), p.row(y)
		for x := range row {
			if bits[x>>3]<<(x&7)&0x80 == 0 {
				row[x] = 255
			}
		}
	}
	return p
}

// turn turns a picture as EXIF's orientation says: 2 to 8, by mirrors at the
// vertical axis, the horizontal axis and the diagonal.
func (p plane) turn(orientation int) plane {
	right := orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7
	bottom := orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8
	diagonal := orientation >= 5
	out := newPlane(p.width, p.height)
	if diagonal {
		out.width, out.height = p.height, p.width
	}
	for y := range p.height {
		for x, v := range p.row(y) {
			u, w := x, y
			if diagonal {
				u, w = y, x
			}
			if right {
				u = out.width - 1 - u
			}
			if bottom {
				w = out.height - 1 - w
			}
			out.pix[w*out.width+u] = v
		}
	}
	return out
}

// scale makes each pixel the mean of the area it covers, so that nothing that
// is there vanishes without a trace.
func (p plane) scale(width, height int) plane {
	if width == p.width && height == p.height {
		return p
	}
	out := newPlane(width, height)
	line := make([]uint8, width) // row from of p, at the new width
	sum := make([]uint64, width)
	// A row of p weighs height, a row of out p.height: both add up to the same.
	from, left := 0, 0
	for y := range height {
		clear(sum)
		for need := p.height; need > 0; {
			if left == 0 {
				shrink(line, p.row(from))
				from++
				left = height
			}
			weight := min(need, left)
			for x, v := range line {
				sum[x] += uint64(weight) * uint64(v)
			}
			need -= weight
			left -= weight
		}
		row := out.row(y)
		half := uint64(p.height / 2)
		for x, s := range sum {
			row[x] = uint8((s + half) / uint64(p.height))
		}
	}
	return out
}

// shrink makes a row another width, longer or shorter. A pixel of src weighs
// len(dst), one of dst len(src).
func shrink(dst, src []uint8) {
	if len(dst) == len(src) {
		copy(dst, src)
		return
	}
	from, left := 0, len(dst)
	for x := range dst {
		sum := uint64(len(src) / 2)
		for need := len(src); need > 0; {
			if left == 0 {
				from++
				left = len(dst)
			}
			weight := min(need, left)
			sum += uint64(weight) * uint64(src[from])
			need -= weight
			left -= weight
		}
		dst[x] = uint8(sum / uint64(len(src)))
	}
}
