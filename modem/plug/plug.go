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

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/status"
)

// ErrUnplugged: the modem's port is not open. Reset opens it.
var ErrUnplugged = errors.New("plug: the modem is not plugged in")

// Plug implements modem.Modem by the modem that is plugged in. Without one,
// calls end with status.ModemFailure. Like every modem it is used by one
// goroutine; Close may be called from any.
type Plug struct {
	open func(context.Context) (modem.Modem, error)

	mu     sync.Mutex
	now    modem.Modem // nil: not open
	closed bool
}

// New makes a plug without a modem; Reset calls open for one.
func New(open func(context.Context) (modem.Modem, error)) *Plug { return &Plug{open: open} }

func (p *Plug) current() modem.Modem {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// giveUp closes a modem that has failed.
func (p *Plug) giveUp(m modem.Modem) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now == m {
		p.now = nil
		m.Close() // what is broken need not close well
	}
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
func (p *Plug) Reset(ctx context.Context) error {
	var first error
	if m := p.current(); m != nil {
		if first = m.Reset(ctx); first == nil || ctx.Err() != nil {
			return first
		}
		p.giveUp(m)
	}
	m, err := p.open(ctx)
	if err != nil {
		if first != nil {
			err = fmt.Errorf("plug: the modem failed (%w), and opening it again as well: %w", first, err)
		}
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

// Close closes the modem, if there is one. It is idempotent; a Reset under way
// leaves none open.
func (p *Plug) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.now == nil {
		return nil
	}
	m := p.now
	p.now = nil
	return m.Close()
}
