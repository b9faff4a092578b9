package t30

import (
	"slices"
	"time"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/status"
)

// ReceiverConfig is how a receiver answers.
type ReceiverConfig struct {
	Station string           // CSI, at most 20 characters; empty: not sent
	Own     dis.Capabilities // the DIS to say
}

// receiver is the called station of T.30 figures 5-2. Whatever it waits for, a
// command may come instead; all commands go through obey.
type receiver struct {
	*Engine
	cfg      ReceiverConfig
	t1       time.Duration // when the search for a DCS ends
	said     int           // DIS said in this phase B
	wait     func() Order  // what was waited for when a command came
	idle     int           // commands since anything was gained
	finished bool          // nothing is missing if the line goes now
	spoilt   bool          // the sender has abandoned a page
	in       incoming
	burst    burst
	reply    reply
}

// incoming is the page under way.
type incoming struct {
	data   []byte
	heard  bool // there is an image that no command has asked about
	missed bool // there was an image that could not be received
}

// reply is the last response to a post-message command.
type reply struct {
	fcf   FCF // NULL: none
	to    FCF // the command
	block pps // with ECM, the PPS
	at    time.Duration
	fif   []byte
}

// NewReceiver returns an engine that receives pages.
func NewReceiver(cfg ReceiverConfig) *Engine {
	r := &receiver{Engine: &Engine{grace: T2}, cfg: cfg}
	r.role, r.next = r, func(Event) Order { return r.phaseB() }
	return r.Engine
}

func (r *receiver) released() status.Code {
	switch {
	case r.finished && r.spoilt:
		return status.PageAbandoned
	case r.finished:
		return status.OK
	}
	return status.LineDropped
}

func (r *receiver) broken(OrderKind) status.Code { return status.NotStored }

func (r *receiver) optional(frame []byte) {
	if fcfOf(frame) == TSI {
		r.report.Remote = parseStation(hdlc.FIF(frame))
	}
}

// phaseB identifies this station until a DCS comes or T1 runs out.
func (r *receiver) phaseB() Order {
	r.t1, r.said = r.now+T1, 0
	return r.identify()
}

func (r *receiver) identify() Order {
	if r.said++; r.now >= r.t1 || r.said > maxDIS {
		return r.fail(status.NoCommand, nil)
	}
	fs := [][]byte{r.frame(true, DIS, r.cfg.Own.Append(nil)...)}
	if r.cfg.Station != "" {
		fs = slices.Insert(fs, 0, r.frame(false, CSI, appendStation(nil, r.cfg.Station)...))
	}
	return r.say(func(Event) Order { return r.awaitDCS(T4) }, frames(fs...))
}

// awaitDCS waits for a command, then identifies again.
func (r *receiver) awaitDCS(timeout time.Duration) Order {
	r.wait = func() Order { return r.awaitDCS(timeout) }
	return r.hear(line.Listen{Timeout: timeout}, func(m message) Order {
		if m.kind == command {
			return r.obey(m)
		}
		return r.identify()
	})
}

// obey carries out a command wherever it comes.
func (r *receiver) obey(m message) Order {
	if r.idle++; r.idle > maxFruitless {
		return r.fail(status.Fruitless, nil)
	}
	switch m.fcf {
	case DCS:
		return r.setUp(m.frame)
	case MPS, EOM, EOP:
		return r.postMessage(m.fcf)
	case PIS:
		return r.postMessage(MPS)
	case PIM:
		return r.postMessage(EOM)
	case PRE:
		return r.postMessage(EOP)
	case PPS:
		return r.postPartial(m.frame)
	case CTC:
		return r.continueToCorrect(m.frame)
	case EOR:
		return r.endOfRetransmission(m.frame)
	case RR:
		return r.replyAgain()
	case CRP:
		if r.reply.fcf == NULL {
			return r.identify()
		}
		return r.replyAgain()
	case DCN:
		return r.disconnected()
	}
	return r.ignore(m.fcf)
}

// ignore goes on waiting for what was waited for.
func (r *receiver) ignore(f FCF) Order {
	r.trans.decide(r.now, "%v is out of place", f)
	return r.wait()
}

func (r *receiver) disconnected() Order {
	if code := r.released(); code != status.LineDropped {
		return r.end(code, nil)
	}
	return r.end(status.SenderLeft, nil)
}

// setUp takes a DCS, at any time: what was under way starts over.
func (r *receiver) setUp(frame []byte) Order {
	if len(hdlc.FIF(frame)) < 2 {
		return r.ignore(DCS)
	}
	session := dis.ParseDCS(hdlc.FIF(frame))
	if err := session.Check(r.cfg.Own); err != nil {
		return r.refuse(err)
	}
	r.agreed(session)
	r.in, r.burst, r.reply = incoming{}, burst{}, reply{}
	r.finished = false
	return r.awaitTCF()
}

// refuse lets the training check behind a DCS pass, then says DCN.
func (r *receiver) refuse(why error) Order {
	return r.hear(line.Listen{Timeout: T4}, func(m message) Order {
		if m.fcf == DCN {
			return r.end(status.RecvBadFormat, why)
		}
		return r.fail(status.RecvBadFormat, why)
	})
}

// awaitTCF answers the training check. A DCS without one is answered FTT.
func (r *receiver) awaitTCF() Order {
	r.wait = r.awaitTCF
	l := line.Listen{Rate: r.rate(), Want: line.Training, Timeout: tcfTimeout}
	return r.hear(l, func(m message) Order {
		if m.kind == command {
			return r.obey(m)
		}
		if m.kind == image && goodTraining(m.heard.Data, r.rate(), r.ecm()) {
			return r.say(func(Event) Order { return r.awaitImage() }, r.command(CFR))
		}
		return r.say(func(Event) Order {
			r.t1, r.said = r.now+T1, 0
			return r.awaitDCS(T2)
		}, r.command(FTT))
	})
}

// awaitImage waits for a page, or for the partial page of one (phase C).
func (r *receiver) awaitImage() Order {
	r.wait = r.awaitImage
	rate := r.rate()
	l := line.Listen{Rate: rate, Short: rate.V17() && !r.burst.long, Want: line.Page, Timeout: T2}
	if r.ecm() {
		l.Want = line.Block
	}
	return r.hear(l, func(m message) Order {
		switch {
		case m.kind == command:
			return r.obey(m)
		case m.kind == silence:
			return r.fail(status.NoCommand, nil)
		case m.kind == image && r.ecm():
			r.takeBurst(m.heard.Frames)
		case m.kind == image && len(m.heard.Data) > 0 && len(m.heard.Data) <= line.MaxPage:
			r.in.data, r.in.heard = slices.Clone(m.heard.Data), true
		default:
			r.in.missed = true
		}
		return r.awaitPostMessage()
	})
}

// awaitPostMessage waits for the command behind an image (phase D).
func (r *receiver) awaitPostMessage() Order {
	r.wait = r.awaitPostMessage
	return r.hear(line.Listen{Timeout: T2}, func(m message) Order {
		if m.kind == command {
			return r.obey(m)
		}
		return r.fail(status.NoCommand, nil)
	})
}

// awaitDCN waits for the end; that it does not come is no fault.
func (r *receiver) awaitDCN() Order {
	r.wait = r.awaitDCN
	return r.hear(line.Listen{Timeout: T2}, func(m message) Order {
		if m.kind == command {
			return r.obey(m)
		}
		return r.end(r.released(), nil)
	})
}
