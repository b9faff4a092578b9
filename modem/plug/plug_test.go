package plug

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/status"
)

// brittle is a modem that works until broken is set.
type brittle struct {
	broken, closed bool
	resets         int
}

var errBroken = errors.New("broken")

func (b *brittle) err() error {
	if b.broken {
		return errBroken
	}
	return nil
}

func (b *brittle) Send(context.Context, modem.Outgoing) modem.Report { return modem.Report{Pages: 1} }
func (b *brittle) Receive(context.Context, modem.Incoming) modem.Report {
	return modem.Report{Pages: 2}
}
func (b *brittle) WaitRing(context.Context) (modem.Ring, error) { return modem.Ring{}, b.err() }
func (b *brittle) Reset(context.Context) error                  { b.resets++; return b.err() }
func (b *brittle) Close() error                                 { b.closed = true; return nil }

// socket is where brittle modems are plugged in, or none.
type socket struct {
	*Plug
	modems []*brittle
	empty  bool
}

func newSocket() *socket {
	s := &socket{}
	s.Plug = New(func(context.Context) (modem.Modem, error) {
		if s.empty {
			return nil, errBroken
		}
		s.modems = append(s.modems, &brittle{})
		return s.modems[len(s.modems)-1], nil
	})
	return s
}

func TestWithoutAModem(t *testing.T) {
	s, ctx := newSocket(), t.Context()
	s.empty = true
	if err := s.Reset(ctx); !errors.Is(err, errBroken) {
		t.Errorf("reset: %v", err)
	}
	if _, err := s.WaitRing(ctx); !errors.Is(err, ErrUnplugged) {
		t.Errorf("waiting: %v", err)
	}
	if r := s.Send(ctx, modem.Outgoing{}); r.Status != status.ModemFailure {
		t.Errorf("sending: %v", r.Status)
	}
	if r := s.Receive(ctx, modem.Incoming{}); r.Status != status.ModemFailure {
		t.Errorf("receiving: %v", r.Status)
	}
	s.empty = false
	if err := s.Reset(ctx); err != nil {
		t.Fatal(err)
	}
	if s.Send(ctx, modem.Outgoing{}).Pages != 1 || s.Receive(ctx, modem.Incoming{}).Pages != 2 {
		t.Error("a modem that is there is not used")
	}
	if _, err := s.WaitRing(ctx); err != nil {
		t.Error(err)
	}
}

// A modem that answers its reset is kept; another is closed and opened again
// by the same reset.
func TestReset(t *testing.T) {
	s, ctx := newSocket(), t.Context()
	for range 2 {
		if err := s.Reset(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.modems) != 1 || s.modems[0].resets != 1 || s.modems[0].closed {
		t.Fatalf("%d modems were opened, the first is %+v", len(s.modems), s.modems[0])
	}
	s.modems[0].broken = true
	if err := s.Reset(ctx); err != nil || len(s.modems) != 2 || !s.modems[0].closed {
		t.Errorf("a hanging modem: %v, %d opened, closed %v", err, len(s.modems), s.modems[0].closed)
	}
	s.modems[1].broken, s.empty = true, true
	if err := s.Reset(ctx); !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "as well") || !s.modems[1].closed {
		t.Errorf("a modem that is gone: %v", err)
	}
	if _, err := s.WaitRing(ctx); !errors.Is(err, ErrUnplugged) {
		t.Errorf("and then: %v", err)
	}
}

// Whoever interrupts a reset gets a modem that may be fine.
func TestInterruptedReset(t *testing.T) {
	s := newSocket()
	if err := s.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.modems[0].broken = true
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Reset(ctx); err == nil || s.modems[0].closed {
		t.Errorf("%v, closed %v", err, s.modems[0].closed)
	}
}

func TestClose(t *testing.T) {
	s, ctx := newSocket(), t.Context()
	if err := s.Reset(ctx); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if !s.modems[0].closed {
		t.Error("the modem stays open")
	}
	if err := s.Reset(ctx); !errors.Is(err, ErrUnplugged) || !s.modems[1].closed {
		t.Error("a closed plug can be opened again")
	}
}

// A port in which the system hangs holds nobody up for ever, is not opened twice
// at a time, and is used when it comes back after all.
func TestPortHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, opened := make(chan struct{}), 0
		m := &brittle{}
		p := New(func(context.Context) (modem.Modem, error) {
			opened++
			<-release
			return m, nil
		})
		begun := time.Now()
		if err := p.Reset(t.Context()); !errors.Is(err, ErrHangs) || time.Since(begun) > time.Minute {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Reset(ctx); !errors.Is(err, ErrHangs) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("again: %v", err)
		}
		if _, err := p.WaitRing(t.Context()); !errors.Is(err, ErrUnplugged) {
			t.Errorf("meanwhile: %v", err)
		}
		close(release)
		if err := p.Reset(t.Context()); err != nil || opened != 1 {
			t.Errorf("when it is there: %v, opened %d times", err, opened)
		}
		if _, err := p.WaitRing(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// An opening that was interrupted says nothing about the next one.
func TestInterruptedOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &brittle{}
		p := New(func(ctx context.Context) (modem.Modem, error) { return m, ctx.Err() })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.Reset(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, ErrHangs) {
			t.Errorf("interrupted: %v", err)
		}
		synctest.Wait()
		if err := p.Reset(t.Context()); err != nil {
			t.Errorf("then: %v", err)
		}
	})
}

// slowToClose is a modem whose port hangs when it is closed.
type slowToClose struct {
	brittle
	release chan struct{}
}

func (s *slowToClose) Close() error { <-s.release; return nil }

func TestCloseHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &slowToClose{release: make(chan struct{})}
		defer close(m.release)
		p := New(func(context.Context) (modem.Modem, error) { return m, nil })
		if err := p.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
		m.broken = true
		if err := p.Reset(t.Context()); !errors.Is(err, ErrHangs) || !errors.Is(err, errBroken) {
			t.Errorf("reset: %v", err)
		}
		q := New(func(context.Context) (modem.Modem, error) { return m, nil })
		m.broken = false
		if err := q.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := q.Close(); !errors.Is(err, ErrHangs) {
			t.Errorf("close: %v", err)
		}
		if err := p.Close(); err != nil {
			t.Errorf("closing what is not open: %v", err)
		}
	})
}

// A plug that is closed while its port hangs leaves no modem open.
func TestCloseWhileOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		m := &brittle{}
		p := New(func(context.Context) (modem.Modem, error) { <-release; return m, nil })
		reset := make(chan error, 1)
		go func() { reset <- p.Reset(t.Context()) }()
		synctest.Wait()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		close(release)
		if err := <-reset; !errors.Is(err, ErrUnplugged) || !m.closed {
			t.Errorf("%v, closed %v", err, m.closed)
		}
	})
}
