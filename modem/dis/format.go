package dis

import (
	"fmt"
	"slices"

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

// Fit is the shape in which a station with these capabilities loses least of a
// page: the page's own, if it takes that. The paper is the narrowest that it has
// and that holds the page, else its widest.
func Fit(remote Capabilities, page Format) Format {
	var offered []t4.Resolution
	for _, r := range rasters {
		if !r.in(values(remote)) {
			continue
		}
		if offered = append(offered, r.named(false)); remote[Inch] != 0 {
			offered = append(offered, r.inch)
		}
	}
	res := page.Resolution.Closest(offered...)
	if !slices.Contains(offered, res) {
		res = t4.Standard
	}
	return Format{Width: res.Width(min(page.paper(), t4.Paper(widthIndex(remote[Width])))), Resolution: res}
}

// paper is the narrowest that holds the page, else the widest.
func (f Format) paper() t4.Paper {
	for p := t4.A4; p < t4.A3; p++ {
		pels := f.Resolution.Width(p)
		if pels == 0 { // no resolution of T.4's
			pels = t4.Inch200.Width(p) * f.Resolution.X / t4.Inch200.X
		}
		if f.Width <= pels {
			return p
		}
	}
	return t4.A3
}

// Rows is how long a page at resolution r may be; 0: as long as it likes. The
// lengths are those of the paper (T.30 table 2, bits 19 and 20, 77) and so much
// more as scanners and the difference between metric and inch-based lines make
// of them.
func (c Capabilities) Rows(r t4.Resolution) int {
	mm := paperLengths[lengthRank(c[Length])]
	if mm == 0 {
		return 0
	}
	if c[Legal] != 0 {
		mm = max(mm, legalLength)
	}
	mm += mm * lengthSlack / 100
	return mm * r.Y * 10 / 254
}

// Lengths of paper in millimetres, by the Length field; 0: unlimited.
var paperLengths = [...]int{297, 364, 0}

const (
	legalLength = 356
	lengthSlack = 4 // percent
)

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
