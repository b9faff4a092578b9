package linetest

import (
	"context"
	"time"

	"github.com/faxmesh/faxmesh/modem/line"
)

// Piece is the smallest thing that can be heard: one V.21 frame with the flags
// before it, or one image signal.
type Piece struct {
	Start, End time.Duration
	Signal     line.Signal // with one frame, if V.21
	Bad        bool        // the FCS of the frame fails
	Garbled    bool        // noticed, but cannot be received; flags without a frame
	Untrained  bool        // an image whose training was missed: no more than a carrier
}

// Raw is an end without a driver: it neither keeps silence before a signal nor
// makes one longer than it is told. A script plays it, to say what no driver
// would and to see when the other end speaks.
type Raw struct{ e *End }

// Raw turns e into the end of a script; e is not to be used any more.
func (e *End) Raw() *Raw {
	e.x.mu.Lock()
	defer e.x.mu.Unlock()
	e.gap = 0
	return &Raw{e}
}

// Now is this end's line time.
func (r *Raw) Now() time.Duration { return r.e.Now() }

// HangUp releases the call now. It may be called more than once.
func (r *Raw) HangUp() { r.e.HangUp() }

// Pause lets time pass. What the other end says meanwhile is there afterwards.
func (r *Raw) Pause(d time.Duration) {
	r.e.x.mu.Lock()
	defer r.e.x.mu.Unlock()
	r.e.now += d
	r.e.x.wake.Broadcast()
}

// Put says pieces, in order of time, none of which begins before Now. It returns
// when the last one is over.
func (r *Raw) Put(pieces ...Piece) error {
	e := r.e
	e.x.mu.Lock()
	defer e.x.mu.Unlock()
	for !e.turnLocked() {
		e.x.wake.Wait()
	}
	if e.x.released && e.x.at <= e.now {
		return line.ErrHungUp
	}
	e.peer().inbox = append(e.peer().inbox, pieces...)
	for _, p := range pieces {
		e.now, e.spoke = max(e.now, p.End), max(e.spoke, p.End)
	}
	e.x.wake.Broadcast()
	return nil
}

// Take waits until the other end has said something that began at until or
// before; false if it has not. What began while this end was speaking is lost.
// Once the call is released and all has been taken that was said before, the
// error is line.ErrHungUp.
func (r *Raw) Take(ctx context.Context, until time.Duration) (Piece, bool, error) {
	e := r.e
	stop := e.x.wakeAfter(ctx)
	defer stop()
	e.x.mu.Lock()
	defer e.x.mu.Unlock()
	e.hearing, e.deadline = true, max(until, e.now)
	defer func() { e.hearing = false }()
	e.x.wake.Broadcast()
	for {
		if err := ctx.Err(); err != nil {
			return Piece{}, false, err
		}
		for len(e.inbox) > 0 && e.inbox[0].Start <= e.deadline {
			p := e.inbox[0]
			e.inbox = e.inbox[1:]
			e.x.wake.Broadcast()
			if p.Start >= e.spoke {
				e.now = max(e.now, p.End)
				return p, true, nil
			}
		}
		if e.x.released && e.x.at <= e.deadline {
			e.now = max(e.now, e.x.at)
			return Piece{}, false, line.ErrHungUp
		}
		if e.certainLocked() {
			e.now = e.deadline
			e.x.wake.Broadcast()
			return Piece{}, false, nil
		}
		e.x.wake.Wait()
	}
}

// wakeAfter wakes whoever waits when ctx ends.
func (x *exchange) wakeAfter(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.wake.Broadcast()
	})
}
