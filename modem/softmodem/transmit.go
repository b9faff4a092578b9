package softmodem

import (
	"time"

	"github.com/faxmesh/faxmesh/modem/at"
	"github.com/faxmesh/faxmesh/modem/hdlc"
)

// Times and limits of transmission.
const (
	preamble  = time.Second               // flags before V.21 frames (T.30 5.3.1)
	turnOff   = 20 * time.Millisecond     // from the last bit to the end of an image carrier
	hostLimit = 5 * time.Second           // the host's silence before carrier off and ERROR (T.31 8.3.4)
	v21Bit    = time.Second / 300         // one bit of V.21
	maxBuffer = 4096                      // octets of image data in the modem
	maxFrame  = 300                       // octets of a frame from the host
	endFlags  = 2 * 8 * time.Second / 300 // flags behind the last V.21 frame
)

// silence is +FTS.
type silence struct{ until time.Duration }

func (s *silence) step(m *Modem, now time.Duration) time.Duration {
	if now < s.until {
		return s.until
	}
	m.finish(at.OK, now)
	return never
}
func (s *silence) octets(*Modem, time.Duration, []byte) int { return 0 }
func (s *silence) released(m *Modem, now time.Duration)     { m.finish(at.NoCarrier, now) }

// sendFrames begins +FTH=3.
func (m *Modem) sendFrames(now time.Duration) {
	m.carrier(true, at.V21, now)
	m.task = &sayFrame{free: now + preamble, asked: now}
	m.say(at.Connect)
}

// sayFrame is +FTH=3: flags, and frames as the host gives them.
type sayFrame struct {
	unstuff at.Unstuffer
	frame   []byte
	free    time.Duration // when the next frame can begin
	asked   time.Duration // since when the host is to give octets
	sending bool          // a frame is on the line until free
	final   bool
}

func (s *sayFrame) octets(m *Modem, now time.Duration, p []byte) int {
	if s.sending {
		return 0
	}
	s.asked = now
	out, n, done := s.unstuff.Append(s.frame, p)
	s.frame = out[:min(len(out), maxFrame+1)]
	if done {
		s.send(m, now)
	}
	return n
}

// send puts the frame on the line; the flags before it have lasted until now at
// least.
func (s *sayFrame) send(m *Modem, now time.Duration) {
	if len(s.frame) == 0 || len(s.frame) > maxFrame {
		s.end(m, now, len(s.frame) == 0)
		return
	}
	begin := max(s.free, now)
	wire := hdlc.AppendBlock(nil, [][]byte{s.frame}, 1)
	s.free = begin + time.Duration(8*(len(wire)-1))*v21Bit
	s.sending, s.final = true, hdlc.Final(s.frame)
	m.line.Send(Event{Kind: Frame, Begin: begin, At: s.free, Data: hdlc.AppendFCS(s.frame, s.frame)})
	s.frame = nil
}

func (s *sayFrame) step(m *Modem, now time.Duration) time.Duration {
	switch {
	case !s.sending && now >= s.asked+hostLimit:
		s.end(m, now, false)
		return never
	case !s.sending:
		return s.asked + hostLimit
	case s.final && now >= s.free+endFlags:
		s.end(m, s.free+endFlags, true)
		return never
	case s.final:
		return s.free + endFlags
	case now < s.free:
		return s.free
	}
	s.sending, s.asked, m.again = false, now, true
	m.say(at.Connect)
	return never
}

func (s *sayFrame) end(m *Modem, when time.Duration, well bool) {
	m.carrier(false, at.V21, when)
	if well {
		m.finish(at.OK, when)
		return
	}
	m.finish(at.Error, when)
}

func (s *sayFrame) released(m *Modem, now time.Duration) {
	if s.sending {
		m.finish(at.NoCarrier, now)
		return
	}
	m.task = &swallow{unstuff: s.unstuff, since: now}
}

// sendData begins +FTM.
func (m *Modem) sendData(mod at.Modulation, now time.Duration) {
	t, _ := mod.Trait()
	m.carrier(true, mod, now)
	m.task = &sayData{
		bps:  time.Duration(t.Rate.BitsPerSecond()),
		mark: now + t.Training,
	}
	m.say(at.Connect)
}

