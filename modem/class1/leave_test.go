package class1_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/class1"
	"github.com/faxmesh/faxmesh/modem/exchange"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/status"
)

// mutable is a port whose host can die: what it writes then goes nowhere, and
// its modem stays off hook.
type mutable struct {
	io.ReadWriteCloser
	dead atomic.Bool
}

func (p *mutable) Write(b []byte) (int, error) {
	if p.dead.Load() {
		return len(b), nil
	}
	return p.ReadWriteCloser.Write(b)
}

// station is a caller that can leave a call.
type station struct {
	x      *exchange.Exchange
	port   *mutable
	cancel context.CancelFunc
}

// leaving is a call that the caller leaves when it has lasted for after.
type leaving struct {
	speed float64
	ecm   bool
	after time.Duration
	leave func(station)
}

// run returns how the called station saw it, and how long its line was busy, in
// line time, once the caller had left.
func (l leaving) run(t *testing.T) (sent, received modem.Report, busy time.Duration) {
	t.Helper()
	x := exchange.New(exchange.Config{Speed: l.speed, Seed: 3})
	defer x.Close()
	plug, err := x.Plug("0301")
	if err != nil {
		t.Fatal(err)
	}
	s := station{x: x, port: &mutable{ReadWriteCloser: plug}}
	caller, err := class1.Open(t.Context(), s.port, class1.Config{Speed: l.speed})
	if err != nil {
		t.Fatal(err)
	}
	called := open(t, x, "0302", class1.Config{})
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(t.Context())
	defer s.cancel()
	var left time.Time
	time.AfterFunc(time.Duration(float64(l.after)/l.speed), func() {
		left = time.Now()
		l.leave(s)
	})
	done := make(chan modem.Report, 1)
	go func() {
		doc := document{drawing(1, 1100), drawing(2, 1100), drawing(3, 1100)}
		done <- modem.New(caller, modem.Options{NoECM: !l.ecm}).Send(ctx, modem.Outgoing{Number: "0302", Pages: doc,
			Confirmed: func(int) error { return nil }})
	}()
	m := modem.New(called, modem.Options{})
	if _, err := m.WaitRing(t.Context()); err != nil {
		t.Fatal(err)
	}
	received = m.Receive(t.Context(), modem.Incoming{Store: func(context.Context, modem.ReceivedPage) error { return nil }})
	busy = time.Duration(float64(time.Since(left)) * l.speed)
	caller.Close()
	return <-done, received, busy
}

// However and whenever a caller leaves, the called line is free as soon after
// it as T.30 says, at any speed.
func TestLeavingFreesTheLine(t *testing.T) {
	for name, c := range map[string]struct {
		leave func(station)
		limit time.Duration
	}{
		// What the modem has been given is said first, then DCN.
		"cancelled": {func(s station) { s.cancel() }, 12 * time.Second},
		"unplugged": {func(s station) { go s.port.Close() }, 2 * time.Second},
		"released":  {func(s station) { s.x.Release("0301") }, 2 * time.Second},
		// What is in the modem, its own limit of 5 s, T2, DCN.
		"falls silent": {func(s station) { s.port.dead.Store(true) }, 25 * time.Second},
	} {
		for _, speed := range []float64{1, 60} {
			for _, ecm := range []bool{false, true} {
				t.Run(fmt.Sprint(name, speed, ecm), func(t *testing.T) {
					for after := 9 * time.Second; after < 45*time.Second; after += 2900 * time.Millisecond {
						synctest.Test(t, func(t *testing.T) {
							sent, received, busy := leaving{speed, ecm, after, c.leave}.run(t)
							if busy > c.limit {
								t.Errorf("left after %v: busy for %v more (%v, %v)\n%s\n%s", after, busy, sent.Status, received.Status, sent.Transcript, received.Transcript)
							}
							// After a training check DCN and CFR collide, so that it may go unheard.
							if heard := received.Status == status.SenderLeft || received.Status == status.LineDropped; name == "cancelled" &&
								(sent.Status != status.Aborted || !heard || !strings.Contains(sent.Transcript, "> DCN")) {
								t.Errorf("left after %v: %v (%v), %v\n%s", after, sent.Status, sent.Err, received.Status, sent.Transcript)
							}
						})
					}
				})
			}
		}
	}
}

// A carrier that brings no line of a page for 5 s is given up, one that does is
// heard to its end.
func TestPageWithoutLines(t *testing.T) {
	for name, c := range map[string]struct {
		octets       []byte
		least, limit time.Duration
	}{
		"zeros":            {bytes.Repeat([]byte{0}, 40_000), 5 * time.Second, 8 * time.Second},
		"no zeros":         {bytes.Repeat([]byte{0x55}, 40_000), 5 * time.Second, 8 * time.Second},
		"an EOL every 4 s": {bytes.Repeat(append(make([]byte, 4800), 0xFF), 8), 31 * time.Second, 34 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := exchange.New(exchange.Config{})
				defer x.Close()
				caller, called := connect(t, x, class1.Config{})
				said := make(chan error, 1)
				go func() {
					said <- caller.Say(t.Context(), line.Signal{Kind: line.Page, Rate: line.V29x9600, Data: c.octets})
				}()
				before := called.Now()
				h, err := called.Hear(t.Context(), line.Listen{Rate: line.V29x9600, Want: line.Page, Timeout: 5 * time.Second})
				if took := called.Now() - before; err != nil || h.Kind != line.Image || took < c.least || took > c.limit {
					t.Errorf("heard kind %v, %v after %v", h.Kind, err, took)
				}
				if err := <-said; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
