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
	Station     string           // CSI, at most 20 characters; empty: not sent
	NonStandard []byte           // FIF of NSF; empty: not sent
	Own         dis.Capabilities // the DIS to say
	Offers      []Offer          // what may be fetched here
	Linger      time.Duration    // stay on the line so long behind a DCN said; 0: as long as the line holds sound back
}

// receiver is the station without the document in T.30 figures 5-2: the called
// one, or one that polls. Whatever it waits for, a command may come instead; all
// commands go through obey.
type receiver struct {
	*Engine
	cfg      ReceiverConfig
	poll     *Poll // what this station asks for; nil: it was called
	asked    polling
	phase    identifying
	repeat   func() Order // says the last response again
	wait     func() Order // what was waited for when a command came
	vain     vain
	finished bool // nothing is missing if the line goes now
	spoilt   bool // the sender has abandoned a page
	in       incoming
	burst    burst
	storing  storing
	reply    reply
}

// vain is what has led nowhere.
type vain struct {
	commands int // since anything was gained
	pages    int // that did not come, in succession
}

// incoming is the page under way.
type incoming struct {
	data   []byte
	heard  bool          // there is an image that no command has asked about
	missed bool          // there was an image that could not be received
	plain  []byte        // with ECM: what came in place of frames; nil: nothing
	ended  time.Duration // when the image was over

	gap   bool // a partial page was abandoned (EOR)
	block byte // its number
	mark  int  // where it begins in data
}

// reply is the last response to a post-message command.
type reply struct {
	fcf FCF           // NULL: none
	to  FCF           // the command
	at  time.Duration // when it had been said
	fif []byte

	asked time.Duration // when the command was over

	// With ECM:
	block  pps    // the PPS
	octets []byte // the partial page it confirms
	frames int    // how many it has
	before *reply // the last MCF to a PPS before this response
	again  bool   // the PPS was numbered like the one before, but of other content
}

// NewReceiver returns an engine that receives pages.
func NewReceiver(cfg ReceiverConfig) *Engine {
	r := &receiver{Engine: &Engine{grace: T2, linger: cfg.Linger}, cfg: cfg}
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

func (r *receiver) optional(f FCF, fif []byte) bool {
	switch f {
	case TSI, CSI, CIG:
		r.report.Remote = parseStation(fif)
	case SUB:
		r.report.Subaddress = parseStation(fif)
	case SID:
		r.report.SenderID = parseStation(fif)
	case PWD, SEP, PSA:
		r.asked.keep(f, fif)
	case NSS, NSF, NSC, CSA: // of no interest; they are in the transcript
	default:
		return false
	}
	return true
}

// identifying is how a phase B has gone so far.
type identifying struct {
	until  time.Duration // T1
	said   int           // identifications
	silent int           // of them, those that nothing followed
}

// phaseB identifies this station until a command comes.
func (r *receiver) phaseB() Order { return r.backToB(r.identify) }

// backToB starts T1 anew.
func (r *receiver) backToB(then func() Order) Order {
	r.phase = identifying{until: r.now + T1}
	return then()
}

// identify says DIS, or DTC to fetch a document.
func (r *receiver) identify() Order {
	p := &r.phase
	if p.said++; r.now >= p.until || p.said > maxDIS || p.silent >= maxTries {
		return r.fail(status.NoCommand, nil)
	}
	r.repeat = r.identify
	return r.say(func(Event) Order { return r.awaitDCS(r.patience()) }, r.own())
}

// patience is how long to wait for the answer to an identification: T4, but all
// of T1 that is left after the last one.
func (r *receiver) patience() time.Duration {
	if r.phase.silent+1 < maxTries {
		return T4
	}
	return max(r.phase.until-r.now, T4)
}

// own is the identification of this station.
func (r *receiver) own() line.Signal {
	c := r.cfg.Own
	if r.poll != nil {
		return r.identification(r.frame(true, DTC, c.Append(nil)...),
			option{fcf: NSC, octets: r.cfg.NonStandard}, option{fcf: CIG, text: r.cfg.Station},
			option{fcf: PWD, text: r.poll.Password}, option{fcf: SEP, text: r.poll.Selection},
			option{fcf: PSA, text: r.poll.Subaddress})
	}
	return r.identification(r.frame(true, DIS, announce(c, r.cfg.Offers).Append(nil)...),
		option{fcf: NSF, octets: r.cfg.NonStandard}, option{fcf: CSI, text: r.cfg.Station})
}

// awaitDCS waits for a command, then identifies again.
func (r *receiver) awaitDCS(timeout time.Duration) Order {
	r.wait = func() Order { return r.awaitDCS(timeout) }
	return r.hear(line.Listen{Timeout: timeout}, func(m message) Order {
		if m.kind == command {
			return r.obey(m)
		}
		if !m.disturbed && r.phase.said > 0 {
			r.phase.silent++
		}
		return r.identify()
	})
}

// obey carries out a command wherever it comes.
func (r *receiver) obey(m message) Order {
	if r.vain.commands++; r.vain.commands > maxFruitless {
		return r.fail(status.Fruitless, nil)
	}
	switch m.fcf {
	case DCS:
		return r.setUp(m.frame)
	case DTC, DIS:
		if r.poll != nil {
			return r.identify()
		}
		return r.polled(m.fcf, hdlc.FIF(m.frame))
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
		if a := r.storing.answer; a != nil {
			return r.store(*a)
		}
		if r.reply.fcf == NULL {
			return r.ignore(RR)
		}
		return r.replyAgain()
	case CRP:
		return r.repeat()
	case DCN:
		return r.disconnected()
	}
	return r.ignore(m.fcf)
}

// respond says a response, again if CRP asks for it.
func (r *receiver) respond(s line.Signal, then func() Order) Order {
	r.repeat = func() Order { return r.respond(s, then) }
	return r.say(func(Event) Order { return then() }, s)
}

// ignore goes on waiting for what was waited for.
func (r *receiver) ignore(f FCF) Order {
	r.strange(f)
	return r.wait()
}

func (r *receiver) disconnected() Order {
	if code := r.released(); code != status.LineDropped {
		return r.end(code, nil)
	}
	if r.poll != nil && r.phase.silent == 0 && r.session == (dis.Session{}) {
		return r.end(status.PollRefused, nil)
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
	r.in, r.burst, r.storing, r.reply = incoming{}, burst{}, storing{}, reply{}
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
			return r.respond(r.command(CFR), r.awaitImage)
		}
		return r.respond(r.command(FTT), func() Order {
			return r.backToB(func() Order { return r.awaitDCS(T2) })
		})
	})
}

