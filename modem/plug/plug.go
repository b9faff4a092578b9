// Package plug is a modem whose port comes and goes.
//
// A USB cable is pulled, a modem is switched off, a simulated exchange is
// started later than the node. Who owns the modem sees calls fail then, and
// resets it; that opens the port, again if need be.
package plug

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/status"
)

// Limits of what a port may hang in: drivers of adapters that are dying do not
// return from opening and closing.
const (
	openTime  = 20 * time.Second
	closeTime = 5 * time.Second
)

// Errors of a Plug.
var (
	// ErrUnplugged: the modem's port is not open. Reset opens it.
	ErrUnplugged = errors.New("plug: the modem is not plugged in")
	// ErrHangs: the system does not come back from opening or closing the port.
	ErrHangs = errors.New("plug: the port hangs; plug its adapter out and in again")
)

// Plug implements modem.Modem by the modem that is plugged in. Without one,
// calls end with status.ModemFailure. Like every modem it is used by one
// goroutine; Close may be called from any.
type Plug struct {
	open func(context.Context) (modem.Modem, error)

	mu      sync.Mutex
	now     modem.Modem // nil: not open
	opening *opening    // nil: none has begun, or what has come of it was seen
	closed  bool
}

// opening is a port being opened, by a goroutine of its own since the system may
// hang in it. No second one is begun beside it.
type opening struct {
	done chan struct{}
	err  error // set before done is closed
}

// New makes a plug without a modem; Reset calls open for one.
func New(open func(context.Context) (modem.Modem, error)) *Plug { return &Plug{open: open} }

func (p *Plug) current() modem.Modem {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// Send implements modem.Modem.
func (p *Plug) Send(ctx context.Context, out modem.Outgoing) modem.Report {
	m := p.current()
	if m == nil {
		return modem.Report{Status: status.ModemFailure, Err: ErrUnplugged}
	}
	return m.Send(ctx, out)
}

// WaitRing implements modem.Modem.
func (p *Plug) WaitRing(ctx context.Context) (modem.Ring, error) {
	m := p.current()
	if m == nil {
		return modem.Ring{}, ErrUnplugged
	}
	return m.WaitRing(ctx)
}

// Receive implements modem.Modem.
func (p *Plug) Receive(ctx context.Context, in modem.Incoming) modem.Report {
	m := p.current()
	if m == nil {
		return modem.Report{Status: status.ModemFailure, Err: ErrUnplugged}
	}
	return m.Receive(ctx, in)
}

// Reset resets the modem. One that does not answer has its port closed, which
// drops DTR, and opened anew: that wakes modems that hang, and finds those that
// were away. On error there is no modem; Reset may be called again at any time.
// If the port hangs it returns ErrHangs, and waits on for the same port when it
// is called again.
func (p *Plug) Reset(ctx context.Context) error {
	var first error
	if m := p.current(); m != nil {
		if first = m.Reset(ctx); first == nil || ctx.Err() != nil {
			return first
		}
	}
	err := p.await(ctx, p.reopen(ctx))
	if err != nil && first != nil {
		err = fmt.Errorf("plug: the modem failed (%w), and opening it again as well: %w", first, err)
	}
	return err
}

// reopen closes the modem and begins to open it, unless that is under way.
func (p *Plug) reopen(ctx context.Context) *opening {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.opening != nil {
		select {
		case <-p.opening.done: // nobody has waited for it to the end
			if p.now != nil {
				return p.opening
			}
		default:
			return p.opening
		}
	}
	old, o := p.now, &opening{done: make(chan struct{})}
	p.now, p.opening = nil, o
	go func() {
		if old != nil {
			old.Close() // what is broken need not close well
		}
		limited, cancel := context.WithTimeout(ctx, openTime)
		defer cancel()
		m, err := p.open(limited)
		o.err = p.settle(m, err)
		close(o.done)
	}()
	return o
}

// settle takes over a modem that has been opened, unless the plug is closed.
func (p *Plug) settle(m modem.Modem, err error) error {
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errors.Join(ErrUnplugged, m.Close())
	}
	p.now = m
	return nil
}

// await waits for o to end, so long as a port may take.
func (p *Plug) await(ctx context.Context, o *opening) error {
	late := time.NewTimer(openTime + closeTime)
	defer late.Stop()
	select {
	case <-o.done:
		p.mu.Lock()
		p.opening = nil
		p.mu.Unlock()
		return o.err
	case <-late.C:
		return ErrHangs
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.Canceled) {
			return ctx.Err()
		}
		return fmt.Errorf("%w: %w", ErrHangs, ctx.Err())
	}
}

// Close closes the modem, if there is one, within seconds. It is idempotent; a
// Reset under way leaves none open.
func (p *Plug) Close() error {
	p.mu.Lock()
	m := p.now
	p.closed, p.now = true, nil
	p.mu.Unlock()
	if m == nil {
		return nil
	}
	closed := make(chan error, 1)
	go func() { closed <- m.Close() }()
	late := time.NewTimer(closeTime)
	defer late.Stop()
	select {
	case err := <-closed:
		return err
	case <-late.C:
		return ErrHangs
	}
}
