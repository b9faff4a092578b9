package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/line/linetest"
)

// defaultTimeout bounds the wait for a signal where the script names no time:
// T1, with its tolerance, is the longest that T.30 lets a station be silent.
const defaultTimeout = 40 * time.Second

// cedLength is T.30's called station identification tone.
const cedLength = 3 * time.Second

// wire is the tester's end of a call: signals without a driver under them.
type wire interface {
	// Now is line time.
	Now() time.Duration
	// Pause lets time pass.
	Pause(time.Duration)
	// Put says pieces, which begin at Now or later.
	Put(...linetest.Piece) error
	// Take waits for a piece that began at until or before.
	Take(ctx context.Context, until time.Duration) (linetest.Piece, bool, error)
	// Hush waits until the device's carrier is gone.
	Hush(ctx context.Context) error
	HangUp()
}

// player is the tester of one script: what it says and what it has heard.
type player struct {
	wire
	dut    *device
	images *images

	next    []linetest.Piece // heard, but left by a repetition that was over
	times   timing
	trained bool        // short training is due in V.17
	long    bool        // the tester's next image needs long training (CTR, ERR)
	session dis.Session // of the last DCS said
	chosen  dis.Session // of the last DCS heard
	fetched arriving    // pages that the device sends
	said    leaving     // pages that the tester sends
	cleared bool        // the tester has released the call
}

// deviation is the first thing that went another way than the script says.
type deviation struct {
	at   int // index of the step
	step step
	err  error
}

func (d *deviation) Error() string {
	return fmt.Sprintf("step %d (line %d), %v: %v", d.at+1, d.step.line, d.step, d.err)
}

func (d *deviation) Unwrap() error { return d.err }

// play goes through steps; it returns the first deviation.
func (p *player) play(ctx context.Context, steps []step) error {
	for i := 0; i < len(steps); {
		s, n := steps[i], 1
		var err error
		switch {
		case s.kind == "REPEAT":
			err = p.repeat(ctx, s)
		case s.dir == "T" && speaks[s.kind]:
			n, err = p.speak(steps[i:])
		case s.dir == "R":
			err = p.expect(ctx, s)
		default:
			err = p.other(ctx, s)
		}
		if inner := (*deviation)(nil); errors.As(err, &inner) {
			return err
		}
		if err != nil {
			return &deviation{at: i, step: s, err: err}
		}
		i += n
	}
	return nil
}

// repeat plays its steps as long as the device begins them once more.
func (p *player) repeat(ctx context.Context, s step) error {
	if len(s.repeat) == 0 {
		return errors.New("nothing to repeat")
	}
	first := s.repeat[0]
	if s.max == 0 && first.dir != "R" {
		return errors.New("a repetition that the tester begins needs a max")
	}
	for n := 0; s.max == 0 || n < s.max; n++ {
		if n >= s.min && first.dir == "R" {
			again, err := p.begins(ctx, first)
			if err != nil || !again {
				return err
			}
		}
		if err := p.play(ctx, s.repeat); err != nil {
			return fmt.Errorf("repetition %d: %w", n+1, err)
		}
	}
	return nil
}

// begins reports whether what is heard next is what s expects, and leaves it.
// Optional frames may come before it.
func (p *player) begins(ctx context.Context, s step) (found bool, err error) {
	var heard []linetest.Piece
	defer func() { p.next = append(heard, p.next...) }()
	for {
		piece, ok, err := p.take(ctx, p.Now()+defaultTimeout)
		if errors.Is(err, line.ErrHungUp) {
			return false, nil // what is expected next will say so
		}
		if err != nil || !ok {
			return false, err
		}
		heard = append(heard, piece)
		if piece.Signal.Kind != line.Frames {
			kind, image := imageKinds[s.kind]
			return image && kind == piece.Signal.Kind, nil
		}
		if s.kind != "HDLC" {
			return false, nil
		}
		ok, err = matches(s, piece.Signal.Frames[0])
		if err != nil || ok || hdlc.Final(piece.Signal.Frames[0]) {
			return ok, err
		}
	}
}

// take is the next piece heard.
func (p *player) take(ctx context.Context, until time.Duration) (linetest.Piece, bool, error) {
	if len(p.next) > 0 {
		piece := p.next[0]
		p.next = p.next[1:]
		return piece, true, nil
	}
	piece, ok, err := p.Take(ctx, until)
	if ok {
		p.times.heard(piece)
	}
	return piece, ok, err
}

// other is what is neither said nor heard.
func (p *player) other(ctx context.Context, s step) error {
	switch s.kind {
	case "WAIT", "SILENCE":
		n, err := s.number("value")
		p.Pause(time.Duration(n) * time.Millisecond)
		return err
	case "CED":
		n, given, err := s.milliseconds("value")
		if !given {
			n = cedLength
		}
		p.Pause(n)
		return err
	case "CALL", "ANSWER", "SET", "CNG": // the device was set up before the call
	case "CLEAR":
		p.cleared = true
		p.HangUp()
	case "STATUS":
		want := s.attr["value"]
		if want != "OK" {
			p.HangUp()
		}
		if err := p.dut.judge(ctx, want); err != nil {
			return err
		}
		return p.said.tally(p.dut)
	default:
		return fmt.Errorf("step type %q is unknown", s.kind)
	}
	return nil
}
