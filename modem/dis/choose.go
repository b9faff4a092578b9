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
