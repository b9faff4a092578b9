package t30

import (
	"slices"
	"time"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/status"
)

// SenderConfig is what a sender is to do.
type SenderConfig struct {
	Station string           // TSI, at most 20 characters; empty: not sent
	Own     dis.Capabilities // what may be used; Rate limits the modulations
	MaxRate line.Rate        // highest rate; V21: no limit
	First   int              // index of the first page
	Pages   int              // pages of the document
}

// sender is the calling station of T.30 figures 5-2.
type sender struct {
	*Engine
	cfg     SenderConfig
	remote  dis.Capabilities
	trying  line.Rate  // rate of the next DCS
	format  dis.Format // of the page under way
	coming  dis.Format // of the page after it
	data    []byte     // the page under way, coded
	then    FCF        // MPS, EOM or EOP behind it
	repeats int        // times it was rejected
	done    bool       // the last page has been confirmed
	part    partial
}

// NewSender returns an engine that sends pages First to Pages-1 of a document.
func NewSender(cfg SenderConfig) *Engine {
	s := &sender{Engine: &Engine{page: cfg.First}, cfg: cfg}
	s.role, s.next = s, s.start
	return s.Engine
}

func (s *sender) released() status.Code {
	if s.done {
		return status.OK
	}
	return status.LineDropped
}

func (s *sender) broken(k OrderKind) status.Code {
	if k == Confirm {
		return status.NotRecorded
	}
	return status.BadDocument
}

func (s *sender) optional(frame []byte) {
	if fcfOf(frame) == CSI {
		s.report.Remote = parseStation(hdlc.FIF(frame))
	}
}

func (s *sender) start(in Event) Order {
	if s.cfg.First < 0 || s.cfg.First >= s.cfg.Pages {
		return s.end(status.BadDocument, nil)
	}
	return s.awaitDIS(in.Now+T1, maxHeard, func() Order { return s.end(status.NoIdentification, nil) })
}

// awaitDIS waits for the identification of the called station (phase B).
func (s *sender) awaitDIS(until time.Duration, patience int, silent func() Order) Order {
	if s.now >= until || patience == 0 {
		return silent()
	}
	return s.hear(line.Listen{Timeout: until - s.now}, func(m message) Order {
		switch {
		case m.kind != command:
			return silent()
		case m.fcf == DIS:
			return s.identified(m.frame)
		case m.fcf == DCN:
			return s.end(status.Disconnected, nil)
		}
		return s.awaitDIS(until, patience-1, silent)
	})
}

// identified looks whether the remote station can be sent to at all.
func (s *sender) identified(frame []byte) Order {
	s.remote, s.x = dis.Parse(hdlc.FIF(frame)), xBit
	if s.remote[dis.Receive] == 0 {
		return s.fail(status.CannotReceive, nil)
	}
	if s.trying = s.supported(s.trying); s.trying == line.V21 {
		return s.fail(status.NotSupported, nil)
	}
	return s.look(s.page, func(f dis.Format) Order {
		s.format = f
		return s.train()
	})
}

// supported is the best rate of both stations that is not above the rate in
// use or the limit; V21 if there is none.
func (s *sender) supported(now line.Rate) line.Rate {
	for _, r := range dis.CommonRates(s.remote, s.cfg.Own) {
		if (now == line.V21 || r <= now) && (s.cfg.MaxRate == line.V21 || r <= s.cfg.MaxRate) {
			return r
		}
	}
	return line.V21
}

// slower is the next rate to try; false if there is none.
func (s *sender) slower(r line.Rate) (line.Rate, bool) {
	common := dis.CommonRates(s.remote, s.cfg.Own)
	for {
		var ok bool
		if r, ok = lower[r]; !ok || slices.Contains(common, r) {
			return r, ok
		}
	}
}

func (s *sender) look(page int, then func(dis.Format) Order) Order {
	s.next = func(in Event) Order { return then(in.Format) }
	return Order{Kind: Look, Page: page}
}

// train says DCS and the training check.
func (s *sender) train() Order {
	session, err := dis.Choose(s.remote, s.cfg.Own, s.format, s.trying)
	if err != nil {
		return s.fail(status.NotSupported, err)
	}
	s.agreed(session)
	dcs := [][]byte{s.frame(true, DCS, session.Append(nil)...)}
	if s.cfg.Station != "" {
		tsi := s.frame(false, TSI, appendStation(nil, s.cfg.Station)...)
		dcs = [][]byte{tsi, dcs[0]}
	}
	x := &exchange{say: []line.Signal{frames(dcs...), {Kind: line.Training, Rate: s.trying}}}
	x.answers = map[FCF]func([]byte) Order{
		CFR: func([]byte) Order { return s.prepare() },
		FTT: func([]byte) Order { return s.untrained() },
		DIS: func([]byte) Order { return s.ask(x) }, // our DCS was lost
	}
	return s.ask(x)
}

// untrained steps down the ladder of rates.
func (s *sender) untrained() Order {
	r, ok := s.slower(s.trying)
	if !ok {
		return s.fail(status.TrainingFailed, nil)
	}
	s.trans.decide(s.now, "fall back from %v to %v", s.trying, r)
	s.trying = r
	return s.train()
}

// prepare finds out what comes behind the page, then has it coded, so that
// nothing has to be waited for while the line is up.
func (s *sender) prepare() Order {
	s.part = partial{}
	if s.page+1 >= s.cfg.Pages {
		s.then = EOP
		return s.code()
	}
	return s.look(s.page+1, func(f dis.Format) Order {
		s.coming, s.then = f, MPS
		if f != s.format {
			s.then = EOM
		}
		return s.code()
	})
}

func (s *sender) code() Order {
	s.next = func(in Event) Order {
		if len(in.Data) == 0 || len(in.Data) > line.MaxPage {
			return s.fail(status.BadDocument, nil)
		}
		s.data = in.Data
		if s.ecm() {
			return s.sendBlock(s.firstBurst())
		}
		return s.sendPage()
	}
	return Order{Kind: Code}
}
