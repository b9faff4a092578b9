package main

import (
	"context"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/modem/at"
	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/line/linetest"
	"github.com/faxmesh/faxmesh/modem/softmodem"
)

// Limits of a trunk.
const (
	maxPieces   = 256                   // heard and not taken
	maxPortions = 1 << 13               // of one image: half of what the modem takes at once
	octetsIn    = 20 * time.Millisecond // time of one portion of image data
	lateEvent   = time.Millisecond      // after which a signal would have been noticed
)

// trunk is the wires between a simulated modem and the tester: it is the
// modem's exchange, and the tester's wire.
type trunk struct {
	clock *softmodem.Clock
	modem *softmodem.Modem // set before the first call
	bell  chan struct{}    // something has come from the modem

	at    time.Duration // the tester's position in line time; its goroutine's
	spoke time.Duration // when its last signal ended

	mu       sync.Mutex
	offHook  bool // the modem is in the call
	over     bool // the call has been released
	released time.Duration
	pieces   []linetest.Piece // complete or, the last one, on the line
	ear      incoming
}

// incoming is the signal that comes from the modem.
type incoming struct {
	on      bool
	off     time.Duration // when the last carrier dropped
	carrier at.Modulation
	start   time.Duration // of what comes next
	octets  []byte
	tcf     bool // the frame before was a DCS
	ecm     bool // image signals are partial pages
}

func newTrunk(clock *softmodem.Clock) *trunk {
	return &trunk{clock: clock, bell: make(chan struct{}, 1), at: clock.Now()}
}

// ring lets the modem ring.
func (t *trunk) ring() {
	t.modem.Post(softmodem.Event{Kind: softmodem.Ring, At: t.clock.Now(), Called: "1"})
}

// Dial implements softmodem.Line: whatever is dialled, the tester answers.
func (t *trunk) Dial(string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.offHook = true
	t.modem.Post(softmodem.Event{Kind: softmodem.Connected, At: t.clock.Now()})
}

// Answer implements softmodem.Line.
func (t *trunk) Answer() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.offHook = !t.over
	return t.offHook
}

// HangUp implements softmodem.Line: the device goes on hook.
func (t *trunk) HangUp() { t.hook() }

// hook releases the call, from whichever side; true if the other one must be told.
func (t *trunk) hook() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	told := t.offHook && !t.over
	if told {
		t.over, t.released = true, t.clock.Now()
	}
	t.notify()
	return told
}

func (t *trunk) notify() {
	select {
	case t.bell <- struct{}{}:
	default:
	}
}

// Send implements softmodem.Line: a signal comes from the device.
func (t *trunk) Send(ev softmodem.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.offHook || t.over {
		return
	}
	e := &t.ear
	switch ev.Kind {
	case softmodem.CarrierOn:
		e.on, e.carrier, e.start, e.octets = true, ev.Carrier, ev.At, nil
	case softmodem.Frame:
		t.frameLocked(ev)
	case softmodem.Octets:
		if len(e.octets)+len(ev.Data) <= line.MaxPage {
			e.octets = append(e.octets, ev.Data...)
		}
	case softmodem.CarrierOff:
		if e.on && e.carrier != at.V21 {
			t.addLocked(linetest.Piece{Start: e.start, End: ev.At, Signal: e.image()})
		}
		e.on, e.off = false, ev.At
	}
	t.notify()
}

func (t *trunk) addLocked(p linetest.Piece) {
	if len(t.pieces) < maxPieces {
		t.pieces = append(t.pieces, p)
	}
}

func (t *trunk) frameLocked(ev softmodem.Event) {
	e := &t.ear
	f := ev.Data[:max(len(ev.Data)-2, 0)]
	e.follow(f)
	t.addLocked(linetest.Piece{Start: e.start, End: ev.At, Signal: line.Signal{Kind: line.Frames, Rate: line.V21, Frames: [][]byte{f}}})
	e.start = ev.At
}

// Now implements wire.
func (t *trunk) Now() time.Duration { return t.at }

// sleep waits until line time is when.
func (t *trunk) sleep(when time.Duration) {
	for {
		left := when - t.clock.Now()
		if left <= 0 {
			return
		}
		time.Sleep(t.clock.Wall(left))
	}
}

// Pause implements wire.
func (t *trunk) Pause(d time.Duration) {
	t.at += d
	t.sleep(t.at)
}

// release is the tester going on hook.
func (t *trunk) release() {
	if t.hook() {
		t.modem.Post(softmodem.Event{Kind: softmodem.Released, At: t.clock.Now()})
	}
}

