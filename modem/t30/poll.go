package t30

import (
	"slices"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/status"
)

// Polling turns a call around: a station that has called says DTC instead of
// DCS and receives; the one that was called sends. The engine stays the same,
// its role changes (T.30 5.3.6.1.2).

// Poll is what a calling station fetches, after it has sent what it has to send.
type Poll struct {
	Password  string // PWD; empty: not sent
	Selection string // SEP; empty: not sent
	// Subaddress is PSA, which picks from what SEP has; empty: not sent.
	Subaddress string
}

// Offer is a document that a called station holds for who polls it (T.30
// 5.3.6.1.2).
type Offer struct {
	Pages      int
	Selection  string    // wanted in SEP; empty: it is for who names none
	Subaddress string    // wanted in PSA; empty: it is for who names none
	Password   string    // wanted in PWD; empty: none
	MaxRate    line.Rate // highest rate; V21: no limit
}

// polling is what a station that polls has said before its DTC.
type polling struct{ password, selection, subaddress string }

// keep takes an optional frame of a station that polls.
func (p *polling) keep(f FCF, fif []byte) {
	switch f {
	case PWD:
		p.password = parseStation(fif)
	case SEP:
		p.selection = parseStation(fif)
	case PSA:
		p.subaddress = parseStation(fif)
	}
}

// fits reports whether o is the document asked for.
func (p polling) fits(o Offer) bool {
	return o.Pages > 0 && o.Selection == p.selection && o.Subaddress == p.subaddress
}

// announce has DIS tell how the documents that a station holds can be asked for.
func announce(c dis.Capabilities, offers []Offer) dis.Capabilities {
	for _, o := range offers {
		c[dis.Transmit] = 1
		for f, wanted := range map[dis.Field]string{dis.SEP: o.Selection, dis.PSA: o.Subaddress, dis.PWD: o.Password} {
			if wanted != "" {
				c[f] = 1
			}
		}
	}
	return c
}

// poll asks for a document of the remote station, whose DIS has come. From then
// on this station is the receiver, which says DTC where others say DIS.
func (s *sender) poll() Order {
	if s.remote[dis.Transmit] == 0 {
		return s.fail(status.NothingToPoll, nil)
	}
	ask := *s.cfg.Poll
	if s.remote[dis.PWD] == 0 {
		ask.Password = ""
	}
	if s.remote[dis.SEP] == 0 {
		ask.Selection = ""
	}
	if s.remote[dis.PSA] == 0 {
		ask.Subaddress = ""
	}
	cfg := ReceiverConfig{Station: s.cfg.Station, NonStandard: s.cfg.NonStandard, Own: s.cfg.Own}
	s.page, s.session = 0, dis.Session{}
	r := &receiver{Engine: s.Engine, cfg: cfg, poll: &ask}
	r.role, r.grace = r, T2
	return r.phaseB()
}

// polled makes this station the sender because the remote station has said DTC,
// or DIS in its place.
func (r *receiver) polled(f FCF, fif []byte) Order {
	if f == DIS {
		r.x = xBit
	}
	i := slices.IndexFunc(r.cfg.Offers, r.asked.fits)
	if i < 0 {
		if r.asked.selection != "" || r.asked.subaddress != "" {
			return r.fail(status.WrongSelection, nil)
		}
		return r.fail(status.NothingOffered, nil)
	}
	offer := r.cfg.Offers[i]
	if offer.Password != "" && offer.Password != r.asked.password {
		return r.fail(status.WrongPassword, nil)
	}
	r.page, r.grace, r.offer = 0, 0, i
	s := &sender{Engine: r.Engine, cfg: SenderConfig{
		Station: r.cfg.Station, Own: r.cfg.Own, MaxRate: offer.MaxRate, Pages: offer.Pages,
	}}
	s.role, s.polledBy = s, true
	return s.identified(fif)
}