// awaitImage waits for a page, or for the partial page of one (phase C).
func (r *receiver) awaitImage() Order { return r.awaitImageFor(T2) }

func (r *receiver) awaitImageFor(timeout time.Duration) Order {
	r.wait = func() Order { return r.awaitImageFor(timeout) }
	rate, until := r.rate(), r.now+timeout
	l := line.Listen{Rate: rate, Short: rate.V17() && !r.burst.long, Want: line.Page, Timeout: timeout, Carrier: true}
	if r.ecm() {
		l.Want = line.Block
	}
	return r.hear(l, func(m message) Order {
		switch {
		case m.kind == command:
			return r.obey(m)
		case m.kind == silence:
			return r.fail(status.NoCommand, nil)
		case m.kind == noise && r.now >= until:
			return r.imageUnderWay(rate)
		case m.kind == image && r.ecm():
			r.takeBurst(m.heard)
		case m.kind == image && len(m.heard.Data) > 0 && len(m.heard.Data) <= line.MaxPage:
			r.in.data, r.in.heard, r.in.ended = slices.Clone(m.heard.Data), true, r.now
		default:
			return r.imageMissed(rate)
		}
		return r.awaitPostMessage(T2)
	})
}

// imageMissed goes on after an image that could not be received: some senders drop
// their carrier and begin anew. If not, it may last as long as an image does.
func (r *receiver) imageMissed(rate line.Rate) Order {
	if r.in.missed {
		return r.awaitPostMessage(imageTime(rate))
	}
	r.in.missed = true
	return r.awaitImageFor(T2)
}

// imageUnderWay goes on where T2 has run out and the line is not silent: the
// training of an image was missed, the rest of it cannot be received any more.
// The command behind it can.
func (r *receiver) imageUnderWay(rate line.Rate) Order {
	r.trans.decide(r.now, "an image is on the line whose training was missed")
	r.in.missed = true
	return r.awaitPostMessage(imageTime(rate))
}

// imageTime is how far off the command behind an image may be that cannot be
// received: as far as an image lasts, and T2.
func imageTime(rate line.Rate) time.Duration {
	return T2 + longestImage*time.Second/time.Duration(rate.BitsPerSecond())
}

// awaitPostMessage waits for the command behind an image (phase D). As long as
// there is a carrier on the line the image may not be over yet.
func (r *receiver) awaitPostMessage(timeout time.Duration) Order {
	r.wait = func() Order { return r.awaitPostMessage(timeout) }
	return r.hear(line.Listen{Timeout: timeout, Carrier: true}, func(m message) Order {
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
