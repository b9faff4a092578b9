package class1_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/class1"
	"github.com/faxmesh/faxmesh/modem/exchange"
	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/status"
)

func open(t *testing.T, x *exchange.Exchange, number string, cfg class1.Config) *class1.Phone {
	t.Helper()
	port, err := x.Plug(number)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Speed = x.Speed()
	p, err := class1.Open(t.Context(), port, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// connect calls 0302 from 0301 and returns both ends.
func connect(t *testing.T, x *exchange.Exchange, cfg class1.Config) (caller, called line.Line) {
	t.Helper()
	a, b := open(t, x, "0301", cfg), open(t, x, "0302", cfg)
	answered := make(chan line.Line, 1)
	go func() {
		ring, err := b.WaitRing(t.Context())
		if err != nil || ring != (modem.Ring{Caller: "0301", Called: "0302"}) {
			t.Errorf("ring %+v, %v", ring, err)
		}
		l, err := b.Answer(t.Context())
		if err != nil {
			t.Errorf("answer: %v", err)
		}
		answered <- l
		if err := l.Say(t.Context(), frames(0x80)); err != nil {
			t.Errorf("first signal: %v", err)
		}
		answered <- l
	}()
	caller, err := a.Dial(t.Context(), "0302")
	if err != nil {
		t.Fatal(err)
	}
	hearFrame(t, caller, 0x80)
	<-answered
	return caller, <-answered
}

func frames(fcfs ...byte) line.Signal {
	s := line.Signal{Kind: line.Frames}
	for i, f := range fcfs {
		s.Frames = append(s.Frames, hdlc.Append(nil, i == len(fcfs)-1, f, 0x10, 0x10, 0x03))
	}
	return s
}

func hearFrame(t *testing.T, l line.Line, fcf byte) {
	t.Helper()
	h, err := l.Hear(t.Context(), line.Listen{Timeout: 5 * time.Second})
	if err != nil || h.Kind != line.Frame || !h.Good || hdlc.FCF(h.Data) != fcf {
		t.Fatalf("heard %+v, %v; want a frame %#x", h, err, fcf)
	}
}

// bits finds what was sent in what was received: the receiver does not know
// where the sender's octets began.
func contains(received, sent []byte) bool {
	for shift := range 8 {
		shifted := make([]byte, 0, len(received))
		for i := 0; i+1 < len(received); i++ {
			shifted = append(shifted, byte((uint16(received[i+1])<<8|uint16(received[i]))>>shift))
		}
		if bytes.Contains(shifted, sent) {
			return true
		}
	}
	return false
}

func TestSignalsCross(t *testing.T) {
	for name, cfg := range map[string]class1.Config{"adaptive": {}, "not adaptive": {Bugs: class1.Bugs{NoAdaptive: true}}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := exchange.New(exchange.Config{Seed: 7})
				defer x.Close()
				caller, called := connect(t, x, cfg)
				cross(t, caller, called)
			})
		})
	}
}

// cross sends one signal of each kind and compares what is heard.
func cross(t *testing.T, caller, called line.Line) {
	t.Helper()
	page := bytes.Repeat([]byte("\x10\x03 page \x11\x13"), 300)
	block := [][]byte{hdlc.Append(nil, false, 0x06, 0, 0x10, 0xFF, 0xFF), hdlc.Append(nil, false, 0x86), hdlc.Append(nil, false, 0x86)}
	said := make(chan error, 1)
	say := func(l line.Line, signals ...line.Signal) {
		go func() {
			for _, s := range signals {
				if err := l.Say(t.Context(), s); err != nil {
					said <- err
					return
				}
			}
			said <- nil
		}()
	}
	done := func() {
		t.Helper()
		if err := <-said; err != nil {
			t.Fatalf("say: %v", err)
		}
	}
	image := func(l line.Listen) line.Heard {
		t.Helper()
		l.Timeout = 5 * time.Second
		h, err := called.Hear(t.Context(), l)
		if err != nil || h.Kind != line.Image {
			t.Fatalf("heard kind %v, %v; want an image", h.Kind, err)
		}
		return h
	}

	say(caller, frames(0x43, 0x83), line.Signal{Kind: line.Training, Rate: line.V17x14400})
	hearFrame(t, called, 0x43)
	hearFrame(t, called, 0x83)
	tcf := image(line.Listen{Rate: line.V17x14400, Want: line.Training}).Data
	if !contains(tcf, make([]byte, 2690)) {
		t.Errorf("training check of %d octets lacks its zeros", len(tcf))
	}
	done()

	say(called, frames(0x84))
	hearFrame(t, caller, 0x84)
	done()

	say(caller, line.Signal{Kind: line.Page, Rate: line.V17x14400, Short: true, Data: page}, frames(0x2F))
	if got := image(line.Listen{Rate: line.V17x14400, Short: true, Want: line.Page}).Data; !contains(got, page) {
		t.Errorf("page of %d octets came as %d others", len(page), len(got))
	}
	hearFrame(t, called, 0x2F)
	done()

	say(caller, line.Signal{Kind: line.Block, Rate: line.V29x9600, Frames: block})
	if got := image(line.Listen{Rate: line.V29x9600, Want: line.Block}).Frames; len(got) != 3 || !bytes.Equal(got[0], block[0]) {
		t.Errorf("block %x came as %x", block, got)
	}
	done()

	// The far end repeats a command where an image was expected.
	say(caller, frames(0x83))
	h, err := called.Hear(t.Context(), line.Listen{Rate: line.V29x9600, Want: line.Page, Timeout: 5 * time.Second})
	if err != nil || h.Kind != line.Frame || !h.Good || hdlc.FCF(h.Data) != 0x83 {
		t.Errorf("V.21 in place of an image: %+v, %v", h, err)
	}
	done()

	// It sends what the receiver is not set to.
	say(caller, line.Signal{Kind: line.Training, Rate: line.V27ter4800})
	h, err = called.Hear(t.Context(), line.Listen{Rate: line.V29x9600, Want: line.Page, Timeout: 5 * time.Second})
	if err != nil || h.Kind != line.Noise {
		t.Errorf("wrong carrier: %+v, %v", h, err)
	}
	done()
}

