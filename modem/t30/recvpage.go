package t30

import (
	"time"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/status"
)

// postMessage answers MPS, EOM or EOP behind a page without ECM. A page that
// did not come is never confirmed: a command without a page before it is
// answered as before only if it repeats one whose response was lost.
func (r *receiver) postMessage(f FCF) Order {
	if r.ecm() && !r.withoutFrames() && !r.repeated(f) {
		return r.ignore(f)
	}
	switch {
	case r.in.heard && tooSlow(r.in.data, r.rate()):
		return r.fail(status.RowTooLong, nil)
	case r.in.heard:
		asked := r.now
		late := asked-r.in.ended > commandDue
		return r.judge(func(q Quality) Order {
			answer := rateCopy(q, r.session.Format().Resolution.Y, late)
			r.trans.decide(r.now, "page %d: %d rows, %d bad, at most %d in a row%s",
				r.page, q.Rows, q.BadRows, q.ConsecutiveBad, q.flaws())
			if q.Rows <= 0 { // another time it would make no more sense
				return r.fail(status.NotStored, nil)
			}
			if answer == RTN {
				return r.answer(reply{fcf: RTN, to: f})
			}
			return r.store(reply{fcf: answer, to: f, asked: asked})
		})
	case r.repeated(f):
		r.reply.asked = r.now
		return r.replyAgain()
	}
	r.trans.decide(r.now, "no page before this %v", f)
	return r.pageMissed(f)
}

// withoutFrames takes what came in place of a partial page for a page: there are
// senders that agree on ECM and forget it. In T.6 nothing would tell damage.
func (r *receiver) withoutFrames() bool {
	if r.in.plain == nil || r.session[dis.MMR] != 0 || len(r.in.data) > 0 {
		return false
	}
	r.in.data, r.in.plain, r.in.heard = r.in.plain, nil, true
	r.burst.fresh = false
	return true
}

// repeated reports whether a command behind no page is the last one again. Behind
// the responses to EOM and EOP there is no page.
func (r *receiver) repeated(f FCF) bool {
	since := r.now - r.reply.at
	switch {
	case r.reply.to != f || r.in.missed:
		return false
	case f != MPS:
		return true
	}
	return since <= repeatAtOnce || since <= repeatWindow && r.now-r.reply.asked >= repeatFrom
}

// pageMissed asks for a page that did not come: RTN. The third time in succession
// DCN ends the call, for there are senders that go on after two rejections as if
// the page had arrived.
func (r *receiver) pageMissed(f FCF) Order {
	if r.vain.pages++; r.vain.pages > maxUnseen {
		return r.fail(status.Fruitless, nil)
	}
	return r.answer(reply{fcf: RTN, to: f})
}

// judge has the page decoded.
func (r *receiver) judge(then func(Quality) Order) Order {
	r.next = func(in Event) Order { return then(in.Quality) }
	return Order{Kind: Judge, Data: r.in.data}
}

// store has the page made durable, only then says so.
func (r *receiver) store(a reply) Order {
	r.next = func(in Event) Order {
		if in.Busy {
			return r.busy(a)
		}
		r.storing = storing{}
		r.page++
		r.vain = vain{}
		return r.answer(a)
	}
	return Order{Kind: Store, Data: r.in.data}
}

// storing is a page that is not durable yet.
type storing struct {
	answer *reply // what is said once it is; nil: there is no such page
	since  time.Duration
	asked  int
}

// busy holds the sender off while a page is being stored: with ECM by RNR, else
// the response just comes late.
func (r *receiver) busy(a reply) Order {
	s := &r.storing
	if s.answer == nil {
		*s = storing{answer: &a, since: r.now}
	}
	if s.asked++; s.asked > maxRNR || r.now-s.since > T5 {
		return r.fail(status.NotStored, nil)
	}
	if !r.ecm() {
		return r.store(a)
	}
	return r.respond(r.command(RNR), func() Order { return r.awaitPostMessage(T2) })
}

// answer responds to a post-message command for the first time.
func (r *receiver) answer(a reply) Order {
	r.in.heard, r.in.missed, r.reply = false, false, a
	if a.to != NULL {
		r.in = incoming{}
	}
	r.repeat = r.replyAgain
	return r.say(func(Event) Order {
		if a.to != NULL && (a.fcf == MCF || a.fcf == RTP) {
			r.report.Pages++
		}
		return r.answered()
	}, r.command(a.fcf, a.fif...))
}

// replyAgain repeats the last response: it was lost, or asked for.
func (r *receiver) replyAgain() Order {
	return r.say(func(Event) Order { return r.answered() }, r.command(r.reply.fcf, r.reply.fif...))
}

// answered goes where the command and the response to it lead.
func (r *receiver) answered() Order {
	a := &r.reply
	a.at = r.now
	good := a.fcf == MCF || a.fcf == RTP || a.fcf == ERR
	r.finished = good && a.to == EOP && !a.again
	switch {
	case r.page >= maxPages:
		return r.fail(status.Fruitless, nil)
	case a.fcf == PPR || a.to == NULL:
		return r.awaitImage()
	case r.finished:
		return r.awaitDCN()
	case a.to == EOM && good:
		return r.backToB(func() Order { return r.awaitDCS(eomWait) })
	case a.fcf == RTP || a.fcf == RTN:
		return r.backToB(func() Order { return r.awaitDCS(T2) })
	}
	return r.awaitImage()
}

// tooLong reports whether n more octets are more than a page may have.
func (r *receiver) tooLong(n int) bool { return len(r.in.data)+n > line.MaxPage }
