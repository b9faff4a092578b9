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
	expected int  // frames it has: as announced by PPS, or as far as they came
	fresh    bool // a burst has come since the last PPS
	asked    bool // PPR has asked for some of them
	long     bool // the next one comes with long training
}

// takeBurst keeps the frames that are not there yet. Their order means nothing,
// the last one of a page may be short.
func (r *receiver) takeBurst(heard line.Heard) {
	r.burst.fresh = true
	r.in.plain, r.in.ended = nil, r.now
	if len(heard.Frames) == 0 && len(heard.Data) <= line.MaxPage {
		r.in.plain = bytes.Clone(heard.Data)
	}
	for _, f := range heard.Frames {
		fif := hdlc.FIF(f)
		if fcfOf(f) != FCD || len(fif) < 2 || len(fif)-1 > maxFrameData {
			continue
		}
		n := int(fif[0])
		r.burst.expected = max(r.burst.expected, n+1)
		if r.burst.frames[n] == nil {
			r.burst.frames[n] = bytes.Clone(fif[1:])
			r.vain.commands = 0
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
	if a := r.storing.answer; a != nil { // RNR was lost
		return r.store(*a)
	}
	to := plain(p.then)
	b := &r.burst
	last := r.reply.confirmed()
	again := last.frames > 0 && last.block.page == p.page && last.block.block == p.block
	if again && last.to == to && b.repeats(&last, r.in.missed) {
		*b, r.reply = burst{}, last
		return r.replyAgain()
	}
	if again && !b.fresh && b.expected == 0 && (p.frames == 1 || p.frames == line.MaxBlock) {
		b.expected = last.frames // one has gone by, and the count may be that of nothing
	}
	// Senders count the frames of the block or of the burst: the largest is the
	// size of the block. Behind no burst the count means nothing.
	if b.fresh && !b.asked {
		b.drop(p.frames)
	}
	if b.fresh || b.expected == 0 {
		b.expected = max(b.expected, p.frames)
	}
	b.fresh, b.long = false, false
	a := reply{fcf: MCF, to: to, block: p, again: again}
	if missing, none := b.missing(); !none {
		a.fcf, a.fif = PPR, missing[:]
		// The page is not judged yet, so its command has not been answered.
		a.to, a.before, b.asked = NULL, &last, true
		return r.answer(a)
	}
	if r.in.gap && r.in.block == p.block { // the abandoned block has come after all
		r.in.data, r.in.gap = r.in.data[:r.in.mark], false
	}
	a.octets, a.frames = b.octets(), b.expected
	if r.tooLong(len(a.octets)) {
		return r.fail(status.Fruitless, nil)
	}
	r.in.data = append(r.in.data, a.octets...)
	*b = burst{}
	if to == NULL {
		return r.answer(a)
	}
	r.spoilt = r.spoilt || r.in.gap
	return r.judge(func(q Quality) Order {
		r.trans.decide(r.now, "page %d: %d rows, %d bad", r.page, q.Rows, q.BadRows)
		if q.Rows <= 0 {
			return r.fail(status.NotStored, nil)
		}
		return r.store(a)
	})
}

// confirmed is the last MCF to a PPS; without frames if there is none.
func (a *reply) confirmed() reply {
	switch {
	case a.fcf == MCF:
		return *a
	case a.before != nil:
		return *a.before
	}
	return reply{}
}

// repeats reports whether what has come behind a confirmed partial page is nothing,
// or that one again. If an image was missed, it is not known.
func (b *burst) repeats(last *reply, missed bool) bool {
	if b.expected == 0 {
		return !b.fresh && !missed
	}
	return bytes.Equal(b.octets(), last.octets)
}

// strays: so many frames of a block must be below the count of its first PPS for
// one above to count as none of it.
const strays = 8

// drop forgets frames that are not of the block, whose PPS counts n: few, and with
// a gap before them, for there are senders that count wrongly. No PPR would get
// what fills the gap.
func (b *burst) drop(n int) {
	above := n
	for above < line.MaxBlock && b.frames[above] == nil {
		above++
	}
	below, beyond := 0, 0
	for i, f := range b.frames {
		switch {
		case f == nil:
		case i < n:
			below++
		default:
			beyond++
		}
	}
	if above == n || beyond*strays > below {
		return
	}
	clear(b.frames[n:])
	b.expected = n
}

// octets are the frames that have come, one after the other.
func (b *burst) octets() []byte { return bytes.Join(b.frames[:b.expected], nil) }

// missing is the map of frames that have not been received; those behind the
// last one of the block count as such (T.30 Annex A.4.4).
func (b *burst) missing() (m frameMap, none bool) {
	none = true
	for i, f := range b.frames {
		if f == nil {
			m.set(i)
			none = none && i >= b.expected
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
	return r.respond(r.command(CTR), r.awaitImage)
}

// endOfRetransmission lets the sender go on without the rest of a partial page.
// If that ends the page, it is neither stored nor counted; if other partial
// pages follow, it is kept as far as it came, unless the sender begins the
// abandoned one anew.
func (r *receiver) endOfRetransmission(frame []byte) Order {
	fif := hdlc.FIF(frame)
	if !r.ecm() || len(fif) == 0 {
		return r.ignore(EOR)
	}
	to := plain(FCF(fif[0] &^ xBit))
	if to == NULL {
		r.trans.decide(r.now, "page %d has a gap", r.page)
		in := incoming{data: r.in.data, gap: true, block: r.reply.block.block, mark: len(r.in.data)}
		if rest := r.burst.octets(); !r.tooLong(len(rest)) {
			in.data = append(in.data, rest...)
		}
		r.in = in
	} else {
		r.trans.decide(r.now, "page %d is abandoned", r.page)
		r.spoilt = true
		r.in = incoming{}
	}
	r.burst = burst{long: true}
	return r.answer(reply{fcf: ERR, to: to})
}
