package t30

import (
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
}

// Offer is a document that a called station holds for who polls it.
type Offer struct {
	Pages    int
	Password string    // wanted in PWD; empty: none
	MaxRate  line.Rate // highest rate; V21: no limit
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
	cfg := ReceiverConfig{Station: s.cfg.Station, NonStandard: s.cfg.NonStandard, Own: s.cfg.Own}
	s.page = 0
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
	offer := r.cfg.Offer
	switch {
	case offer == nil || offer.Pages <= 0:
		return r.fail(status.NothingOffered, nil)
	case offer.Password != "" && offer.Password != r.password:
		return r.fail(status.WrongPassword, nil)
	}
	r.page, r.grace = 0, 0
	s := &sender{Engine: r.Engine, cfg: SenderConfig{
		Station: r.cfg.Station, Own: r.cfg.Own, MaxRate: offer.MaxRate, Pages: offer.Pages,
	}}
	s.role, s.polledBy = s, true
	return s.identified(fif)
}
