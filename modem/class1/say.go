package class1

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/faxmesh/faxmesh/modem/at"
	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
)

// Times of transmission.
const (
	training   = 1500 * time.Millisecond // of TCF (T.30 5.3.6.1.3)
	leadFlags  = 200 * time.Millisecond  // before the first ECM frame (T.4 Annex A)
	frameTime  = 8 * time.Second         // for one V.21 frame, preamble included (T.31 8.3.5)
	drainTime  = 30 * time.Second        // beyond the time the octets take, until OK: computers pause, too
	maxAhead   = 16 << 10                // octets of an image that port and modem may hold
	hushTime   = 3 * time.Second         // for the far end to fall silent
	writeChunk = 1024

	// Without flow control: a modem's buffer has 1 to 2 KB, and half a second of
	// it bridges what the computer is late.
	unheldAhead = 1024
	unheldChunk = 256

	tick      = 10 * time.Millisecond // of +FTS and +FRS
	turn      = 7 * tick              // between two signals: 75 ms with what the modem adds
	afterLast = 9 * tick              // behind the last page of a document: some stations need more there
)

// errUnderrun: the modem ended a transmission before all data were given to it.
var errUnderrun = errors.New("class1: the modem ran out of data and ended the signal")

// implicit is the fax command that a call begins with by itself.
type implicit uint8

const (
	none implicit = iota
	implicitHear
	implicitSay
)

// call is a call in progress; it implements line.Line.
type call struct {
	p      *Phone
	begun  time.Time
	open   implicit // its CONNECT has come, its data have not
	heard  bool     // the last signal was the far end's
	onHook int      // ERRORs in a row that mean "not off hook"
	lost   bool     // the call is over
}

func newCall(p *Phone, open implicit) *call {
	return &call{p: p, begun: p.now(), open: open}
}

// Now implements line.Line.
func (c *call) Now() time.Duration {
	return time.Duration(float64(c.p.now().Sub(c.begun)) * c.p.cfg.Speed)
}

