package t30

import (
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/status"
)

// sendPage is phase C without ECM, then the post-message command (T.30 5.3.6.1.6).
func (s *sender) sendPage() Order {
	rate := s.rate()
	page := line.Signal{Kind: line.Page, Rate: rate, Short: rate.V17(), Data: s.data}
	return s.say(func(Event) Order {
		return s.ask(&exchange{say: []line.Signal{s.command(s.then)}, answers: s.postMessageAnswers()})
	}, page)
}

// postMessageAnswers are the responses that decide about a page.
func (s *sender) postMessageAnswers() map[FCF]func([]byte) Order {
	good := func([]byte) Order { return s.confirmed(false) }
	bad := func([]byte) Order { return s.rejected() }
	return map[FCF]func([]byte) Order{
		MCF: good,
		PIP: good, // an operator is wanted; there is none here
		RTP: func([]byte) Order { return s.confirmed(true) },
		RTN: bad,
		PIN: bad,
		// The remote station has started over; it has confirmed nothing.
		DIS: func([]byte) Order { return s.again() },
	}
}

// confirmed has the page written down before anything else is said.
func (s *sender) confirmed(retrain bool) Order {
	s.report.Pages++
	s.report.Seen.Confirmed = max(s.report.Seen.Confirmed, s.rate())
	s.repeats = 0
	s.done = s.then == EOP
	s.next = func(Event) Order { return s.afterPage(retrain) }
	return Order{Kind: Confirm}
}

func (s *sender) afterPage(retrain bool) Order {
	if s.then == EOP {
		return s.disconnect(status.OK, nil)
	}
	s.page++
	s.format = s.coming
	switch {
	case s.then == EOM:
		return s.awaitDISAgain()
	case retrain:
		s.stepDown()
		return s.train()
	}
	return s.prepare()
}

// stepDown takes the next lower rate, if there is one.
func (s *sender) stepDown() {
	if r, ok := s.slower(s.trying); ok {
		s.trying = r
	}
}

// rejected takes RTN or PIN. The page goes again, at a lower rate; T.30 would
// let a sender go on with the next one, but what was not confirmed does not
// count as sent. Where the remote station expects no page any more (EOP) the
// call ends, as T.30 has it, and the page is for another one.
func (s *sender) rejected() Order {
	s.report.Seen.Rejected++
	switch {
	case s.then == EOP || s.cfg.GiveUp:
		return s.fail(status.PageRejected, nil)
	case s.then == EOM: // the remote station goes to phase B by itself
		s.trans.decide(s.now, "send page %d again behind the next DIS", s.page)
		return s.awaitDISAgain()
	}
	s.stepDown()
	return s.again()
}

// again sends the page that is under way once more.
func (s *sender) again() Order {
	if s.repeats++; s.repeats > maxRepeats {
		return s.fail(status.PageRejected, nil)
	}
	s.trans.decide(s.now, "send page %d again at %v", s.page, s.trying)
	return s.train()
}
