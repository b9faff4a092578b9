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
	bad := func([]byte) Order { return s.rejected(true) }
	return map[FCF]func([]byte) Order{
		MCF: good,
		PIP: good, // an operator is wanted; there is none here
		RTP: func([]byte) Order { return s.confirmed(true) },
		RTN: bad,
		PIN: bad,
		// The remote station has started over; it has confirmed nothing.
		DIS: func([]byte) Order { return s.rejected(false) },
	}
}

// confirmed has the page written down before anything else is said.
func (s *sender) confirmed(retrain bool) Order {
	s.report.Pages++
	s.repeats = 0
	s.done = s.then == EOP
	s.next = func(Event) Order { return s.afterPage(retrain) }
	return Order{Kind: Confirm}
}

func (s *sender) afterPage(retrain bool) Order {
	if s.then == EOP {
		s.ending = true
		return s.say(func(Event) Order { return s.end(status.OK, nil) }, s.command(DCN))
	}
	s.page++
	s.format = s.coming
	switch {
	case s.then == EOM:
		return s.awaitDIS(s.now+reDISWait, maxHeard, func() Order { return s.fail(status.NoResponse, nil) })
	case retrain:
		return s.train()
	}
	return s.prepare()
}

// rejected sends the page again. T.30 lets a sender go on with the next page
// after RTN; but what was not confirmed does not count as sent.
func (s *sender) rejected(slower bool) Order {
	if s.repeats++; s.repeats > maxRepeats {
		return s.fail(status.PageRejected, nil)
	}
	if r, ok := s.slower(s.trying); slower && ok {
		s.trying = r
	}
	s.trans.decide(s.now, "send page %d again at %v", s.page, s.trying)
	return s.train()
}