// Say implements line.Line. When ctx is done it breaks an image off; V.21 frames
// and all that leads to a signal are short and run to their end, because an
// answer of the modem that nobody waits for would be taken for the next one.
func (c *call) Say(ctx context.Context, s line.Signal) error {
	if c.lost {
		return line.ErrHungUp
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.Kind == line.Frames {
		return c.sayFrames(ctx, s.Frames)
	}
	data, err := imageData(s)
	if err != nil {
		return err
	}
	t, ok := at.ForRate(s.Rate, s.Short)
	if !ok {
		return fmt.Errorf("class1: %v carries no image", s.Rate)
	}
	return c.sayImage(ctx, t, data)
}

// imageData is the bit stream of an image signal, complete before its carrier
// starts: a modem that runs out of data ends the page.
func imageData(s line.Signal) ([]byte, error) {
	perSecond := s.Rate.BitsPerSecond() / 8
	switch s.Kind {
	case line.Training:
		return make([]byte, perSecond*int(training/time.Millisecond)/1000), nil
	case line.Block:
		if len(s.Frames) > line.MaxBlock+3 {
			return nil, fmt.Errorf("class1: a block of %d frames is too long", len(s.Frames))
		}
		return hdlc.AppendBlock(nil, s.Frames, perSecond*int(leadFlags/time.Millisecond)/1000), nil
	case line.Page:
		if len(s.Data) > line.MaxPage {
			return nil, fmt.Errorf("class1: a page of %d octets is too long", len(s.Data))
		}
		return s.Data, nil
	}
	return nil, fmt.Errorf("class1: signal of unknown kind %d", s.Kind)
}

// sayFrames sends V.21 frames. The modem makes the check sequence, and tells by
// the final bit whether another frame follows.
func (c *call) sayFrames(said context.Context, frames [][]byte) error {
	ctx := context.WithoutCancel(said)
	if len(frames) == 0 || len(frames) > line.MaxFrames {
		return fmt.Errorf("class1: %d frames in one signal", len(frames))
	}
	if c.open == implicitSay {
		c.open = none
	} else if err := c.start(ctx, "AT+FTH=3", c.hush(frames)); err != nil {
		return err
	}
	for i, f := range frames {
		if len(f) > line.MaxFrame || hdlc.Final(f) != (i == len(frames)-1) {
			return errors.Join(fmt.Errorf("class1: frame %d is too long or has a wrong final bit", i), c.stop(ctx, drainTime))
		}
		if err := c.p.conn.Write(ctx, at.AppendData(nil, f), c.p.signal(frameTime)); err != nil {
			return c.p.fault("send a frame", err)
		}
		code, err := c.result(ctx, c.p.signal(frameTime))
		if err != nil {
			return err
		}
		want := at.Connect
		if hdlc.Final(f) {
			want = at.OK
		}
		if code != want {
			return c.gone("a frame", code)
		}
	}
	c.heard = false
	return said.Err()
}

// hush is how long our carrier is off before frames.
func (c *call) hush(frames [][]byte) time.Duration {
	const xBit, eop, eom = 0x01, 0x2E, 0x8E // T.30 5.3.6.1
	if fcf := hdlc.FCF(frames[0]) &^ xBit; !c.heard && (fcf == eop || fcf == eom) {
		return afterLast
	}
	return turn
}

// sayImage sends data behind the training of t.
func (c *call) sayImage(ctx context.Context, t at.Trait, data []byte) error {
	lasting := context.WithoutCancel(ctx)
	if err := c.start(lasting, fmt.Sprintf("AT+FTM=%d", t.Code), turn); err != nil {
		return err
	}
	c.heard = false
	if err := c.p.pause(lasting, c.p.wall(c.p.cfg.Bugs.SayDelay)); err != nil {
		return err
	}
	if v := c.p.valve; v != nil {
		if err := v.ObeyXOFF(true); err != nil {
			return c.p.fault("send image data", err)
		}
		defer v.ObeyXOFF(false) // a port that fails here fails at the next command
	}
	begun := c.p.now().Add(c.p.wall(t.Training))
	sent := 0
	octet := 8 * time.Second / time.Duration(t.Rate.BitsPerSecond())
	length := t.Training + time.Duration(len(data))*octet
	limit := time.Now().Add(c.p.signal(length + drainTime))
	wire := make([]byte, 0, 2*writeChunk)
	for len(data) > 0 {
		n := min(len(data), c.chunk())
		if err := c.keepPace(ctx, begun, sent, octet); err != nil {
			return errors.Join(err, c.stop(lasting, maxAhead*octet+drainTime))
		}
		sent += n
		wire, data = at.AppendStuffed(wire[:0], data[:n]), data[n:]
		err := c.p.conn.Write(ctx, wire, time.Until(limit))
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), c.stop(lasting, maxAhead*octet+drainTime))
		}
		if err != nil {
			return c.p.fault("send image data", err)
		}
		if c.p.conn.Pending() && len(data) > 0 { // nothing is due before the end
			code, err := c.result(lasting, c.p.reply())
			if err != nil {
				return err
			}
			return errors.Join(c.gone("image data", code), c.p.drain(lasting))
		}
	}
	if err := c.p.conn.Write(lasting, []byte{at.DLE, at.ETX}, time.Until(limit)); err != nil {
		return c.p.fault("send image data", err)
	}
	code, err := c.result(lasting, time.Until(limit))
	if err != nil {
		return err
	}
	if code != at.OK {
		return c.gone("image data", code)
	}
	return ctx.Err()
}

// chunk is how many octets of an image are given to the modem at once.
func (c *call) chunk() int {
	if c.p.cfg.Unheld {
		return unheldChunk
	}
	return writeChunk
}

// keepPace waits until a modem that cannot hold the computer up has room for the
// octets behind the first sent ones. It says the first one when its
// training, which ends at begun, is over.
func (c *call) keepPace(ctx context.Context, begun time.Time, sent int, octet time.Duration) error {
	if !c.p.cfg.Unheld {
		return nil
	}
	due := begun.Add(c.p.wall(time.Duration(sent-unheldAhead) * octet))
	return c.p.pause(ctx, due.Sub(c.p.now()))
}

