package imaging

import (
	"fmt"
	"image"
	"math"

	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"

	"github.com/faxmesh/faxmesh/modem/t4"
)

// typeface draws the letters of Go Mono at the pels of a resolution, which
// need not be square.
type typeface struct {
	font   *sfnt.Font
	buf    sfnt.Buffer
	em     fixed.Int26_6 // size at which outlines are loaded
	sx, sy float32       // from there to pels
	height float64       // of an em in rows
	glyphs map[rune][]point
}

// maxGlyphs is how many drawn letters are kept; the face has fewer.
const maxGlyphs = 2000

// point is a black pel of a letter, from the left end of its baseline.
type point struct{ x, y int16 }

func newTypeface(res t4.Resolution) (*typeface, error) {
	font, err := sfnt.Parse(gomono.TTF)
	if err != nil {
		return nil, fmt.Errorf("imaging: parse the typeface: %w", err)
	}
	f := &typeface{font: font, em: fixed.I(int(font.UnitsPerEm())), glyphs: map[rune][]point{}}
	m, err := font.GlyphIndex(&f.buf, 'm')
	if err != nil {
		return nil, fmt.Errorf("imaging: read the typeface: %w", err)
	}
	advance, err := font.GlyphAdvance(&f.buf, m, f.em, 0)
	if err != nil {
		return nil, fmt.Errorf("imaging: read the typeface: %w", err)
	}
	f.sx = float32(columnPels) / float32(advance)
	f.sy = f.sx * float32(res.Y) / float32(res.X)
	f.height = float64(f.sy) * float64(f.em)
	return f, nil
}

// draw draws a letter with its baseline beginning at x, y. What lies outside
// the page is cut off.
func (f *typeface) draw(page *t4.Bitmap, x, y int, r rune) error {
	pels, ok := f.glyphs[r]
	if !ok {
		var err error
		if pels, err = f.render(r); err != nil {
			return err
		}
		if len(f.glyphs) == maxGlyphs {
			clear(f.glyphs)
		}
		f.glyphs[r] = pels
	}
	for _, p := range pels {
		u, v := x+int(p.x), y+int(p.y)
		if u >= 0 && u < page.Width && v >= 0 && v < page.Height {
			page.Pix[v*page.Stride+u>>3] |= 0x80 >> (u & 7)
		}
	}
	return nil
}

// render finds the pels of a letter: those of which ink covers a third.
func (f *typeface) render(r rune) ([]point, error) {
	index, err := f.font.GlyphIndex(&f.buf, r)
	if err != nil || index == 0 {
		return nil, fmt.Errorf("%w: the typeface has no letter %q (%U)", ErrUnsupported, r, r)
	}
	segments, err := f.font.LoadGlyph(&f.buf, index, f.em, nil)
	if err != nil {
		return nil, fmt.Errorf("imaging: draw %q: %w", r, err)
	}
	// A box with a column to spare on each side and an em and a half above and
	// below the baseline.
	left, above := int(math.Ceil(columnPels)), int(f.height*1.5)
	width, height := 3*left, 2*above
	at := func(p fixed.Point26_6) (x, y float32) {
		return float32(left) + float32(p.X)*f.sx, float32(above) + float32(p.Y)*f.sy
	}
	outline := vector.NewRasterizer(width, height)
	for _, s := range segments {
		x0, y0 := at(s.Args[0])
		x1, y1 := at(s.Args[1])
		x2, y2 := at(s.Args[2])
		switch s.Op {
		case sfnt.SegmentOpMoveTo:
			outline.ClosePath()
			outline.MoveTo(x0, y0)
		case sfnt.SegmentOpLineTo:
			outline.LineTo(x0, y0)
		case sfnt.SegmentOpQuadTo:
			outline.QuadTo(x0, y0, x1, y1)
		case sfnt.SegmentOpCubeTo:
			outline.CubeTo(x0, y0, x1, y1, x2, y2)
		}
	}
	outline.ClosePath()
	ink := image.NewAlpha(outline.Bounds())
	outline.Draw(ink, ink.Bounds(), image.Opaque, image.Point{})
	var pels []point
	for y := range height {
		for x, a := range ink.Pix[y*ink.Stride : y*ink.Stride+width] {
			if a > 255*(100-inkShare)/100 {
				pels = append(pels, point{int16(x - left), int16(y - above)})
			}
		}
	}
	return pels, nil
}
