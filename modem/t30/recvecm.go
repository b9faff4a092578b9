package t30

import (
	"bytes"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/status"
)

// maxFrameData is the longest FIF of an FCD without its frame number.
const maxFrameData = 256

// burst is the partial page under way: frames by number, as far as they have
// come (T.30 Annex A).
type burst struct {
	frames   [line.MaxBlock][]byte
	expected int  // the highest count a PPS has announced
	fresh    bool // a burst has come since the last PPS
	long     bool // the next one comes with long training
}

// takeBurst keeps the frames that are not there yet. Their order means nothing,
// the last one of a page may be short.
func (r *receiver) takeBurst(frames [][]byte) {
	r.burst.fresh = true
	for _, f := range frames {
		fif := hdlc.FIF(f)
		if fcfOf(f) != FCD || len(fif) < 2 || len(fif)-1 > maxFrameData {
			continue
		}
		if n := fif[0]; r.burst.frames[n] == nil {
			r.burst.frames[n] = bytes.Clone(fif[1:])
			r.idle = 0
		}
	}
}

// postPartial answers PPS: PPR while frames are missing, MCF when the partial
// page is complete and, at the end of a page, stored.
func (r *receiver) postPartial(frame []byte) Order {
	p, ok := parsePPS(hdlc.FIF(frame))
	if !r.ecm() || !ok {
		return r.ignore(PPS)
	}
	to := plain(p.then)
	last := r.reply.block
	if r.reply.fcf == MCF && !r.burst.fresh && last.page == p.page && last.block == p.block && r.reply.to == to {
		return r.replyAgain()
	}
	b := &r.burst
	// Senders count the frames of the block or of the burst: the largest is the
	// size of the block. Behind no burst the count means nothing.
	if b.fresh || b.expected == 0 {
		b.expected = max(b.expected, p.frames)
	}
	b.fresh, b.long = false, false
	a := reply{fcf: MCF, to: to, block: p}
	if missing, none := b.missing(); !none {
		a.fcf, a.fif = PPR, missing[:]
		// The page is not judged yet, so its command has not been answered.
		a.to = NULL
		return r.answer(a)
	}
	for _, f := range b.frames[:b.expected] {
		if r.tooLong(len(f)) {
			return r.fail(status.Fruitless, nil)
		}
		r.in.data = append(r.in.data, f...)
	}
	*b = burst{}
	if to == NULL {
		return r.answer(a)
	}
	return r.judge(func(q Quality) Order {
		r.trans.decide(r.now, "page %d: %d rows, %d bad", r.page, q.Rows, q.BadRows)
		if q.Rows <= 0 {
			return r.fail(status.NotStored, nil)
		}
		return r.store(a)
	})
}

func (b *burst) missing() (m frameMap, none bool) {
	none = true
	for i := range b.expected {
		if b.frames[i] == nil {
			m.set(i)
			none = false
		}
	}
	return m, none
}

// plain takes the operator's request off a command that ends a page.
func plain(then FCF) FCF {
	switch then {
	case PIS:
		return MPS
	case PIM:
		return EOM
	case PRE:
		return EOP
	}
	return then
}

// continueToCorrect takes the rate of a CTC.
func (r *receiver) continueToCorrect(frame []byte) Order {
	asked := dis.ParseDCS(hdlc.FIF(frame))
	rate, ok := asked.LineRate()
	if !r.ecm() || !ok || len(hdlc.FIF(frame)) < 2 {
		return r.ignore(CTC)
	}
	next := r.session
	next.SetRate(rate)
	if err := next.Check(r.cfg.Own); err != nil {
		return r.fail(status.RecvBadFormat, err)
	}
	r.agreed(next)
	r.burst.long = true
	return r.say(func(Event) Order { return r.awaitImage() }, r.command(CTR))
}

// endOfRetransmission lets the sender go on without the rest of a partial page.
// The page is incomplete, so it is neither stored nor counted.
func (r *receiver) endOfRetransmission(frame []byte) Order {
	fif := hdlc.FIF(frame)
	if !r.ecm() || len(fif) == 0 {
		return r.ignore(EOR)
	}
	to := plain(FCF(fif[0] &^ xBit))
	r.trans.decide(r.now, "page %d is abandoned", r.page)
	r.spoilt = true
	r.burst, r.in = burst{long: true}, incoming{}
	if to == NULL { // the rest of the page would be of no use
		return r.fail(status.PageAbandoned, nil)
	}
	return r.answer(reply{fcf: ERR, to: to})
}
