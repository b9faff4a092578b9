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
	Station     string           // TSI, at most 20 characters; empty: not sent
	Subaddress  string           // SUB; empty: not sent
	SenderID    string           // SID; empty: not sent
	NonStandard []byte           // FIF of NSC, which goes with DTC; empty: not sent
	Own         dis.Capabilities // what may be used; Rate limits the modulations
	MaxRate     line.Rate        // highest rate; V21: no limit
	First       int              // index of the first page
	Pages       int              // pages of the document; 0 with Poll
	Poll        *Poll            // what to fetch behind them; nil: nothing
	GiveUp      bool             // a page that was rejected is not sent again in this call
	Linger      time.Duration    // stay on the line so long behind a DCN said; 0: as long as the line holds sound back
}

// sender is the station with the document in T.30 figures 5-2: the calling one,
// or one that is polled.
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

	polledBy bool // the remote station has called to fetch the document
}

// NewSender returns an engine that sends pages First to Pages-1 of a document.
func NewSender(cfg SenderConfig) *Engine {
	s := &sender{Engine: &Engine{page: cfg.First, linger: cfg.Linger}, cfg: cfg}
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

func (s *sender) optional(f FCF, fif []byte) bool {
	switch f {
	case CSI, CIG:
		s.report.Remote = parseStation(fif)
	case NSF, NSC, CSA, PWD, SEP, PSA: // of no interest; they are in the transcript
	default:
		return false
	}
	return true
}

func (s *sender) start(in Event) Order {
	none := s.cfg.Pages == 0 && s.cfg.Poll != nil
	if !none && (s.cfg.First < 0 || s.cfg.First >= s.cfg.Pages) {
		return s.end(status.BadDocument, nil)
	}
	if none {
		s.then = EOM // there is nothing before what is fetched
	}
	w := &search{until: in.Now + T1, silent: func() Order { return s.end(status.NoIdentification, nil) }}
	return s.awaitDIS(w)
}

// search is a wait for the identification of the remote station.
type search struct {
	until   time.Duration
	heard   int // what was something else
	strange int // of it, unknown frames
	silent  func() Order
}

// awaitDIS waits for the identification of the remote station (phase B). One
// unknown frame is let pass, for some stations begin with one; the next shows
// that this is no fax machine to talk to.
func (s *sender) awaitDIS(w *search) Order {
	if s.now >= w.until || w.heard >= maxHeard {
		return w.silent()
	}
	return s.hear(line.Listen{Timeout: w.until - s.now}, func(m message) Order {
		switch {
		case m.kind != command && !m.disturbed:
			return w.silent()
		case m.kind != command: // clicks on the line are no reason to give up
			w.heard++
			return s.awaitDIS(w)
		case m.fcf == DIS:
			s.x = xBit
			return s.identified(hdlc.FIF(m.frame))
		case m.fcf == DTC && s.polledBy:
			return s.identified(hdlc.FIF(m.frame))
		case m.fcf == DCN:
			return s.end(status.Disconnected, nil)
		}
		w.heard++
		s.strange(m.fcf)
		if !m.fcf.known() {
			if w.strange++; w.strange >= maxStrange {
				return s.fail(status.NoIdentification, nil)
			}
		}
		return s.awaitDIS(w)
	})
}

// awaitDISAgain waits for the identification that follows EOM.
func (s *sender) awaitDISAgain() Order {
	return s.awaitDIS(&search{until: s.now + T1, silent: func() Order { return s.fail(status.NoResponse, nil) }})
}

// identified looks whether the remote station can be sent to at all.
func (s *sender) identified(fif []byte) Order {
	s.remote = dis.Parse(fif)
	s.report.Seen.Can = s.remote
	if s.page >= s.cfg.Pages {
		return s.poll()
	}
	if s.remote[dis.Receive] == 0 && !s.polledBy {
		return s.fail(status.CannotReceive, nil)
	}
	if s.trying = s.supported(s.trying); s.trying == line.V21 {
		return s.fail(status.NotSupported, nil)
	}
	return s.look(s.page, func(f dis.Format, _ bool) Order {
		s.format = dis.Fit(s.remote, f)
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

func (s *sender) look(page int, then func(f dis.Format, separate bool) Order) Order {
	s.next = func(in Event) Order { return then(in.Format, in.Separate) }
	return Order{Kind: Look, Page: page}
}

// train says DCS and the training check.
func (s *sender) train() Order {
	session, err := dis.Choose(s.remote, s.cfg.Own, s.format, s.trying)
	if err != nil {
		return s.fail(status.NotSupported, err)
	}
	s.agreed(session)
	s.report.Seen.said(session, s.trying)
	optional := []option{{fcf: TSI, text: s.cfg.Station}}
	if s.remote[dis.SUB] != 0 {
		optional = append(optional, option{fcf: SUB, text: s.cfg.Subaddress})
	}
	if s.remote[dis.PWD] != 0 {
		optional = append(optional, option{fcf: SID, text: s.cfg.SenderID})
	}
	dcs := s.identification(s.frame(true, DCS, session.Append(nil)...), optional...)
	x := &exchange{say: []line.Signal{dcs, {Kind: line.Training, Rate: s.trying}}, silent: status.NoTrainResponse}
	lost := func([]byte) Order { return s.ask(x) }
	x.answers = map[FCF]func([]byte) Order{
		CFR: func([]byte) Order {
			s.report.Seen.answered(true)
			return s.prepare()
		},
		FTT: func([]byte) Order {
			s.report.Seen.answered(false)
			return s.untrained()
		},
		// Our DCS was lost. What a repeated DIS says is no news.
		DIS: lost, DTC: lost,
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
		if s.cfg.Poll != nil {
			s.then = EOM
		}
		return s.code()
	}
	return s.look(s.page+1, func(f dis.Format, separate bool) Order {
		s.coming, s.then = dis.Fit(s.remote, f), MPS
		if separate || s.coming != s.format {
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
	return Order{Kind: Code, Remote: s.remote}
}
