package softmodem

import (
	"strings"
	"time"

	"github.com/faxmesh/faxmesh/modem/at"
)

// Phase A as the called station makes it (T.30 4.2).
const (
	beforeCED = 200 * time.Millisecond
	lengthCED = 3 * time.Second
	afterCED  = 75 * time.Millisecond
	maxDigits = 40
)

// dial goes off hook and calls the number in a dial string.
func (m *Modem) dial(arg string, now time.Duration) bool {
	number := digits(arg)
	if m.host.class != 1 || m.call.offHook || len(number) > maxDigits {
		return false
	}
	if m.call.ringing {
		m.task = over(at.Ring)
		return true
	}
	m.call.offHook = true
	m.call.ear.quiet = now
	m.task = &dialing{limit: now + time.Duration(m.host.s[s7Carrier])*time.Second}
	m.line.Dial(number)
	return true
}

// digits takes what is dialled out of a dial string; tone, pulse, pauses and
// separators make no difference here.
func digits(arg string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '*' || r == '#' || r == '+' {
			return r
		}
		return -1
	}, arg)
}

// dialing is the time from ATD to the answer; +FRH=3 is implied behind it.
type dialing struct {
	limit     time.Duration
	connected bool
}

func (d *dialing) step(m *Modem, now time.Duration) time.Duration {
	switch {
	case d.connected:
		m.task, m.again = &hearFrame{since: now, limit: d.limit}, true
		return never
	case now >= d.limit:
		m.hangUp()
		m.finish(at.NoAnswer, now)
		return never
	}
	return d.limit
}

// octets: any character gives the call up (V.250 5.6.1).
func (d *dialing) octets(m *Modem, now time.Duration, p []byte) int {
	if aborts(p[0]) {
		m.hangUp()
		m.finish(at.NoCarrier, now)
	}
	return 1
}

func (d *dialing) released(m *Modem, now time.Duration) { m.finish(at.NoCarrier, now) }

// failed ends the call that the exchange could not set up. An ISDN adapter says
// the cause of a number that does not exist (Q.850 cause 1) in a line before NO
// CARRIER; so does this modem.
func (d *dialing) failed(m *Modem, why EventKind) {
	m.hangUp()
	switch why {
	case NoTone:
		m.finish(at.NoDialtone, 0)
	case Engaged:
		m.finish(at.Busy, 0)
	case Unanswered:
		m.finish(at.NoAnswer, 0)
	default:
		m.tell("CAUSE: E0001")
		m.finish(at.NoCarrier, 0)
	}
}

// ring tells the host of one ring, and who calls behind the first one.
func (m *Modem) ring(ev Event, now time.Duration) {
	c := &m.call
	d, glare := m.task.(*dialing)
	glare = glare && !d.connected
	if (c.offHook || m.task != nil) && !glare {
		return
	}
	c.offHook, c.ringing = false, true
	c.rings++
	if glare { // the call came in while the host dialled
		m.finish(at.Ring, now)
		return
	}
	m.say(at.Ring)
	if c.rings == 1 {
		if ev.Caller != "" {
			m.tell("NMBR=" + ev.Caller)
		}
		m.tell("NDID=" + ev.Called)
	}
	if n := m.host.s[s0Rings]; n > 0 && c.rings >= n {
		m.answer(now)
		m.again = true
	}
}

// answer takes the call that rings.
func (m *Modem) answer(now time.Duration) bool {
	if m.host.class != 1 || m.call.offHook {
		return false
	}
	if !m.line.Answer() {
		m.task = over(at.NoCarrier)
		return true
	}
	m.call.offHook = true
	m.call.ear.quiet = now
	m.task = &answering{until: now + beforeCED + lengthCED + afterCED}
	return true
}

// over is a command whose result is known at once: a dialling that met a call
// coming in, an answer to a caller who has hung up.
type over at.Code

func (o over) step(m *Modem, now time.Duration) time.Duration {
	m.finish(at.Code(o), now)
	return never
}
func (over) octets(*Modem, time.Duration, []byte) int { return 0 }
func (o over) released(m *Modem, now time.Duration)   { m.finish(at.Code(o), now) }

// answering is the time of the called station's tone; +FTH=3 is implied behind
// it.
type answering struct{ until time.Duration }

func (a *answering) step(m *Modem, now time.Duration) time.Duration {
	if now < a.until {
		return a.until
	}
	m.sendFrames(now)
	m.again = true
	return never
}

func (a *answering) octets(m *Modem, now time.Duration, p []byte) int {
	if aborts(p[0]) {
		m.hangUp()
		m.finish(at.NoCarrier, now)
	}
	return 1
}

func (a *answering) released(m *Modem, now time.Duration) { m.finish(at.NoCarrier, now) }

// aborts reports whether a character from the host ends what the modem waits
// for. The LF of a CR LF and flow control do not.
func aborts(b byte) bool { return b != at.LF && b != at.XON && b != at.XOFF }
