package dis

import (
	"errors"
	"fmt"
	"slices"

	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/t4"
)

// ErrFormat: one of the stations cannot take a page of this shape.
var ErrFormat = errors.New("page format not supported by the remote station")

// ErrOffer: a DCS asks for what was not offered.
var ErrOffer = errors.New("facility was not offered")

// CommonRates lists the rates both stations have, best first.
func CommonRates(remote, own Capabilities) []line.Rate {
	return slices.DeleteFunc(own.Rates(), func(r line.Rate) bool {
		return !slices.Contains(remote.Rates(), r)
	})
}

// Closest is the format in which a station with these capabilities loses least
// of a page: the page's own, if it takes that. The paper is the smallest that it
// has and that the page fits on, or its widest.
func (c Capabilities) Closest(page Format) Format {
	offered := []t4.Resolution{t4.Standard} // which needs no bit
	if c[Fine] != 0 {
		offered = append(offered, t4.Fine)
	}
	if c[Superfine] != 0 {
		offered = append(offered, t4.Superfine)
	}
	r := page.Resolution.Closest(offered...)
	if !slices.Contains(offered, r) {
		r = t4.Standard
	}
	return Format{Width: r.Width(min(page.paper(), t4.Paper(widthIndex(c[Width])))), Resolution: r}
}

// paper is the smallest that the page fits on, else the widest.
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

// Choose makes the DCS for pages of the format given at a rate from
// CommonRates (T.30 5.3.6.2). The error wraps ErrFormat.
func Choose(remote, own Capabilities, page Format, rate line.Rate) (Session, error) {
	var s Session
	for f, r := range table {
		if r.choose != nil {
			s[f] = r.choose(remote[f], own[f])
		}
	}
	if s[ECM] != 0 {
		s[Frame64] = remote[Prefer64]
	}
	s.SetRate(rate)
	if err := s.setFormat(remote, page); err != nil {
		return Session{}, err
	}
	if s[ECM] == 0 {
		s[MMR] = 0 // T.6 needs an error free channel
		s[ScanTime] = remote.scanTime(page.Resolution)
	} else {
		s[ScanTime] = ScanTimeNone
	}
	if s[MMR] != 0 {
		s[MR] = 0 // one coding
	}
	return s, nil
}

// scanTime turns the minimum scan line time of a DIS into the DCS value for one
// resolution. Half of a time that has no value of its own is rounded up.
func (c Capabilities) scanTime(r t4.Resolution) uint8 {
	t := scanTimes[c[ScanTime]&7]
	ms := t.standard
	if r.Y > t4.Inch200x100.Y {
		ms = t.fine
	}
	if r.Y >= t4.Superfine.Y && c[HalfTime] != 0 {
		ms /= 2
	}
	for _, v := range []uint8{ScanTimeNone, 1, 2, 0} { // 0, 5, 10, 20 ms
		if scanTimes[v].standard >= ms {
			return v
		}
	}
	return 4 // 40 ms
}

// Check reports whether a DCS keeps to what own offered. The error wraps
// ErrOffer.
func (s Session) Check(own Capabilities) error {
	rate, ok := s.LineRate()
	if !ok || !slices.Contains(own.Rates(), rate) {
		return fmt.Errorf("%w: %s", ErrOffer, rateName(s[Rate]))
	}
	if widthIndex(s[Width]) > widthIndex(own[Width]) {
		return fmt.Errorf("%w: %s wide", ErrOffer, widthName(s[Width]))
	}
	for _, f := range []Field{Fine, MR, ECM, MMR, Superfine, R300, R16, R600, R1200, R300x600, R400x800, R600x1200, JBIG, JBIGL0} {
		if s[f] > own[f] {
			return fmt.Errorf("%w: %s", ErrOffer, table[f].name)
		}
	}
	if s[ECM] == 0 && (s[MMR] != 0 || s[JBIG] != 0) {
		return fmt.Errorf("%w: %s without ECM", ErrOffer, s.Coding())
	}
	return nil
}
