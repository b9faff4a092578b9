package t30_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/line/linetest"
	"github.com/faxmesh/faxmesh/modem/status"
)

// honest checks what must hold however a call has gone: whatever the sender
// counts as sent is stored at the other end, in order, octet for octet.
func honest(t *testing.T, c call, out outcome) {
	t.Helper()
	if out.sent.Pages != len(out.confirmed) {
		t.Errorf("%d pages reported, %v confirmed", out.sent.Pages, out.confirmed)
	}
	if out.sent.Status == status.OK && len(out.confirmed) != len(c.pages)-c.first {
		t.Errorf("success with pages %v confirmed", out.confirmed)
	}
	stored := out.stored
	for i, page := range out.confirmed {
		if page != c.first+i {
			t.Fatalf("confirmed %v", out.confirmed)
		}
		for {
			if len(stored) == 0 {
				t.Fatalf("page %d is confirmed and not stored", page)
			}
			got := bytes.TrimRight(stored[0], "\x00")
			stored = stored[1:]
			if bytes.Equal(got, c.pages[page]) {
				break
			}
		}
	}
}

// badLine damages one transmission in three at random.
func badLine(seed uint64) linetest.Damage {
	r := rand.New(rand.NewPCG(seed, 7))
	return func(t *linetest.Transmission) {
		switch r.IntN(20) {
		case 0:
			t.Lost = true
		case 1:
			t.Garbled = t.Signal.Kind != line.Frames
			t.Bad[0] = true
		case 2, 3:
			for i := range t.Signal.Frames {
				t.Bad[i] = r.IntN(3) == 0
			}
		case 4:
			t.HangUp = r.IntN(10) == 0
		case 5:
			t.Untrained = t.Signal.Kind == line.Block || t.Signal.Kind == line.Page
		case 6:
			if t.Signal.Kind == line.Block { // of a page without ECM its decoder would tell
				t.Broken = time.Duration(r.IntN(20)) * 400 * time.Millisecond
			}
		}
	}
}

func TestHonestOnBadLines(t *testing.T) {
	good := 0
	const calls = 400
	for seed := range uint64(calls) {
		c := call{sender: everything(), receiver: everything(), pages: pages(3000, 70000, 200), damage: badLine(seed)}
		if seed%2 == 1 {
			c.sender = plain
		}
		if seed%3 == 2 {
			c.formats = append(c.formats, standard, fine, fine)
		}
		out := c.run(t)
		honest(t, c, out)
		if out.sent.Status == status.OK {
			good++
		}
		if t.Failed() {
			t.Fatalf("seed %d\nsender\n%sreceiver\n%s", seed, out.sent.Transcript, out.received.Transcript)
		}
	}
	// Most calls get through all the same.
	if good < calls/2 {
		t.Errorf("%d of %d calls succeeded", good, calls)
	}
}

// A call may be broken off at any moment, from both sides.
func TestAbortAnywhere(t *testing.T) {
	for _, caps := range []string{"ecm", "plain"} {
		for side := linetest.Caller; side <= linetest.Called; side++ {
			aborted := 0
			for step := range 40 {
				c := call{sender: everything(), receiver: everything(), pages: pages(3000, 3000)}
				if caps == "plain" {
					c.sender = plain
				}
				c.abort = map[linetest.Side]int{side: step}
				out := c.run(t)
				honest(t, c, out)
				own, other := out.sent, out.received
				if side == linetest.Called {
					own, other = other, own
				}
				switch own.Status {
				case status.Aborted:
					aborted++
				case status.OK:
				default:
					t.Errorf("%s, side %d, step %d: ended %v", caps, side, step, own.Status)
				}
				if other.Status == status.Aborted {
					t.Errorf("%s, side %d, step %d: the other end says it was aborted", caps, side, step)
				}
			}
			if aborted < 10 {
				t.Errorf("%s, side %d: only %d calls were aborted", caps, side, aborted)
			}
		}
	}
}
