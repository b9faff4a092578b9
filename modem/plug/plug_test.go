package plug

import (
	"context"
	"errors"
	"strings"
	"testing"

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
