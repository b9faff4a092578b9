package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/line/linetest"
	"github.com/faxmesh/faxmesh/modem/t30"
)

// imageKinds are the image signals by the type of their steps.
var imageKinds = map[string]line.SignalKind{"TCF": line.Training, "MSG": line.Page, "PP": line.Block}

// nothing is the alternative to a frame that may be left out.
const nothing = "nothing"

// expect is a step of the device's.
func (p *player) expect(ctx context.Context, s step) error {
	switch s.kind {
	case "SET", "CED", "CNG": // tones are not seen here
		return nil
	case "PREAMBLE", "POSTAMBLE": // come with the frames
		return nil
	case "SILENCE":
		return p.expectSilence(ctx, s)
	case "CLEAR":
		return p.expectClear(ctx, s)
	case "HDLC":
		if m := s.attr["modem"]; m != "" && m != "V.21" {
			return p.expectInBlock(ctx, s)
		}
		return p.expectFrame(ctx, s)
	case "TCF", "MSG", "PP":
		return p.expectImage(ctx, s, imageKinds[s.kind])
	}
	return fmt.Errorf("step type %q is unknown", s.kind)
}

// expectSilence waits for the end of the device's carrier.
func (p *player) expectSilence(ctx context.Context, s step) error {
	if len(p.next) > 0 {
		return nil
	}
	timeout, given, err := s.milliseconds("timeout")
	if err != nil {
		return err
	}
	from := p.Now()
	if err := p.Hush(ctx); err != nil {
		return err
	}
	if took := p.Now() - from; given && took > timeout {
		return fmt.Errorf("its carrier stayed for %v", took)
	}
	return nil
}

// wait takes the next piece, which must begin and be over in the times the step
// gives.
func (p *player) wait(ctx context.Context, s step) (linetest.Piece, error) {
	timeout, given, err := s.milliseconds("timeout")
	if err != nil {
		return linetest.Piece{}, err
	}
	if !given {
		timeout = defaultTimeout
	}
	earliest, _, err := s.milliseconds("timein")
	if err != nil {
		return linetest.Piece{}, err
	}
	from := p.Now()
	until := from + timeout
	piece, ok, err := p.take(ctx, until)
	switch {
	case errors.Is(err, line.ErrHungUp):
		return piece, errors.New("it hung up instead")
	case err != nil:
		return piece, err
	case !ok || piece.End > until:
		return piece, &lateError{timeout}
	case earliest > 0 && piece.Start < from+earliest:
		return piece, fmt.Errorf("it sent %s after %v, before %v", describe(piece.Signal), piece.Start-from, earliest)
	}
	return piece, nil
}

// lateError: the device has not said what was expected in time.
type lateError struct{ timeout time.Duration }

func (e *lateError) Error() string { return fmt.Sprintf("not heard within %v", e.timeout) }

// expectFrame takes frames up to the one that is expected. Frames that are
// optional (T.30 5.3.6.1) may come before it.
func (p *player) expectFrame(ctx context.Context, s step) error {
	for {
		piece, err := p.wait(ctx, s)
		if late := (*lateError)(nil); errors.As(err, &late) && optionalStep(s) {
			return nil
		}
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
			if err := p.times.check(s, piece); err != nil {
				return err
			}
			p.follow(frame)
			if f := t30.FCF(hdlc.FCF(frame) &^ 1); f == t30.CTR || f == t30.ERR {
				p.long = true
			}
			return p.said.answered(frame, p.session, p.dut)
		}
		if hdlc.Final(frame) {
			return fmt.Errorf("it sent %s instead", describe(piece.Signal))
		}
	}
}

// alternatives are the frames that a step would have.
func alternatives(s step) []string {
	all := strings.Split(s.attr["value"], "|")
	if other, given := s.attr["xxx"]; given {
		all = append(all, other)
	}
	return all
}

// optionalStep reports whether the device may as well say nothing.
func optionalStep(s step) bool {
	for _, text := range alternatives(s) {
		if strings.TrimSpace(text) == nothing {
			return true
		}
	}
	return false
}

// matches compares a frame with the value of the step, or with its alternatives.
func matches(s step, frame []byte) (bool, error) {
	for _, text := range alternatives(s) {
		if strings.TrimSpace(text) == nothing {
			continue
		}
		want, open, err := octets(text)
		if err != nil {
			return false, err
		}
		got := frame
		if open && len(got) >= len(want) {
			got = got[:len(want)]
		}
		if string(got) == string(want) {
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
	if err := p.times.check(s, piece); err != nil {
		return err
	}
	if kind == line.Training {
		return nil
	}
	return p.takeImage(s, got)
}

// takeImage looks at a page, or a burst of one.
func (p *player) takeImage(s step, got line.Signal) error {
	p.fetched.named = s.attr["value"]
	if want, given := s.attr["compression"]; given {
		if coding, err := codingOf(want, p.chosen); err != nil || coding != p.chosen.Coding() {
			return fmt.Errorf("it is coded in %s (%v)", p.chosen.Coding(), err)
		}
	}
	if got.Kind == line.Block {
		number, err := s.number("block")
		if err != nil {
			return err
		}
		if _, given := s.attr["block"]; given && number != p.fetched.number {
			return fmt.Errorf("it is partial page %d", p.fetched.number)
		}
		return p.fetched.burst(got.Frames, p.chosen)
	}
	least, err := s.number("min_bits")
	if err != nil {
		return err
	}
	if err := checkRows(got.Data, p.chosen, least); err != nil {
		return err
	}
	image, err := p.images.named(p.fetched.named)
	if err != nil {
		return err
	}
	return p.fetched.page(got.Data, p.chosen, image, p.dut.document)
}

// expectInBlock finds one frame of the partial page that comes, in its place.
func (p *player) expectInBlock(ctx context.Context, s step) error {
	if len(p.fetched.rest) == 0 {
		as := s
		as.kind, as.attr = "PP", map[string]string{"modem": s.attr["modem"]}
		for _, key := range []string{"timein", "timeout"} {
			if v, given := s.attr[key]; given {
				as.attr[key] = v
			}
		}
		if err := p.expectImage(ctx, as, line.Block); err != nil {
			return err
		}
	}
	for len(p.fetched.rest) > 0 {
		frame := p.fetched.rest[0]
		p.fetched.rest = p.fetched.rest[1:]
		if ok, err := matches(s, frame); ok || err != nil {
			return err
		}
	}
	return errors.New("no such frame in the partial page, in this order")
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
