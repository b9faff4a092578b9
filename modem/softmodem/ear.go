package softmodem

import (
	"time"

	"github.com/faxmesh/faxmesh/modem/at"
	"github.com/faxmesh/faxmesh/modem/hdlc"
)

// Limits of what an ear remembers.
const (
	maxSignals = 4                      // signals begun and not yet forgotten
	maxHeld    = 8                      // V.21 frames of a signal that nobody has read yet
	holdFrame  = 100 * time.Millisecond // how long a modem keeps a frame for the next +FRH=3
)

// signal is one carrier from the far end, as far as it has come.
type signal struct {
	carrier at.Modulation
	begin   time.Duration
	trained time.Duration // when its data begin
	frames  []Event       // V.21: not yet read
	octets  []byte        // image: not yet read
	taken   bool          // image: a +FRM receives it
	missed  bool          // image: its training was not heard
	last    bool          // V.21: the final frame has been read
	over    bool
	end     time.Duration
}

// ear is what the line sounds like: the signals of the far end, kept for as
// long as a command that comes a little late may still catch them.
type ear struct {
	allowance time.Duration // line time a command may be late
	signals   []*signal     // oldest first
	on        *signal       // carrier on the line now
	quiet     time.Duration // since when there has been none
	longV17   bool          // a V.17 long training has been heard in this call
}

// hear takes a signal event. Mouth tells whether the modem itself was
// transmitting at some moment of an interval: then it was deaf.
func (e *ear) hear(ev Event, deaf func(from, to time.Duration) bool) {
	switch ev.Kind {
	case CarrierOn:
		e.drop(ev.At)
		s := &signal{carrier: ev.Carrier, begin: ev.At, trained: ev.At}
		if t, ok := ev.Carrier.Trait(); ok {
			s.trained += t.Training
			s.missed = deaf(ev.At, ev.At)
		}
		if len(e.signals) == maxSignals {
			e.signals = e.signals[1:]
		}
		e.signals, e.on = append(e.signals, s), s
	case Frame:
		if s := e.on; s != nil && !deaf(ev.Begin, ev.At) && len(s.frames) < maxHeld {
			s.frames = append(s.frames, ev)
		}
	case Octets:
		e.octets(ev, deaf)
	case CarrierOff:
		e.drop(ev.At)
	}
}

func (e *ear) octets(ev Event, deaf func(from, to time.Duration) bool) {
	s := e.on
	if s == nil {
		return
	}
	if !s.taken && (ev.At > s.trained+e.allowance || deaf(s.begin, ev.At)) {
		s.missed = true
	}
	if s.missed {
		s.octets = nil
		return
	}
	s.octets = append(s.octets, ev.Data...)
}

// drop ends the carrier on the line.
func (e *ear) drop(at time.Duration) {
	if e.on == nil {
		return
	}
	e.on.over, e.on.end = true, at
	e.on, e.quiet = nil, at
}

// next is the oldest signal that a command given at since may still catch, nil
// in silence. Frames that went by before that are forgotten.
func (e *ear) next(since time.Duration) *signal {
	for len(e.signals) > 0 {
		s := e.signals[0]
		for len(s.frames) > 0 && s.frames[0].At < since-e.allowance-holdFrame {
			s.frames = s.frames[1:]
		}
		spent := s.over && len(s.frames) == 0 && (s.carrier == at.V21 || s.missed || s.end < since-e.allowance)
		if !spent && !(s.last && len(s.frames) == 0) {
			return s
		}
		e.forget(s)
	}
	return nil
}

// forget takes s off the list; while it is on the line it still counts as noise.
func (e *ear) forget(s *signal) {
	for i := range e.signals {
		if e.signals[i] == s {
			e.signals = append(e.signals[:i:i], e.signals[i+1:]...)
			return
		}
	}
}

// frame reads the next V.21 frame of s that has arrived.
func (s *signal) frame() (data []byte, ok bool) {
	if len(s.frames) == 0 {
		return nil, false
	}
	data = s.frames[0].Data
	s.frames = s.frames[1:]
	s.last = hdlc.Final(data) && hdlc.Check(data)
	return data, true
}

// catches reports whether +FRM=m given at since can receive the image signal s.
func (e *ear) catches(s *signal, m at.Modulation, since time.Duration) bool {
	if s.missed || s.carrier != m || since > s.trained+e.allowance {
		return false
	}
	t, ok := m.Trait()
	return ok && (!t.Short || e.longV17)
}
