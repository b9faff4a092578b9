package softmodem

import (
	"time"

	"github.com/faxmesh/faxmesh/modem/at"
	"github.com/faxmesh/faxmesh/modem/hdlc"
)

// detect is how long a carrier or V.21's flags must last to be recognised.
const detect = 50 * time.Millisecond

// hush is +FRS: OK when the line has been silent for length.
type hush struct{ since, length time.Duration }

func (h *hush) step(m *Modem, now time.Duration) time.Duration {
	e := &m.call.ear
	if e.on != nil {
		return never // its end will wake us
	}
	until := max(h.since, e.quiet) + h.length
	if now < until {
		return until
	}
	m.finish(at.OK, now)
	return never
}

func (h *hush) octets(m *Modem, now time.Duration, p []byte) int {
	if aborts(p[0]) {
		m.finish(at.OK, now)
	}
	return 1
}

func (h *hush) released(m *Modem, now time.Duration) { m.finish(at.NoCarrier, now) }

// hearFrame is +FRH=3: CONNECT with the flags, then one frame.
type hearFrame struct {
	since     time.Duration
	limit     time.Duration // S7 behind ATD, else never
	connected bool
}

func (h *hearFrame) step(m *Modem, now time.Duration) time.Duration {
	e := &m.call.ear
	s := e.next(h.since)
	switch {
	case s == nil && h.connected:
		m.finish(at.NoCarrier, now)
		return never
	case s == nil:
		return h.wait(m, now)
	case s.carrier != at.V21:
		return h.foreign(m, s, now)
	case !h.connected && now < s.begin+detect:
		return s.begin + detect
	case !h.connected:
		h.connected = true
		m.say(at.Connect)
	}
	if data, ok := s.frame(); ok {
		deliver(m, data, now)
		return never
	}
	if s.over {
		e.forget(s)
		m.finish(at.NoCarrier, now)
	}
	return never
}

// wait is +FRH=3 in silence.
func (h *hearFrame) wait(m *Modem, now time.Duration) time.Duration {
	if now < h.limit {
		return h.limit
	}
	m.hangUp()
	m.finish(at.NoCarrier, now)
	return never
}

// foreign is +FRH=3 that meets an image carrier. With +FAR=1 it waits for V.21.
func (h *hearFrame) foreign(m *Modem, s *signal, now time.Duration) time.Duration {
	e := &m.call.ear
	switch noticed := max(s.begin, h.since) + detect; {
	case s.over:
		e.forget(s)
		m.again = true
		return never
	case m.host.far:
		return never
	case now < noticed:
		return noticed
	}
	m.finish(at.FCError, now)
	return never
}

// deliver hands a frame with its FCS to the host and says whether it is right.
func deliver(m *Modem, data []byte, now time.Duration) {
	m.port.out.put(at.AppendData(nil, data))
	if hdlc.Check(data) {
		m.finish(at.OK, now)
		return
	}
	m.finish(at.Error, now)
}

func (h *hearFrame) octets(m *Modem, now time.Duration, p []byte) int {
	if aborts(p[0]) {
		if h.connected {
			m.port.out.put([]byte{at.DLE, at.ETX})
		}
		m.finish(at.OK, now)
	}
	return 1
}

func (h *hearFrame) released(m *Modem, now time.Duration) { m.finish(at.NoCarrier, now) }

// hearData is +FRM: CONNECT when the training has been heard, data to the end of
// the carrier.
type hearData struct {
	mod   at.Modulation
	since time.Duration
	sig   *signal // being received
	phase phase
}

func (h *hearData) step(m *Modem, now time.Duration) time.Duration {
	if h.sig != nil {
		return h.receive(m, now)
	}
	e := &m.call.ear
	s := e.next(h.since)
	if s == nil {
		return never
	}
	noticed := max(s.begin, h.since) + detect
	switch {
	case s.carrier == at.V21 && s.over && len(s.frames) == 0, s.missed && s.over:
		e.forget(s)
		m.again = true
		return never
	case s.carrier == at.V21 && now < s.begin+detect:
		return s.begin + detect
	case s.carrier == at.V21 && m.host.far:
		m.say(at.FRH3)
		m.task, m.again = &hearFrame{since: h.since, limit: never}, true
		return never
	case s.carrier == at.V21:
		m.finish(at.FCError, now)
		return never
	case e.catches(s, h.mod, h.since) && now < s.trained:
		return s.trained
	case e.catches(s, h.mod, h.since):
		h.take(m, s)
		return h.receive(m, now)
	case s.over:
		e.forget(s)
		m.again = true
		return never
	case now < noticed:
		return noticed
	}
	m.finish(at.FCError, now)
	return never
}

// take begins to receive s. A demodulator does not know where the sender's
// octets begin: the phase is any of eight.
func (h *hearData) take(m *Modem, s *signal) {
	t, _ := s.carrier.Trait()
	e := &m.call.ear
	e.forget(s)
	e.longV17 = e.longV17 || t.Rate.V17() && !t.Short
	s.taken, h.sig = true, s
	h.phase = phase{held: 0xFF, shift: uint(m.rng.IntN(8))}
	m.say(at.Connect)
}

func (h *hearData) receive(m *Modem, now time.Duration) time.Duration {
	s := h.sig
	if len(s.octets) > 0 {
		m.port.out.put(at.AppendStuffed(nil, h.phase.align(s.octets)))
		s.octets = nil
	}
	if s.over {
		tail := h.phase.align([]byte{0xFF})
		m.port.out.put(at.AppendData(nil, tail))
		m.finish(at.NoCarrier, now)
	}
	return never
}

func (h *hearData) octets(m *Modem, now time.Duration, p []byte) int {
	if aborts(p[0]) {
		if h.sig != nil {
			m.port.out.put([]byte{at.DLE, at.ETX})
		}
		m.finish(at.OK, now)
	}
	return 1
}

func (h *hearData) released(m *Modem, now time.Duration) {
	if h.sig != nil {
		m.port.out.put([]byte{at.DLE, at.ETX})
	}
	m.finish(at.NoCarrier, now)
}

// phase shifts a bit stream by less than an octet, with ones of the idle
// carrier in front.
type phase struct {
	held  byte // the octet before
	shift uint
}

func (p *phase) align(octets []byte) []byte {
	out := make([]byte, len(octets))
	for i, b := range octets {
		out[i] = byte((uint16(b)<<8 | uint16(p.held)) >> (8 - p.shift))
		p.held = b
	}
	return out
}