// sayData is +FTM: octets at the carrier's rate. It counts sent octets from
// mark, so that no rounding adds up over a page.
type sayData struct {
	unstuff at.Unstuffer
	buf     []byte
	bps     time.Duration
	mark    time.Duration // when octet 0 left, or may leave
	sent    int64         // octets since mark
	last    byte
	begun   bool // the host has given something
	ended   bool // DLE ETX has come
	dry     bool // the buffer ran out before that
}

func (s *sayData) octets(m *Modem, now time.Duration, p []byte) int {
	if s.ended || len(s.buf) >= maxBuffer {
		return 0
	}
	if s.dry || !s.begun { // the line has waited for this
		if t := s.position(); now > t {
			s.mark, s.sent = now, 0
		}
	}
	var n int
	s.buf, n, s.ended = s.unstuff.Append(s.buf, p[:min(len(p), 2*maxBuffer)])
	s.begun, s.dry = true, false
	return n
}

// position is when the next octet leaves.
func (s *sayData) position() time.Duration {
	return s.mark + time.Duration(s.sent)*8*time.Second/s.bps
}

func (s *sayData) step(m *Modem, now time.Duration) time.Duration {
	s.emit(m, now)
	next := s.position()
	switch {
	case len(s.buf) > 0:
		left := time.Duration(len(s.buf)) * 8 * time.Second / s.bps
		return next + min(left, max(portion, m.clock.Line(tick)))
	case s.ended:
		return s.stop(m, now, next+turnOff)
	case !s.begun:
		return s.idle(m, now, next+hostLimit)
	}
	s.dry = true
	starved := next + m.clock.Line(Allowance)
	switch {
	case now < starved:
		return starved
	case s.last == 0: // goes on with NUL, T.4's fill, for the host to catch up
		return s.idle(m, now, starved+hostLimit)
	}
	return s.stop(m, now, next+turnOff) // looks to the host like a page that is complete
}

// emit sends what is due by now.
func (s *sayData) emit(m *Modem, now time.Duration) {
	from := s.position()
	if now <= from || len(s.buf) == 0 {
		return
	}
	n := min(int64((now-from)*s.bps/(8*time.Second)), int64(len(s.buf)))
	if n == 0 {
		return
	}
	s.sent += n
	s.last = s.buf[n-1]
	m.line.Send(Event{Kind: Octets, At: s.position(), Data: append([]byte(nil), s.buf[:n]...)})
	s.buf, m.again = append(s.buf[:0], s.buf[n:]...), true
}

// stop drops the carrier once the last bit has left.
func (s *sayData) stop(m *Modem, now, off time.Duration) time.Duration {
	if now < off {
		return off
	}
	m.carrier(false, 0, off)
	m.finish(at.OK, now)
	return never
}

// idle waits for the host with the carrier on.
func (s *sayData) idle(m *Modem, now, limit time.Duration) time.Duration {
	if now < limit {
		return limit
	}
	m.carrier(false, 0, now)
	m.finish(at.Error, now)
	return never
}

func (s *sayData) released(m *Modem, now time.Duration) {
	if s.ended {
		m.finish(at.NoCarrier, now)
		return
	}
	m.task = &swallow{unstuff: s.unstuff, since: now}
}

// swallow takes the rest of the data of a call that is over, so that they are
// not taken for commands.
type swallow struct {
	unstuff at.Unstuffer
	since   time.Duration
	over    bool
}

func (s *swallow) octets(m *Modem, now time.Duration, p []byte) int {
	if s.over {
		return 0
	}
	s.since = now
	_, n, done := s.unstuff.Append(nil, p)
	s.over = done
	return n
}

func (s *swallow) step(m *Modem, now time.Duration) time.Duration {
	if !s.over && now < s.since+hostLimit {
		return s.since + hostLimit
	}
	m.finish(at.NoCarrier, now)
	return never
}

func (s *swallow) released(*Modem, time.Duration) {}