func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := exchange.New(exchange.Config{})
		defer x.Close()
		caller, _ := connect(t, x, class1.Config{})
		for _, l := range []line.Listen{{}, {Rate: line.V29x9600, Want: line.Page}} {
			l.Timeout = 3 * time.Second
			before := caller.Now()
			h, err := caller.Hear(t.Context(), l)
			if took := caller.Now() - before; err != nil || h.Kind != line.Nothing || took < l.Timeout || took > l.Timeout+200*time.Millisecond {
				t.Errorf("silence: %+v, %v after %v", h, err, took)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := caller.Hear(ctx, line.Listen{Timeout: time.Minute}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("cancelled: %v", err)
		}
		// The modem is in command state again and can speak.
		if err := caller.Say(t.Context(), frames(0xFA)); err != nil {
			t.Errorf("say after cancelling: %v", err)
		}
	})
}

func TestHangUpIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := exchange.New(exchange.Config{})
		defer x.Close()
		caller, called := connect(t, x, class1.Config{})
		go func() {
			time.Sleep(5 * time.Second)
			x.Release("0302")
		}()
		page := line.Signal{Kind: line.Page, Rate: line.V29x9600, Data: bytes.Repeat([]byte{1}, 20000)}
		said := make(chan error, 1)
		go func() { said <- caller.Say(t.Context(), page) }()
		for {
			_, err := called.Hear(t.Context(), line.Listen{Rate: line.V29x9600, Want: line.Page, Timeout: 5 * time.Second})
			if err != nil {
				if !errors.Is(err, line.ErrHungUp) {
					t.Errorf("receiver: %v", err)
				}
				break
			}
		}
		if err := <-said; !errors.Is(err, line.ErrHungUp) {
			t.Errorf("sender: %v", err)
		}
		if err := caller.Say(t.Context(), frames(0xFA)); !errors.Is(err, line.ErrHungUp) {
			t.Errorf("sender afterwards: %v", err)
		}
	})
}

func TestDialFailures(t *testing.T) {
	tests := map[string]status.Code{
		"0398": status.Busy, "0399": status.NoAnswer, "0397": status.NoCarrier, "77": status.UnknownNo,
		"0302\rATH": status.UnknownNo, "": status.UnknownNo,
	}
	synctest.Test(t, func(t *testing.T) {
		x := exchange.New(exchange.Config{})
		defer x.Close()
		x.Reserve("0398", exchange.AlwaysBusy)
		x.Reserve("0399", exchange.NeverAnswers)
		x.Reserve("0397", exchange.Voice)
		p := open(t, x, "0301", class1.Config{})
		for number, want := range tests {
			_, err := p.Dial(t.Context(), number)
			var failed *status.Error
			if !errors.As(err, &failed) || failed.Code != want {
				t.Errorf("dial %q: %v, want %v", number, err, want)
			}
			if err := p.HangUp(t.Context()); err != nil {
				t.Errorf("hang up after %q: %v", number, err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var failed *status.Error
		if _, err := p.Dial(ctx, "0399"); !errors.As(err, &failed) || failed.Code != status.Aborted {
			t.Errorf("cancelled: %v", err)
		}
		if err := p.Reset(t.Context()); err != nil {
			t.Errorf("reset: %v", err)
		}
	})
}
