package exchange

import (
	"strings"
	"time"

	"github.com/faxmesh/faxmesh/modem/softmodem"
)

const (
	ringEvery = 6 * time.Second // cadence of ringing: one on, five off
	never     = time.Duration(1<<63 - 1)
)

// Stage is a step in the life of a call.
type Stage uint8

// The stages. Every call ends with Rejected or Released.
const (
	Dialled Stage = iota + 1
	Ringing       // once, with the first ring
	Answered
	Rejected // busy, unknown, not answered
	Released
)

func (s Stage) String() string {
	return [...]string{"", "dialled", "ringing", "answered", "rejected", "released"}[s]
}

// Event is what an observer is told of a call.
type Event struct {
	Call   uint64
	Stage  Stage
	At     time.Duration // line time since the exchange was started
	From   string        // number of the calling line
	Dialed string        // digits dialled
	Line   string        // number of the line that rings, if any
	Reason string        // with Rejected and Released
}

// call is one call from the first digit to the release.
type call struct {
	id      uint64
	from    *socket
	to      *socket // nil until it rings, and at a treatment
	dialled string
	stage   Stage
	due     time.Duration // when stepLocked has something to do
	rang    time.Duration // when ringing began
	met     time.Duration // when it was answered
	delay   time.Duration // one way
	forth   wire          // from caller to called
	back    wire
}

// socket is where a modem is plugged in; it is the modem's softmodem.Line.
type socket struct {
	ex     *Exchange
	number string
	modem  *softmodem.Modem

	// Guarded by ex.mu.
	call       *call
	offHook    bool // no call reaches it, even if its own is over
	conditions *Conditions
}

// Dial begins a call. A line that rings already gets no call: its modem will
// hear the ring.
func (s *socket) Dial(number string) {
	x := s.ex
	x.mu.Lock()
	defer x.mu.Unlock()
	if s.call != nil || x.closed {
		return
	}
	s.offHook = true
	x.lastCall++
	now := x.clock.Now()
	c := &call{id: x.lastCall, from: s, dialled: number, stage: Dialled, due: now + x.cfg.DialTime}
	c.forth = newWire(x.cfg.Seed, 2*c.id)
	c.back = newWire(x.cfg.Seed, 2*c.id+1)
	x.calls[c.id], s.call = c, c
	x.tellLocked(c, Dialled, "")
	x.bell()
}

// Answer takes the call that rings on s.
func (s *socket) Answer() bool {
	x := s.ex
	x.mu.Lock()
	defer x.mu.Unlock()
	c := s.call
	if c == nil || c.to != s || c.stage != Ringing {
		return false
	}
	s.offHook = true
	x.answerLocked(c, x.clock.Now())
	return true
}

// HangUp goes on hook and ends the call on s, if there is one; a call that
// rings there goes on ringing.
func (s *socket) HangUp() {
	x := s.ex
	x.mu.Lock()
	defer x.mu.Unlock()
	was := s.offHook
	s.offHook = false
	if c := s.call; c != nil && was {
		x.endLocked(c, s, "hung up by "+s.number)
	}
}

// Send carries a signal to the other end of the call, with the delay and the
// damage of the line.
func (s *socket) Send(ev softmodem.Event) {
	x := s.ex
	x.mu.Lock()
	defer x.mu.Unlock()
	c := s.call
	if c == nil || c.stage != Answered {
		return
	}
	ear, w := c.to, &c.forth
	if s == c.to {
		ear, w = c.from, &c.back
	}
	if ear == nil {
		return
	}
	ev.At += c.delay
	ev.Begin += c.delay
	w.carry(&ev, x.conditionsLocked(c))
	ear.modem.Post(ev)
}

// unplug takes the modem away.
func (s *socket) unplug() error {
	x := s.ex
	x.mu.Lock()
	known := x.lines[s.number] == s
	if known {
		delete(x.lines, s.number)
	}
	x.mu.Unlock()
	if known {
		x.cfg.Log.Info("simulated modem unplugged", "number", s.number)
	}
	return s.modem.Close()
}

