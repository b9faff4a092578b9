// Package softmodem is a simulated Class 1 fax modem: its host speaks AT
// commands with it (T.31) over a port, its other end is a line of a simulated
// exchange.
//
// There is no audio. What modems say to each other are events stamped with line
// time: a carrier with its training, frames, octets at the carrier's bit rate,
// the end of the carrier. Durations are those of T.30 and of the modulations;
// a command that comes too late for a training, meets another carrier or lets
// the data run out has the consequences that it has with hardware. Two things
// are simpler: a V.21 frame reaches the host at its end and not bit by bit, and
// training either succeeds or does not.
//
// Line time may run faster than the wall clock. The computer's own delays do
// not shrink with it, so they seem longer on the line: at 40 times real time a
// process that waits 5 ms for the processor is 200 ms late. Two things make up
// for it: Allowance is what is forgiven to a late host, and Clock does not count
// time in which the process did not run at all.
package softmodem

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/modem/at"
)

// Allowance is the wall time by which a command or data may be late without the
// line noticing: a +FRM or +FRH that comes so much after a training or a frame
// still receives the whole of it, and a transmitter that has run out of data
// stops the clock so long before it counts as an underrun.
const Allowance = 25 * time.Millisecond

// Limits of a Modem.
const (
	maxInbox = 1 << 14          // events on their way to the modem
	tick     = time.Millisecond // wall time between two portions of image data, at least
	portion  = 20 * time.Millisecond
	never    = time.Duration(1<<63 - 1)
)

// Modem is one simulated modem. Its goroutine runs from New to Close.
type Modem struct {
	line  Line
	clock *Clock
	port  *Port
	rng   *rand.Rand // phase of received octets
	wake  chan struct{}
	done  chan struct{}

	mu     sync.Mutex
	inbox  []Event // not yet arrived or not yet taken, by time of arrival
	closed bool

	// The rest belongs to the modem's goroutine.
	host  dialogue // the host's side: command line, settings
	call  call     // the line's side: hook, what is heard and said
	task  task     // what a command has started; nil in command state
	again bool     // something has changed: look once more before waiting
}

// call is the state of the line.
type call struct {
	offHook bool
	ear     ear
	talking bool          // a carrier of our own is on the line
	said    time.Duration // when it began
	fell    time.Duration // when it, or the one before, ended
	ringing bool
	rings   int
}

// task is what the modem is busy with between a command and its result code.
type task interface {
	// octets takes what the host sends meanwhile and returns how many it took.
	octets(m *Modem, now time.Duration, p []byte) int
	// step does what is due and returns when it wants to be called again; events
	// and octets call it earlier. It ends the task through Modem.finish.
	step(m *Modem, now time.Duration) time.Duration
	// released ends the task because the call is over.
	released(m *Modem, now time.Duration)
}

// New starts a modem on line. The seed decides how received octets are aligned
// to the bit stream. Unplug, which may be nil, is called when the host closes
// its port; it must see to it that Close is called.
func New(line Line, clock *Clock, seed uint64, unplug func() error) *Modem {
	m := &Modem{
		line:  line,
		clock: clock,
		rng:   rand.New(rand.NewPCG(seed, 1)),
		wake:  make(chan struct{}, 1),
		done:  make(chan struct{}),
	}
	if unplug == nil {
		unplug = m.Close
	}
	m.port = &Port{in: newQueue(portInput, m.bell), out: newQueue(portOutput, m.bell), unplug: unplug}
	m.host.reset()
	m.call = m.onHook()
	go m.run()
	return m
}

// Port is the host's end of the modem.
func (m *Modem) Port() *Port { return m.port }

// Close hangs up and stops the modem. It is idempotent and returns when the
// modem's goroutine has ended.
func (m *Modem) Close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.bell()
	<-m.done
	return nil
}

// Post brings the modem an event, to arrive at ev.At. It does not wait. Events
// beyond maxInbox are lost.
func (m *Modem) Post(ev Event) {
	m.mu.Lock()
	if len(m.inbox) < maxInbox {
		i := len(m.inbox)
		for i > 0 && m.inbox[i-1].At > ev.At {
			i--
		}
		m.inbox = append(m.inbox, Event{})
		copy(m.inbox[i+1:], m.inbox[i:])
		m.inbox[i] = ev
	}
	m.mu.Unlock()
	m.bell()
}