// start keeps T.30's silence and begins a transmission.
func (c *call) start(ctx context.Context, cmd string, hush time.Duration) error {
	if err := c.settle(ctx); err != nil {
		return err
	}
	if err := c.silence(ctx, hush); err != nil {
		return err
	}
	code, _, err := c.p.do(ctx, cmd, c.p.reply())
	if err == nil && code == at.FCError {
		// It has no place here: some modems say it late, about the reception before.
		code, _, err = c.p.conn.Result(ctx, c.p.reply())
	}
	if err != nil {
		return c.p.fault(cmd, err)
	}
	if code != at.Connect {
		return c.gone(cmd, code)
	}
	return nil
}

// silence lies between two signals. After a signal of the far end the modem must
// have heard it (+FRS), since the result code of a frame comes before its carrier
// has gone; after our own it is enough to keep it (+FTS).
func (c *call) silence(ctx context.Context, hush time.Duration) error {
	if c.heard && !c.p.deafTo {
		if over, err := c.hearSilence(ctx); over || err != nil {
			return err
		}
	}
	code, err := c.keepSilence(ctx, hush)
	c.p.deafTo = c.p.deafTo || c.heard && code == at.OK // the call stands, +FRS is not known
	return err
}

// hearSilence is over when the far end has fallen silent, or has been given up
// for it. Otherwise the modem has refused +FRS.
func (c *call) hearSilence(ctx context.Context) (over bool, err error) {
	cmd := fmt.Sprintf("AT+FRS=%d", turn/tick)
	limit := c.p.now().Add(c.p.signal(hushTime))
	for {
		code, _, err := c.p.do(ctx, cmd, max(limit.Sub(c.p.now()), 0))
		switch {
		case errors.Is(err, at.ErrTimeout): // noise, or a station that talks on
			return true, c.p.abort(ctx)
		case err != nil:
			return true, c.p.fault(cmd, err)
		case code == at.OK:
			return true, nil
		case code == at.NoCarrier:
			return true, c.gone(cmd, code)
		case code != at.FCError: // a carrier is still there
			return false, nil
		}
		if err := c.p.pause(ctx, c.p.wall(pace)); err != nil {
			return true, err
		}
	}
}

// keepSilence holds our own signals back. Where +FTS is unknown the pause is
// made here: longer than it should be by what the computer adds.
func (c *call) keepSilence(ctx context.Context, hush time.Duration) (at.Code, error) {
	cmd := fmt.Sprintf("AT+FTS=%d", hush/tick)
	code, _, err := c.p.do(ctx, cmd, c.p.reply())
	if err != nil {
		return code, c.p.fault(cmd, err)
	}
	if code == at.OK {
		return code, nil
	}
	return code, c.p.pause(ctx, c.p.wall(hush))
}

// settle brings the modem from a call's implicit command to command state.
func (c *call) settle(ctx context.Context) error {
	open := c.open
	c.open = none
	switch open {
	case implicitHear:
		return c.p.abort(ctx)
	case implicitSay:
		return c.stop(ctx, drainTime)
	}
	return nil
}

// stop ends a transmission before its time, within so much line time: what the
// modem has been given is still said.
func (c *call) stop(ctx context.Context, within time.Duration) error {
	ctx = context.WithoutCancel(ctx)
	if err := c.p.conn.Write(ctx, []byte{at.DLE, at.ETX}, c.p.signal(within)); err != nil {
		return c.p.fault("stop transmission", err)
	}
	_, err := c.result(ctx, c.p.signal(within))
	return err
}

// result waits for the end of a transmission.
func (c *call) result(ctx context.Context, within time.Duration) (at.Code, error) {
	code, _, err := c.p.conn.Result(ctx, within)
	if err != nil {
		return code, c.p.fault("end of transmission", err)
	}
	return code, nil
}

// gone says what a result code means that ends a transmission too early.
func (c *call) gone(what string, code at.Code) error {
	if code == at.OK {
		return errUnderrun
	}
	c.lost = true
	return fmt.Errorf("class1: %s: the modem says %v: %w", what, code, line.ErrHungUp)
}
