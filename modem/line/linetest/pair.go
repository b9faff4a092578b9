// Package linetest is a telephone call between two Lines in memory, under line
// time of its own: a call of minutes takes microseconds.
//
// Each end has a clock that moves when it says or hears something. An end that
// listens goes on as soon as it is certain what it will hear: a signal has come,
// or the other end can no longer say one in time. Signals take as long as the
// modulations do. What a script damages on the way is its Damage.
package linetest

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
)

// Side is one end of the call.
type Side int

// The two ends.
const (
	Caller Side = iota
	Called
)

// Durations of the line (T.30 5.3.1, clause 8 of the modulations' texts).
const (
	gap        = 75 * time.Millisecond // before every signal
	preamble   = time.Second           // flags before V.21 frames
	blockFlags = 200 * time.Millisecond
	tcf        = 1500 * time.Millisecond
)

// Transmission is a signal on its way, for a Damage to change.
type Transmission struct {
	From   Side
	Signal line.Signal // a copy
	// Bad marks frames whose FCS is to fail, by index.
	Bad map[int]bool
	// Lost: the other end does not notice anything.
	Lost bool
	// Garbled: an image signal is noticed, but cannot be received.
	Garbled bool
	// Untrained: the training of an image signal is missed.
	Untrained bool
	// Broken: the other end loses the carrier of an image so long after its
	// beginning, if not 0; the rest of it is no more than a carrier.
	Broken time.Duration
	// HangUp: the call is released before the signal.
	HangUp bool
}

// Damage changes a transmission before it is on the line.
type Damage func(*Transmission)

// Pair returns the two ends of a call. damage may be nil; it is called with one
// transmission at a time.
func Pair(damage Damage) (caller, called *End) {
	x := &exchange{damage: damage}
	x.wake = sync.NewCond(&x.mu)
	for s := range x.ends {
		x.ends[s] = &End{x: x, side: Side(s), gap: gap}
	}
	return x.ends[Caller], x.ends[Called]
}

// exchange joins the two ends.
type exchange struct {
	damage Damage
	wake   *sync.Cond

	mu       sync.Mutex
	ends     [2]*End
	released bool
	at       time.Duration // when it was released
}

// End is one end of the call, a line.Line.
type End struct {
	x    *exchange
	side Side

	// Guarded by x.mu.
	gap      time.Duration // kept before every signal
	now      time.Duration
	spoke    time.Duration // when our last signal ended
	inbox    []Piece
	hearing  bool
	deadline time.Duration
}

var _ line.Line = (*End)(nil)

// Now is this end's line time.
func (e *End) Now() time.Duration {
	e.x.mu.Lock()
	defer e.x.mu.Unlock()
	return e.now
}

// HangUp releases the call. It may be called more than once.
func (e *End) HangUp() {
	e.x.mu.Lock()
	defer e.x.mu.Unlock()
	e.releaseLocked()
}

func (e *End) releaseLocked() {
	if !e.x.released {
		e.x.released, e.x.at = true, e.now
	}
	e.x.wake.Broadcast()
}

func (e *End) peer() *End { return e.x.ends[1-e.side] }

// Say puts s on the line.
func (e *End) Say(ctx context.Context, s line.Signal) error {
	e.x.mu.Lock()
	defer e.x.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	for !e.turnLocked() { // so that a call always goes the same way
		e.x.wake.Wait()
	}
	t := Transmission{From: e.side, Signal: clone(s), Bad: map[int]bool{}}
	if e.x.damage != nil && !e.x.released {
		e.x.damage(&t)
	}
	if t.HangUp {
		e.releaseLocked()
	}
	if e.x.released && e.x.at <= e.now {
		return line.ErrHungUp
	}
	start := e.now + e.gap
	pieces := cut(t, start)
	if !t.Lost {
		e.peer().inbox = append(e.peer().inbox, pieces...)
	}
	e.now = pieces[len(pieces)-1].End
	e.spoke = e.now
	e.x.wake.Broadcast()
	return nil
}

// Hear waits as l says.
func (e *End) Hear(ctx context.Context, l line.Listen) (line.Heard, error) {
	stop := e.x.wakeAfter(ctx)
	defer stop()
	e.x.mu.Lock()
	defer e.x.mu.Unlock()
	e.hearing, e.deadline = true, e.now+l.Timeout
	defer func() { e.hearing = false }()
	e.x.wake.Broadcast()
	for {
		if err := ctx.Err(); err != nil {
			return line.Heard{}, err
		}
		if h, ok := e.takeLocked(l); ok {
			return h, nil
		}
		if e.x.released && e.x.at <= e.deadline {
			e.now = max(e.now, e.x.at)
			return line.Heard{}, line.ErrHungUp
		}
		if e.certainLocked() {
			e.now = e.deadline
			e.x.wake.Broadcast()
			return line.Heard{}, nil
		}
		e.x.wake.Wait()
	}
}

// turnLocked reports whether the other end can do nothing before our clock any
// more.
func (e *End) turnLocked() bool {
	p := e.peer()
	return e.x.released || p.now >= e.now || p.hearing && p.deadline >= e.now
}