func (m *Modem) bell() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

func (m *Modem) run() {
	defer close(m.done)
	defer m.port.in.close()
	defer m.port.out.close()
	defer m.line.HangUp()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := m.clock.Now()
		next, open := m.listen(now)
		if !open {
			return
		}
		for m.again = true; m.again; {
			m.again = false
			m.attend(now)
			if m.task != nil {
				next = min(next, m.task.step(m, now))
			}
		}
		if next != never {
			timer.Reset(max(m.clock.Wall(next-now), 0))
		}
		select {
		case <-timer.C:
		case <-m.wake:
		}
	}
}

// listen takes the events that have arrived and returns when the next one will.
func (m *Modem) listen(now time.Duration) (next time.Duration, open bool) {
	m.mu.Lock()
	n := 0
	for n < len(m.inbox) && m.inbox[n].At <= now {
		n++
	}
	due := append([]Event(nil), m.inbox[:n]...)
	m.inbox = append(m.inbox[:0], m.inbox[n:]...)
	next, open = never, !m.closed
	if len(m.inbox) > 0 {
		next = m.inbox[0].At
	}
	m.mu.Unlock()
	for _, ev := range due {
		m.happen(ev, now)
	}
	return next, open
}

// attend takes octets from the host, as many as it can do something with.
func (m *Modem) attend(now time.Duration) {
	h := &m.host
	if len(h.typed) == 0 {
		h.typed = m.port.in.take()
	}
	for len(h.typed) > 0 {
		if m.task == nil {
			b := h.typed[0]
			h.typed = h.typed[1:]
			m.typed(b, now)
			continue
		}
		n := m.task.octets(m, now, h.typed)
		h.typed = h.typed[n:]
		if n == 0 {
			return
		}
		m.again = true
	}
}

// happen takes one event from the line.
func (m *Modem) happen(ev Event, now time.Duration) {
	c := &m.call
	switch ev.Kind {
	case CarrierOn, Frame, Octets, CarrierOff:
		if c.offHook {
			c.ear.hear(ev, c.spoke)
		}
	case Ring:
		m.ring(ev, now)
	case RingEnd:
		c.ringing, c.rings = false, 0
	case Connected:
		if d, ok := m.task.(*dialing); ok {
			d.connected = true
		}
	case Released:
		if c.offHook {
			m.release(now)
		}
	case NoTone, Engaged, Unanswered, Unknown:
		if d, ok := m.task.(*dialing); ok {
			d.failed(m, ev.Kind)
		}
	}
}

// release goes on hook because the call is over.
func (m *Modem) release(now time.Duration) {
	m.hangUp()
	if m.task != nil {
		m.task.released(m, now)
	}
}

// hangUp goes on hook and forgets the call, with what of it is still on its
// way: it must not reach the next one.
func (m *Modem) hangUp() {
	if !m.call.offHook {
		return
	}
	m.line.HangUp()
	m.call = m.onHook()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inbox = slices.DeleteFunc(m.inbox, func(ev Event) bool { return ev.Kind != Ring && ev.Kind != RingEnd })
}

func (m *Modem) onHook() call {
	return call{ear: ear{allowance: m.clock.Line(Allowance)}}
}

// spoke reports whether the modem was transmitting at some moment between from
// and to.
func (c *call) spoke(from, to time.Duration) bool {
	if c.talking {
		return to >= c.said
	}
	return c.fell > c.said && from < c.fell && to >= c.said
}

// carrier puts the modem's own carrier on the line, or takes it off.
func (m *Modem) carrier(on bool, mod at.Modulation, when time.Duration) {
	c := &m.call
	c.talking = on
	if on {
		c.said = when
		m.line.Send(Event{Kind: CarrierOn, At: when, Carrier: mod})
		return
	}
	c.fell = when
	m.line.Send(Event{Kind: CarrierOff, At: when})
}

// finish ends the task with a result code.
func (m *Modem) finish(code at.Code, now time.Duration) {
	m.task, m.again = nil, true
	if code == at.OK && m.host.rest != "" {
		rest := m.host.rest
		m.host.rest = ""
		m.execute(rest, now)
		return
	}
	m.host.rest = ""
	m.say(code)
}
