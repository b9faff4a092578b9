package linetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
)

func command(f byte) line.Signal {
	return line.Signal{Kind: line.Frames, Frames: [][]byte{hdlc.Append(nil, true, f)}}
}

// at is a piece of one second.
func at(start time.Duration, s line.Signal) Piece {
	return Piece{Start: start, End: start + time.Second, Signal: s}
}

// A script says what it wants and when, and sees when the other end speaks.
func TestRaw(t *testing.T) {
	ctx := t.Context()
	a, b := Pair(nil)
	r := b.Raw()
	var heard []line.Heard
	var err error
	var wg sync.WaitGroup
	wg.Go(func() {
		defer a.HangUp()
		for range 4 {
			var h line.Heard
			if h, err = a.Hear(ctx, line.Listen{Timeout: 5 * time.Second}); err != nil {
				return
			}
			heard = append(heard, h)
		}
		err = a.Say(ctx, command(0x84))
	})
	r.Pause(2 * time.Second)
	bad := at(r.Now(), command(0x80))
	bad.Bad = true
	flags := at(bad.End, line.Signal{Kind: line.Frames})
	flags.Garbled = true
	if e := r.Put(bad, flags, at(flags.End, command(0x82))); e != nil || r.Now() != 5*time.Second {
		t.Fatalf("%v at %v", e, r.Now())
	}
	p, ok, e := r.Take(ctx, r.Now()+20*time.Second)
	wg.Wait()
	if err != nil || e != nil || !ok {
		t.Fatalf("%v, %v, %v", err, ok, e)
	}
	// The other end gave up after its five seconds, and spoke after the gap.
	if p.Start != 10*time.Second+gap || hdlc.FCF(p.Signal.Frames[0]) != 0x84 || r.Now() != p.End {
		t.Errorf("heard %+v at %v", p, r.Now())
	}
	want := []line.Heard{{Kind: line.Frame}, {Kind: line.Noise}, {Kind: line.Frame, Good: true}, {Kind: line.Nothing}}
	for i, h := range heard {
		if h.Kind != want[i].Kind || h.Good != want[i].Good {
			t.Errorf("%d: heard %+v, want %+v", i, h, want[i])
		}
	}
	if _, _, e := r.Take(ctx, r.Now()+time.Minute); !errors.Is(e, line.ErrHungUp) {
		t.Errorf("behind the call: %v", e)
	}
	if e := r.Put(at(r.Now(), command(0x82))); !errors.Is(e, line.ErrHungUp) {
		t.Errorf("said behind the call: %v", e)
	}
}

// Who speaks hears nothing of what begins meanwhile; nobody waits for ever.
func TestRawSpeaksOverTheOther(t *testing.T) {
	a, b := Pair(nil)
	r := b.Raw()
	var wg sync.WaitGroup
	var err error
	wg.Go(func() {
		defer a.HangUp()
		err = a.Say(t.Context(), command(0x84))
		if _, e := a.Hear(t.Context(), line.Listen{Timeout: time.Second}); e != nil {
			err = e
		}
	})
	if e := r.Put(at(0, command(0x82))); e != nil {
		t.Error(e)
	}
	p, ok, e := r.Take(t.Context(), 1500*time.Millisecond)
	if ok || e != nil {
		t.Errorf("heard %+v, %v", p, e)
	}
	if r.Now() != 1500*time.Millisecond {
		t.Errorf("waited until %v", r.Now())
	}
	r.HangUp()
	wg.Wait()
	if err != nil && !errors.Is(err, line.ErrHungUp) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, e := r.Take(ctx, time.Hour); !errors.Is(e, context.Canceled) {
		t.Errorf("cancelled: %v", e)
	}
}