// Put implements wire. A tester that is late says everything later.
func (t *trunk) Put(pieces ...linetest.Piece) error {
	if len(pieces) == 0 {
		return nil
	}
	late := max(t.clock.Now()-pieces[0].Start, 0)
	var events []softmodem.Event
	if s := pieces[0].Signal; s.Kind == line.Frames {
		events, t.at = frameEvents(pieces)
	} else {
		events, t.at = imageEvents(pieces[0])
	}
	for _, ev := range events {
		ev.At += late
		ev.Begin += late
		t.modem.Post(ev)
	}
	t.at += late
	t.spoke = t.at
	t.sleep(t.at)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return line.ErrHungUp
	}
	return nil
}

func frameEvents(pieces []linetest.Piece) (events []softmodem.Event, end time.Duration) {
	events = append(events, softmodem.Event{Kind: softmodem.CarrierOn, At: pieces[0].Start, Carrier: at.V21})
	for _, p := range pieces {
		end = p.End
		if p.Garbled {
			continue
		}
		f := p.Signal.Frames[0]
		wire := hdlc.AppendFCS(append([]byte(nil), f...), f)
		if p.Bad {
			wire[len(wire)-1] ^= 0xFF
		}
		events = append(events, softmodem.Event{Kind: softmodem.Frame, Begin: p.End - flags(len(f)+3), At: p.End, Data: wire})
	}
	// The postamble is silence, as on the bare line: a station may answer once the
	// frame is there.
	return append(events, softmodem.Event{Kind: softmodem.CarrierOff, At: end}), end
}

func imageEvents(p linetest.Piece) (events []softmodem.Event, end time.Duration) {
	s := p.Signal
	trait, _ := at.ForRate(s.Rate, s.Short)
	data := s.Data
	if s.Kind == line.Block {
		data = hdlc.AppendBlock(nil, s.Frames, s.Rate.BitsPerSecond()/40) // 200 ms
	}
	events = append(events, softmodem.Event{Kind: softmodem.CarrierOn, At: p.Start, Carrier: trait.Code})
	from, bps := p.Start+trait.Training, time.Duration(s.Rate.BitsPerSecond())
	step := max(int(octetsIn*bps/(8*time.Second)), len(data)/maxPortions, 1)
	for i := 0; i < len(data); i += step {
		part := data[i:min(i+step, len(data))]
		end = from + time.Duration(i+len(part))*8*time.Second/bps
		events = append(events, softmodem.Event{Kind: softmodem.Octets, At: end, Data: part})
	}
	return append(events, softmodem.Event{Kind: softmodem.CarrierOff, At: end}), end
}

// Take implements wire.
func (t *trunk) Take(ctx context.Context, until time.Duration) (linetest.Piece, bool, error) {
	until = max(until, t.at)
	for {
		if err := ctx.Err(); err != nil {
			return linetest.Piece{}, false, err
		}
		p, ok, wait, err := t.look(until)
		if ok {
			t.at = max(t.at, p.End)
			t.sleep(p.End)
			return p, true, nil
		}
		if err != nil {
			return linetest.Piece{}, false, err
		}
		if wait <= 0 {
			t.at = until
			return linetest.Piece{}, false, nil
		}
		t.wait(ctx, wait)
	}
}

// wait waits for news from the modem.
func (t *trunk) wait(ctx context.Context, atMost time.Duration) {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-t.bell:
	}
}

// Hush implements wire.
func (t *trunk) Hush(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		t.mu.Lock()
		on := t.ear.on && !t.over
		off := t.ear.off
		t.mu.Unlock()
		if !on {
			t.at = max(t.at, off)
			return nil
		}
		t.wait(ctx, time.Second)
	}
}

// look returns a piece that has come, or how long to wait on the wall for one.
func (t *trunk) look(until time.Duration) (p linetest.Piece, ok bool, wait time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.pieces) > 0 && t.pieces[0].Start <= until {
		p = t.pieces[0]
		t.pieces = t.pieces[1:]
		if p.Start >= t.spoke {
			return p, true, 0, nil
		}
	}
	if t.over && t.released <= until {
		t.at = max(t.at, t.released)
		return p, false, 0, line.ErrHungUp
	}
	if t.ear.on && t.ear.start <= until {
		return p, false, time.Second, nil
	}
	return p, false, t.clock.Wall(until-t.clock.Now()) + lateEvent, nil
}
