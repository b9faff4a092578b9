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

	next     *linetest.Piece // heard, but left by a repetition that was over
	signal   time.Duration   // when the signal under way began
	heardEnd time.Duration   // when the last piece that was heard ended
	quiet    time.Duration   // end of the signal before the one under way
	trained  bool            // short training is due in V.17
	session  dis.Session     // of the last DCS said
	chosen   dis.Session     // of the last DCS heard
	page     assembly        // that comes with ECM
	fast     line.Rate       // modem of the partial pages to say
	cleared  bool            // the tester has released the call
	sent     *message        // the last page said, if it is whole
}

// deviation is the first thing that went another way than the script says.
type deviation struct {
	at   int // index of the step
	step step
	err  error
}

func (d *deviation) Error() string {
	return fmt.Sprintf("step %d, %v: %v", d.at+1, d.step, d.err)
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
	for n := 0; s.max == 0 || n < s.max; n++ {
		if n >= s.min {
			again, err := p.begins(ctx, s.repeat[0])
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
func (p *player) begins(ctx context.Context, s step) (bool, error) {
	piece, ok, err := p.take(ctx, p.Now()+defaultTimeout)
	if errors.Is(err, line.ErrHungUp) {
		return false, nil // what is expected next will say so
	}
	if err != nil || !ok {
		return false, err
	}
	p.next = &piece
	if piece.Signal.Kind != line.Frames {
		return false, nil
	}
	return matches(s, piece.Signal.Frames[0])
}

// take is the next piece heard.
func (p *player) take(ctx context.Context, until time.Duration) (linetest.Piece, bool, error) {
	if p.next != nil {
		piece := *p.next
		p.next = nil
		return piece, true, nil
	}
	piece, ok, err := p.Take(ctx, until)
	if ok {
		if piece.Start > p.heardEnd {
			p.quiet, p.signal = p.heardEnd, piece.Start
		}
		p.heardEnd = piece.End
	}
	return piece, ok, err
}

// other is what is neither said nor heard.
func (p *player) other(ctx context.Context, s step) error {
	switch s.kind {
	case "WAIT":
		n, err := s.number("value")
		p.Pause(time.Duration(n) * time.Millisecond)
		return err
	case "CED":
		p.Pause(cedLength)
	case "CALL", "ANSWER", "SET", "CNG", "SILENCE": // the device was set up before the call
	case "CLEAR":
		p.cleared = true
		p.HangUp()
	case "STATUS":
		want := s.attr["value"]
		if want != "OK" {
			p.HangUp()
		}
		return p.dut.judge(ctx, want)
	default:
		return fmt.Errorf("step type %q is unknown", s.kind)
	}
	return nil
}

// expect is a step of the device's.
func (p *player) expect(ctx context.Context, s step) error {
	switch s.kind {
	case "SET", "CED", "CNG": // tones are not seen here
		return nil
	case "PREAMBLE", "POSTAMBLE": // come with the frames
		return nil
	case "SILENCE":
		if p.next != nil {
			return nil
		}
		return p.Hush(ctx)
	case "CLEAR":
		return p.expectClear(ctx, s)
	case "HDLC":
		return p.expectFrame(ctx, s)
	case "TCF":
		return p.expectImage(ctx, s, line.Training)
	case "MSG":
		return p.expectImage(ctx, s, line.Page)
	case "PP":
		return p.expectImage(ctx, s, line.Block)
	}
	return fmt.Errorf("step type %q is unknown", s.kind)
}

// wait takes the next piece, which must be over in the time the step gives.
func (p *player) wait(ctx context.Context, s step) (linetest.Piece, error) {
	timeout, given, err := s.milliseconds("timeout")
	if err != nil {
		return linetest.Piece{}, err
	}
	if !given {
		timeout = defaultTimeout
	}
	until := p.Now() + timeout
	piece, ok, err := p.take(ctx, until)
	switch {
	case errors.Is(err, line.ErrHungUp):
		return piece, errors.New("it hung up instead")
	case err != nil:
		return piece, err
	case !ok || piece.End > until:
		return piece, fmt.Errorf("not heard within %v", timeout)
	}
	return piece, nil
}

// expectFrame takes frames up to the one that is expected. Frames that are
// optional (T.30 5.3.6.1) may come before it.
func (p *player) expectFrame(ctx context.Context, s step) error {
	for {
		piece, err := p.wait(ctx, s)
		if err != nil {
			return err
		}
		if piece.Signal.Kind != line.Frames {
			return fmt.Errorf("it sent %s instead", describe(piece.Signal))
		}
		frame := piece.Signal.Frames[0]
		ok, err := matches(s, frame)
		if err != nil {
			return err
		}
		if ok {
			if err := p.checkTiming(s, piece); err != nil {
				return err
			}
			p.follow(frame)
			return p.checkConfirmed(frame)
		}
		if hdlc.Final(frame) {
			return fmt.Errorf("it sent %s instead", describe(piece.Signal))
		}
	}
}

// matches compares a frame with the value of the step, or with its alternative.
func matches(s step, frame []byte) (bool, error) {
	for _, key := range []string{"value", "xxx"} {
		text, given := s.attr[key]
		if !given {
			continue
		}
		want, open, err := octets(text)
		if err != nil {
			return false, err
		}
		if open && len(frame) >= len(want) {
			frame = frame[:len(want)]
		}
		if string(frame) == string(want) {
			return true, nil
		}
	}
	return false, nil
}

func (p *player) expectImage(ctx context.Context, s step, kind line.SignalKind) error {
	rate, err := s.rate()
	if err != nil {
		return err
	}
	piece, err := p.wait(ctx, s)
	if err != nil {
		return err
	}
	got := piece.Signal
	if got.Kind != kind || got.Rate != rate {
		return fmt.Errorf("it sent %s instead", describe(got))
	}
	short := rate.V17() && kind != line.Training && p.trained
	if got.Short != short {
		return fmt.Errorf("it trained its modem the wrong way: %s", describe(got))
	}
	p.trained = p.trained || kind != line.Training
	if kind == line.Block {
		p.page.take(got.Frames)
	}
	if kind != line.Page {
		return nil
	}
	if err := checkRows(got.Data, p.chosen); err != nil {
		return err
	}
	return p.dut.checkSent(got.Data, p.chosen)
}

// expectClear waits for the device to hang up. Once the tester has released the
// call, the line says nothing about the device any more: its call must end.
func (p *player) expectClear(ctx context.Context, s step) error {
	if p.cleared {
		return p.dut.wait(ctx)
	}
	earliest, _, err := s.milliseconds("timein")
	if err != nil {
		return err
	}
	latest, given, err := s.milliseconds("timeout")
	if err != nil {
		return err
	}
	if !given {
		latest = defaultTimeout
	}
	from := p.Now()
	piece, ok, err := p.take(ctx, from+latest)
	switch {
	case ok:
		return fmt.Errorf("it sent %s instead", describe(piece.Signal))
	case err == nil:
		return fmt.Errorf("it did not hang up within %v", latest)
	case !errors.Is(err, line.ErrHungUp):
		return err
	}
	if took := p.Now() - from; took < earliest {
		return fmt.Errorf("it hung up after %v, before %v", took, earliest)
	}
	return p.dut.wait(ctx)
}
