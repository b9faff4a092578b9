// Package exchange is a simulated telephone exchange with simulated modems
// plugged into it.
//
// It has numbers, DID blocks, dial time, ringing, busy and missing lines, and
// its lines can be made noisy, slow or short-lived while calls run on them. A
// program plugs in a modem under a number and speaks AT with it as with
// hardware; nothing leaves the machine but what Serve offers to other programs
// on it. Line time runs Speed times the wall clock.
package exchange

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/modem/softmodem"
)

// Limits of an Exchange.
const (
	MaxLines  = 1000
	maxDigits = 40
)

// Errors of Plug.
var (
	ErrInUse  = errors.New("simulated exchange: number is already plugged in")
	ErrNumber = errors.New("simulated exchange: a number has 1 to 40 of the characters 0-9 * # +")
	ErrFull   = errors.New("simulated exchange: no free line")
	ErrClosed = errors.New("simulated exchange: closed")
)

// Config is how an exchange is built. The zero value is a quiet exchange in
// real time. All times are line time.
type Config struct {
	Speed      float64 // line seconds in one of wall time; default 1
	Seed       uint64  // of noise and of received bits' phase
	Conditions Conditions
	DialTime   time.Duration // from ATD to the first ring; default 1 s
	RingTime   time.Duration // from the first ring to the exchange's giving up; default 60 s
	// Observe is told of calls, one event at a time. It must neither wait nor
	// call the exchange. May be nil.
	Observe func(Event)
	Log     *slog.Logger // may be nil
}

// Treatment is what happens to calls to a number without a modem.
type Treatment uint8

// The treatments.
const (
	AlwaysBusy   Treatment = iota + 1
	NeverAnswers           // rings for ever
	Voice                  // answers and says nothing that a modem knows
)

// Exchange is a running exchange.
type Exchange struct {
	cfg   Config
	clock *softmodem.Clock
	wake  chan struct{}
	done  chan struct{}

	mu         sync.Mutex
	lines      map[string]*socket
	blocks     map[string][]string // DID prefix: lines to hunt through
	reserved   map[string]Treatment
	calls      map[uint64]*call
	lastCall   uint64
	conditions Conditions
	closed     bool
}

// New starts an exchange; Close stops it.
func New(cfg Config) *Exchange {
	if cfg.DialTime <= 0 {
		cfg.DialTime = time.Second
	}
	if cfg.RingTime <= 0 {
		cfg.RingTime = time.Minute
	}
	if cfg.Observe == nil {
		cfg.Observe = func(Event) {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	x := &Exchange{
		cfg:        cfg,
		clock:      softmodem.NewClock(cfg.Speed),
		wake:       make(chan struct{}, 1),
		done:       make(chan struct{}),
		lines:      make(map[string]*socket),
		blocks:     make(map[string][]string),
		reserved:   make(map[string]Treatment),
		calls:      make(map[uint64]*call),
		conditions: cfg.Conditions,
	}
	go x.run()
	return x
}

// Speed is the number of seconds of line time in one of wall time.
func (x *Exchange) Speed() float64 { return x.clock.Speed() }

// Plug connects a new modem under number and returns its port, which speaks AT.
// Closing the port unplugs it.
func (x *Exchange) Plug(number string) (io.ReadWriteCloser, error) {
	if !validNumber(number) {
		return nil, fmt.Errorf("%w: %.50q", ErrNumber, number)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.closed:
		return nil, ErrClosed
	case x.lines[number] != nil:
		return nil, fmt.Errorf("%w: %s", ErrInUse, number)
	case len(x.lines) >= MaxLines:
		return nil, ErrFull
	}
	s := &socket{ex: x, number: number}
	s.modem = softmodem.New(s, x.clock, x.cfg.Seed^uint64(len(x.lines)+1), s.unplug)
	x.lines[number] = s
	x.cfg.Log.Info("simulated modem plugged in", "number", number)
	return s.modem.Port(), nil
}

func validNumber(number string) bool {
	return number != "" && len(number) <= maxDigits && strings.Trim(number, "0123456789*#+") == ""
}

// Block leads calls to every number that begins with prefix and has no line of
// its own to the first free one of lines: a DID block, or a hunt group. The
// longest prefix decides; no lines take the block away.
func (x *Exchange) Block(prefix string, lines ...string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(lines) == 0 {
		delete(x.blocks, prefix)
		return
	}
	x.blocks[prefix] = append([]string(nil), lines...)
}

// Reserve gives calls to number a treatment; 0 takes it away.
func (x *Exchange) Reserve(number string, t Treatment) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if t == 0 {
		delete(x.reserved, number)
		return
	}
	x.reserved[number] = t
}

// SetConditions changes what all lines without conditions of their own are
// like, for calls under way as well.
func (x *Exchange) SetConditions(c Conditions) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.conditions = c
}

// SetLineConditions changes what calls to or from a plugged number are like;
// nil goes back to those of all lines. It is false if there is no such line.
func (x *Exchange) SetLineConditions(number string, c *Conditions) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.lines[number]
	if s == nil {
		return false
	}
	s.conditions = c
	return true
}

// Release hangs up the call on a plugged number from the exchange's side. It is
// false if there is none.
func (x *Exchange) Release(number string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.lines[number]
	if s == nil || s.call == nil {
		return false
	}
	x.endLocked(s.call, nil, "released by the exchange")
	return true
}

// Close unplugs all modems. It is idempotent and returns when their goroutines
// and its own have ended.
func (x *Exchange) Close() error {
	x.mu.Lock()
	x.closed = true
	sockets := make([]*socket, 0, len(x.lines))
	for _, s := range x.lines {
		sockets = append(sockets, s)
	}
	x.mu.Unlock()
	for _, s := range sockets {
		s.unplug()
	}
	x.bell()
	<-x.done
	return nil
}

func (x *Exchange) bell() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// run moves calls on when their time has come.
func (x *Exchange) run() {
	defer close(x.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		now := x.clock.Now()
		next, beat, open := x.advance(now)
		if !open {
			return
		}
		wait := max(x.clock.Wall(next-now), 0)
		if beat {
			wait = min(wait, softmodem.Beat)
		}
		if next != never || beat {
			timer.Reset(wait)
		}
		select {
		case <-timer.C:
		case <-x.wake:
		}
	}
}

func (x *Exchange) advance(now time.Duration) (next time.Duration, beat, open bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	next = never
	for _, c := range x.calls {
		for c.due <= now && x.calls[c.id] != nil {
			x.stepLocked(c, now)
		}
		if x.calls[c.id] != nil {
			next = min(next, c.due)
		}
	}
	return next, x.clock.InCall(len(x.calls) > 0), !x.closed
}