// takeLocked takes the first piece that can be heard by the deadline.
func (e *End) takeLocked(l line.Listen) (line.Heard, bool) {
	for len(e.inbox) > 0 {
		p := e.inbox[0]
		if p.Start > e.deadline {
			return line.Heard{}, false
		}
		image := p.Signal.Kind != line.Frames
		deaf := p.Untrained || image && l.Rate == line.V21
		if deaf && l.Carrier && p.End > e.deadline {
			e.now = e.deadline // the wait is over, the line is not silent
			return line.Heard{Kind: line.Noise}, true
		}
		e.inbox = e.inbox[1:]
		e.x.wake.Broadcast() // the other end looks into our inbox
		if p.Start < e.spoke || deaf {
			continue // we were talking, or not listening for it
		}
		e.now = max(e.now, p.End)
		return p.heard(l), true
	}
	return line.Heard{}, false
}

// certainLocked reports whether nothing can begin before the deadline: the
// other end is past it, or listens itself for longer than we do.
func (e *End) certainLocked() bool {
	p := e.peer()
	if p.now+p.gap > e.deadline {
		return true
	}
	if !p.hearing || len(p.inbox) > 0 && p.inbox[0].Start <= p.deadline {
		return false
	}
	return e.deadline < p.deadline || e.deadline == p.deadline && e.side == Caller
}

func (p Piece) heard(l line.Listen) line.Heard {
	s := p.Signal
	if s.Kind == line.Frames && !p.Garbled {
		return line.Heard{Kind: line.Frame, Good: !p.Bad, Data: s.Frames[0]}
	}
	instead := l.Want == line.Block && s.Kind == line.Page // only who looks for frames misses them
	if p.Garbled || s.Kind != l.Want && !instead || s.Rate != l.Rate || s.Short != l.Short {
		return line.Heard{Kind: line.Noise}
	}
	return line.Heard{Kind: line.Image, Data: s.Data, Frames: s.Frames}
}

// cut divides a signal into what can be heard of it one after the other.
func cut(t Transmission, start time.Duration) []Piece {
	s := t.Signal
	if s.Kind != line.Frames {
		if s.Kind == line.Training && s.Data == nil {
			s.Data = make([]byte, int(tcf.Seconds()*float64(s.Rate.BitsPerSecond()))/8)
		}
		var good [][]byte
		for i, f := range s.Frames {
			if !t.Bad[i] {
				good = append(good, f)
			}
		}
		end := start + Duration(t.Signal)
		s.Frames = good
		whole := Piece{Start: start, End: end, Signal: s, Garbled: t.Garbled, Untrained: t.Untrained}
		if t.Broken > 0 && start+t.Broken < end {
			return whole.broken(start + t.Broken)
		}
		return []Piece{whole}
	}
	var out []Piece
	from, end := start, start+preamble
	for i, f := range s.Frames {
		end += frameTime(f, line.V21)
		one := line.Signal{Kind: line.Frames, Frames: [][]byte{f}}
		out = append(out, Piece{Start: from, End: end, Signal: one, Bad: t.Bad[i]})
		from = end
	}
	return out
}

// broken is an image whose carrier is lost at a time.
func (p Piece) broken(at time.Duration) []Piece {
	rest := Piece{Start: at, End: p.End, Signal: line.Signal{Kind: p.Signal.Kind}, Untrained: true}
	p.End = at
	room := max(at-p.Start-training(p.Signal), 0)
	p.Signal.Data = p.Signal.Data[:min(len(p.Signal.Data), int(room.Seconds()*float64(p.Signal.Rate.BitsPerSecond())/8))]
	room -= blockFlags
	for i, f := range p.Signal.Frames {
		if room -= frameTime(f, p.Signal.Rate); room < 0 {
			p.Signal.Frames = p.Signal.Frames[:i]
			break
		}
	}
	return []Piece{p, rest}
}

// Duration is how long a signal is on the line, without stuffed bits.
func Duration(s line.Signal) time.Duration {
	d := training(s)
	switch s.Kind {
	case line.Frames:
		d = preamble
	case line.Training:
		return d + tcf
	case line.Page:
		return d + time.Duration(len(s.Data))*8*time.Second/time.Duration(s.Rate.BitsPerSecond())
	case line.Block:
		d += blockFlags
	}
	for _, f := range s.Frames {
		d += frameTime(f, s.Rate)
	}
	return d
}

// frameTime is a frame with its FCS and a flag.
func frameTime(f []byte, r line.Rate) time.Duration {
	return time.Duration(len(f)+3) * 8 * time.Second / time.Duration(r.BitsPerSecond())
}

func training(s line.Signal) time.Duration {
	switch {
	case s.Rate.V17() && s.Short:
		return 142 * time.Millisecond
	case s.Rate.V17():
		return 1393 * time.Millisecond
	case s.Rate == line.V29x9600 || s.Rate == line.V29x7200:
		return 253 * time.Millisecond
	case s.Rate == line.V27ter4800:
		return 708 * time.Millisecond
	case s.Rate == line.V27ter2400:
		return 943 * time.Millisecond
	}
	return 0
}

func clone(s line.Signal) line.Signal {
	s.Data = bytes.Clone(s.Data)
	frames := make([][]byte, len(s.Frames))
	for i, f := range s.Frames {
		frames[i] = bytes.Clone(f)
	}
	s.Frames = frames
	return s
}

// fcf is the control field of the last frame of a V.21 signal, without X bit.
func fcf(s line.Signal) byte {
	if s.Kind != line.Frames || len(s.Frames) == 0 {
		return 0
	}
	return hdlc.FCF(s.Frames[len(s.Frames)-1])
}
