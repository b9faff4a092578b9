package dis

import (
	"fmt"

	"github.com/faxmesh/faxmesh/modem/t4"
)

// Format is the shape of a page.
type Format struct {
	Width      int // pels
	Resolution t4.Resolution
}

// raster is a resolution as DIS and DCS name it: one field for a metric one and
// for the one in inches that passes for it. DCS tells which by bit 44.
type raster struct {
	field        Field
	metric, inch t4.Resolution // metric is zero where there is none
}

// always stands for the resolution that has no bit, because every station has it.
const always Field = -1

// rasters from coarse to fine.
var rasters = [...]raster{
	{always, t4.Standard, t4.Inch200x100},
	{Fine, t4.Fine, t4.Inch200},
	{R300, t4.Resolution{}, t4.Inch300},
	{Superfine, t4.Superfine, t4.Inch200x400},
	{R16, t4.R16, t4.Inch400},
	{R300x600, t4.Resolution{}, t4.Inch300x600},
	{R400x800, t4.Resolution{}, t4.Inch400x800},
	{R600, t4.Resolution{}, t4.Inch600},
	{R600x1200, t4.Resolution{}, t4.Inch600x1200},
	{R1200, t4.Resolution{}, t4.Inch1200},
}

func (r raster) in(v values) bool { return r.field == always || v[r.field] != 0 }

// named is how r is called: in inches if asked or if it has no other name.
func (r raster) named(inch bool) t4.Resolution {
	if inch || r.metric == (t4.Resolution{}) {
		return r.inch
	}
	return r.metric
}

// Format is the shape of the pages of the session.
func (s Session) Format() Format {
	res := rasters[0].named(s[Inch] != 0)
	for _, r := range rasters[1:] {
		if r.in(values(s)) {
			res = r.named(s[Inch] != 0)
		}
	}
	return Format{Width: res.Width(t4.Paper(widthIndex(s[Width]))), Resolution: res}
}

// Fit is the shape in which a page can go to the remote station: its own, if the
// station takes that, else the finest that is not finer, on the narrowest paper
// that holds it.
func Fit(remote Capabilities, page Format) Format {
	best := rasters[0]
	for _, r := range rasters {
		if r.in(values(remote)) && r.inch.X <= about(page.Resolution.X) && r.inch.Y <= about(page.Resolution.Y) {
			best = r
		}
	}
	inch := page.Resolution == best.inch && remote[Inch] != 0
	res := best.named(inch)
	need := page.Width
	if x := page.Resolution.X; x > 0 {
		need = page.Width * res.X / x
	}
	paper := t4.A4
	for int(paper) < widthIndex(remote[Width]) && about(res.Width(paper)) < need {
		paper++
	}
	return Format{Width: res.Width(paper), Resolution: res}
}

// about allows for what metric resolutions differ from those in inches.
func about(n int) int { return n + n/40 }

// setFormat puts the shape of a page into a DCS, if the remote station takes it.
func (s *Session) setFormat(remote Capabilities, page Format) error {
	for _, r := range rasters {
		if page.Resolution != r.metric && page.Resolution != r.inch {
			continue
		}
		if !r.in(values(remote)) {
			break
		}
		if r.field != always {
			s[r.field] = 1
		}
		if page.Resolution == r.inch {
			s[Inch] = 1
		}
		for paper := range widthIndex(remote[Width]) + 1 {
			if page.Resolution.Width(t4.Paper(paper)) == page.Width {
				s[Width] = uint8(paper)
				return nil
			}
		}
		return fmt.Errorf("%w: %d pels wide", ErrFormat, page.Width)
	}
	return fmt.Errorf("%w: %d by %d pels per inch", ErrFormat, page.Resolution.X, page.Resolution.Y)
}
