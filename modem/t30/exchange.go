package t30

import (
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/status"
)

// exchange is a command of the sender with the responses it may have.
type exchange struct {
	say     []line.Signal
	answers map[FCF]func(frame []byte) Order
	silent  status.Code // how the call ends if none of them comes
	tries   int
	odd     bool // the last try was answered, but with something out of place
}

// ask says the command and waits T4 for the response, up to three times
// (T.30 5.4.2), whatever asked for the repetition.
func (s *sender) ask(x *exchange) Order {
	if x.silent == status.OK {
		x.silent = status.NoResponse
	}
	if x.tries++; x.tries > maxTries {
		if x.odd {
			return s.fail(status.BadResponse, nil)
		}
		return s.fail(x.silent, nil)
	}
	return s.say(func(Event) Order {
		return s.hear(line.Listen{Timeout: T4}, func(m message) Order { return s.answered(x, m) })
	}, x.say...)
}

func (s *sender) answered(x *exchange, m message) Order {
	if m.kind != command {
		x.odd = false
		return s.ask(x)
	}
	if answer := x.answers[m.fcf]; answer != nil {
		return answer(m.frame)
	}
	switch {
	case m.fcf == DCN:
		return s.end(status.Disconnected, nil)
	case m.fcf == CRP:
		x.odd = false
	case !m.fcf.known(): // no response of T.30's: the flow charts disconnect
		s.strange(m.fcf)
		return s.fail(status.BadResponse, nil)
	default:
		x.odd = true
		s.report.Unexpected++
		s.trans.decide(s.now, "%v does not answer this command", m.fcf)
	}
	return s.ask(x)
}