// stepLocked does what is due in a call.
func (x *Exchange) stepLocked(c *call, now time.Duration) {
	switch c.stage {
	case Dialled:
		x.routeLocked(c, now)
	case Ringing:
		if now >= c.rang+x.cfg.RingTime {
			x.rejectLocked(c, softmodem.Unanswered, "not answered")
			return
		}
		x.ringLocked(c)
		c.due = min(c.due+ringEvery, c.rang+x.cfg.RingTime)
	case Answered:
		limit := x.conditionsLocked(c).CutAfter
		if limit > 0 && now >= c.met+limit {
			x.endLocked(c, nil, "cut by the simulated exchange")
			return
		}
		c.due = now + cutCheck
	}
}

// routeLocked decides where a dialled number leads.
func (x *Exchange) routeLocked(c *call, now time.Duration) {
	switch treatment := x.reserved[c.dialled]; treatment {
	case AlwaysBusy:
		x.rejectLocked(c, softmodem.Engaged, "busy")
		return
	case NeverAnswers:
		x.beginRingingLocked(c, now)
		return
	case Voice:
		x.answerLocked(c, now)
		return
	}
	lines := x.huntLocked(c.dialled)
	if len(lines) == 0 {
		x.rejectLocked(c, softmodem.Unknown, "no such number")
		return
	}
	for _, s := range lines {
		if s.call == nil && !s.offHook {
			c.to, s.call = s, c
			x.beginRingingLocked(c, now)
			return
		}
	}
	x.rejectLocked(c, softmodem.Engaged, "busy")
}

// huntLocked lists the lines that may ring for a number: its own, else those of
// the longest prefix.
func (x *Exchange) huntLocked(number string) []*socket {
	if s := x.lines[number]; s != nil {
		return []*socket{s}
	}
	best := ""
	for prefix := range x.blocks {
		if strings.HasPrefix(number, prefix) && len(prefix) >= len(best) {
			best = prefix
		}
	}
	var lines []*socket
	for _, n := range x.blocks[best] {
		if s := x.lines[n]; s != nil {
			lines = append(lines, s)
		}
	}
	return lines
}

func (x *Exchange) beginRingingLocked(c *call, now time.Duration) {
	c.stage, c.rang, c.due = Ringing, now, now
	x.tellLocked(c, Ringing, "")
}

func (x *Exchange) ringLocked(c *call) {
	if c.to != nil {
		c.to.modem.Post(softmodem.Event{Kind: softmodem.Ring, At: c.due, Caller: c.from.number, Called: c.dialled})
	}
}

func (x *Exchange) answerLocked(c *call, now time.Duration) {
	c.stage, c.met, c.due = Answered, now, now
	c.delay = x.conditionsLocked(c).delay()
	c.from.modem.Post(softmodem.Event{Kind: softmodem.Connected, At: now + c.delay})
	x.tellLocked(c, Answered, "")
	x.bell()
}

// rejectLocked ends a call that was never answered, for a reason that the
// caller is told.
func (x *Exchange) rejectLocked(c *call, kind softmodem.EventKind, reason string) {
	now := x.clock.Now()
	c.from.modem.Post(softmodem.Event{Kind: kind, At: now})
	c.from.call = nil
	if c.to != nil {
		c.to.modem.Post(softmodem.Event{Kind: softmodem.RingEnd, At: now})
		c.to.call = nil
	}
	delete(x.calls, c.id)
	x.tellLocked(c, Rejected, reason)
}

// endLocked releases a call; by is the end that hung up, nil if the exchange
// did.
func (x *Exchange) endLocked(c *call, by *socket, reason string) {
	now := x.clock.Now()
	for _, s := range []*socket{c.from, c.to} {
		if s == nil {
			continue
		}
		s.call = nil
		switch {
		case s == by:
		case c.stage == Ringing && s == c.to:
			s.modem.Post(softmodem.Event{Kind: softmodem.RingEnd, At: now})
		default:
			s.modem.Post(softmodem.Event{Kind: softmodem.Released, At: now + c.delay})
		}
	}
	delete(x.calls, c.id)
	x.tellLocked(c, Released, reason)
}

func (x *Exchange) tellLocked(c *call, stage Stage, reason string) {
	ev := Event{Call: c.id, Stage: stage, At: x.clock.Now(), From: c.from.number, Dialed: c.dialled, Reason: reason}
	if c.to != nil {
		ev.Line = c.to.number
	}
	x.cfg.Observe(ev)
}
