package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/node"
)

// brittle is a modem that works until broken is set.
type brittle struct{ broken, closed bool }

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
func (b *brittle) Reset(context.Context) error                  { return b.err() }
func (b *brittle) Close() error                                 { b.closed = true; return nil }

func TestPluggedComesBack(t *testing.T) {
	ctx := t.Context()
	var there []*brittle
	missing := true
	p := &plugged{open: func(context.Context) (modem.Modem, error) {
		if missing {
			return nil, errBroken
		}
		there = append(there, &brittle{})
		return there[len(there)-1], nil
	}}
	if err := p.Reset(ctx); !errors.Is(err, errBroken) {
		t.Fatalf("reset without a modem: %v", err)
	}
	if _, err := p.WaitRing(ctx); !errors.Is(err, errUnplugged) {
		t.Fatalf("waiting without a modem: %v", err)
	}
	if r := p.Send(ctx, modem.Outgoing{}); r.Status != status.ModemFailure {
		t.Fatalf("sending without a modem: %v", r.Status)
	}
	if r := p.Receive(ctx, modem.Incoming{}); r.Status != status.ModemFailure {
		t.Fatalf("receiving without a modem: %v", r.Status)
	}

	missing = false
	if err := p.Reset(ctx); err != nil {
		t.Fatal(err)
	}
	if r := p.Send(ctx, modem.Outgoing{}); r.Pages != 1 {
		t.Error("an open modem does not send")
	}
	if _, err := p.WaitRing(ctx); err != nil {
		t.Error(err)
	}

	// The cable is pulled: the modem is given up and found again.
	there[0].broken = true
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := p.WaitRing(cancelled); err == nil || there[0].closed {
		t.Error("an interrupted wait gives the modem up")
	}
	if _, err := p.WaitRing(ctx); !errors.Is(err, errBroken) || !there[0].closed {
		t.Errorf("a failed wait: %v, closed %v", err, there[0].closed)
	}
	if err := p.Reset(ctx); err != nil || len(there) != 2 {
		t.Fatalf("opened %d times, %v", len(there), err)
	}
	there[1].broken = true
	if err := p.Reset(ctx); !errors.Is(err, errBroken) || !there[1].closed {
		t.Errorf("a failed reset: %v, closed %v", err, there[1].closed)
	}

	if err := p.Reset(ctx); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if !there[2].closed {
		t.Error("Close leaves the modem open")
	}
	if err := p.Reset(ctx); err == nil || !there[3].closed {
		t.Error("a closed one can be opened again")
	}
}

func TestRetriesKeepLineTime(t *testing.T) {
	line := func(speed float64) node.Line { return node.Line{Modem: &plugged{speed: speed}} }
	for _, c := range []struct {
		lines []node.Line
		want  time.Duration
	}{
		{nil, time.Minute},
		{[]node.Line{line(1)}, time.Minute},
		{[]node.Line{line(20), line(20)}, 3 * time.Second},
		{[]node.Line{line(20), line(1)}, time.Minute},
		{[]node.Line{line(20), line(0)}, time.Minute}, // never open: nobody knows
	} {
		if got := retryPolicy(c.lines).Minute; got != c.want {
			t.Errorf("%d lines: a minute of %v, want %v", len(c.lines), got, c.want)
		}
	}
}
