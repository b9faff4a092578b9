package class1

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"github.com/faxmesh/faxmesh/modem/at"
	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
)

// Times and limits of reception.
const (
	frameWait   = 3450 * time.Millisecond // from CONNECT to the end of a V.21 frame: 3 s + 15 %
	imageIdle   = 5 * time.Second         // a carrier without data
	lineTime    = 5500 * time.Millisecond // of a page without an EOL: 5 s + 10 % (T.4 4.1.3)
	probeTime   = time.Second             // for V.21 that +FRM has refused
	pace        = 50 * time.Millisecond   // between two commands that fail at once
	noiseAge    = time.Second             // noise that is older than this is silence
	longestPage = time.Hour
	maxMisses   = 3 // +FRM tried for one image
	hookErrors  = 2 // ERRORs in a row to receive commands before the call counts as lost
)

// Hear implements line.Line.
func (c *call) Hear(ctx context.Context, l line.Listen) (line.Heard, error) {
	if c.lost {
		return line.Heard{}, line.ErrHungUp
	}
	h := &hearing{call: c, listen: l, deadline: c.p.now().Add(c.p.wall(l.Timeout))}
	c.heard = true
	if c.open == implicitHear {
		c.open = none
		if got, ok, err := h.frame(ctx); ok || err != nil {
			return got, err
		}
	}
	if err := c.settle(ctx); err != nil {
		return line.Heard{}, err
	}
	if l.Rate == line.V21 {
		return h.v21(ctx)
	}
	t, ok := at.ForRate(l.Rate, l.Short)
	if !ok {
		return line.Heard{}, fmt.Errorf("class1: %v carries no image", l.Rate)
	}
	return h.image(ctx, t)
}

// hearing is one Hear.
type hearing struct {
	*call
	listen   line.Listen
	deadline time.Time
	noise    time.Time // when something last came that could not be received
}

// v21 asks for a frame until there is one or the time is over: NO CARRIER and
// +FCERROR mean another carrier, or the end of the one before.
func (h *hearing) v21(ctx context.Context) (line.Heard, error) {
	for {
		code, _, err := h.command(ctx, "AT+FRH=3", h.listening())
		if errors.Is(err, at.ErrTimeout) {
			if err := h.p.abort(ctx); err != nil {
				return line.Heard{}, err
			}
			return h.unheard(ctx)
		}
		if err != nil {
			return line.Heard{}, err
		}
		if code == at.Connect {
			if got, ok, err := h.frame(ctx); ok || err != nil {
				return got, err
			}
		}
		if over, err := h.refused(ctx, code); over || err != nil {
			return h.nothing(), err
		}
	}
}

// image asks for an image of t, and takes V.21 if that comes instead. The first
// +FCERROR is as a rule about the remains of the signal before: looking for V.21
// at once would miss the image.
func (h *hearing) image(ctx context.Context, t at.Trait) (line.Heard, error) {
	cmd := fmt.Sprintf("AT+FRM=%d", t.Code)
	for misses := 0; ; {
		code, info, err := h.command(ctx, cmd, h.listening())
		if errors.Is(err, at.ErrTimeout) {
			if err := h.p.abort(ctx); err != nil {
				return line.Heard{}, err
			}
			return h.unheard(ctx)
		}
		if err != nil {
			return line.Heard{}, err
		}
		if code == at.Connect && slices.ContainsFunc(info, isV21) {
			if got, ok, err := h.frame(ctx); ok || err != nil {
				return got, err
			}
		} else if code == at.Connect {
			return h.data(ctx, t)
		}
		if code == at.FCError && !h.p.adaptive && misses > 0 {
			if got, ok, err := h.probe(ctx); ok || err != nil {
				return got, err
			}
		}
		if over, err := h.refused(ctx, code); over || err != nil {
			return h.nothing(), err
		}
		if code == at.FCError {
			misses++
		}
		if misses == maxMisses {
			return line.Heard{Kind: line.Noise}, nil
		}
	}
}

func isV21(info string) bool { return at.Parse(info) == at.FRH3 }

// probe looks whether the carrier that +FRM has refused is V.21.
func (h *hearing) probe(ctx context.Context) (line.Heard, bool, error) {
	code, _, err := h.command(ctx, "AT+FRH=3", h.p.now().Add(h.p.wall(probeTime)))
	switch {
	case errors.Is(err, at.ErrTimeout):
		return line.Heard{}, false, h.p.abort(ctx)
	case err != nil:
		return line.Heard{}, false, err
	case code == at.Connect:
		return h.frame(ctx)
	}
	return line.Heard{}, false, nil
}

// command sends a receive command and waits for its first result until then. A
// context that is done brings the modem back to command state.
func (h *hearing) command(ctx context.Context, cmd string, until time.Time) (at.Code, []string, error) {
	code, info, err := h.p.do(ctx, cmd, max(until.Sub(h.p.now()), 0))
	switch {
	case err == nil, errors.Is(err, at.ErrTimeout):
		return code, info, err
	case ctx.Err() != nil:
		return code, nil, errors.Join(ctx.Err(), h.p.abort(ctx))
	}
	return code, nil, h.p.fault(cmd, err)
}

// refused judges a result code that is not followed by data: whether the time
// is over, or the call. It waits a little, lest the modem be asked in a circle.
func (h *hearing) refused(ctx context.Context, code at.Code) (over bool, err error) {
	if code == at.Error {
		if h.onHook++; h.onHook >= hookErrors {
			h.lost = true
			return false, fmt.Errorf("class1: the modem has gone on hook: %w", line.ErrHungUp)
		}
	} else {
		h.onHook = 0
		if code != at.OK { // with OK some modems say that their own time is over
			h.noise = h.p.now()
		}
	}
	if err := h.p.pause(ctx, h.p.wall(pace)); err != nil {
		return false, err
	}
	return !h.p.now().Before(h.deadline), nil
}

// nothing is what is heard when the time is over.
func (h *hearing) nothing() line.Heard {
	if !h.noise.IsZero() && h.p.now().Sub(h.noise) < h.p.wall(noiseAge) {
		return line.Heard{Kind: line.Noise}
	}
	return line.Heard{Kind: line.Nothing}
}

// frame reads the V.21 frame behind a CONNECT. It is not ok if none came.
func (h *hearing) frame(ctx context.Context) (got line.Heard, ok bool, err error) {
	h.onHook = 0
	bugs := h.p.cfg.Bugs
	data, code, err := h.stuffedFrame(ctx)
	if errors.Is(err, at.ErrTimeout) || errors.Is(err, at.ErrTooMuch) {
		spurious := bugs.RHConnect && !hdlc.Valid(data)
		return line.Heard{Kind: line.Noise}, !spurious, h.p.abort(ctx)
	}
	if err != nil {
		return line.Heard{}, false, h.broken(ctx, err)
	}
	frame, good := bugs.frame(data)
	good = good && code == at.OK
	if len(frame) == 0 || bugs.RHConnect && !good && !hdlc.Valid(frame) {
		return line.Heard{}, false, nil
	}
	if len(frame) > line.MaxFrame {
		return line.Heard{Kind: line.Noise}, true, nil
	}
	return line.Heard{Kind: line.Frame, Good: good, Data: frame}, true, nil
}

// stuffedFrame reads the octets of a frame, with their escapes, and the result
// code behind them. Without a frame there are no octets.
func (h *hearing) stuffedFrame(ctx context.Context) (data []byte, code at.Code, err error) {
	if h.p.cfg.Bugs.BareDLE {
		return h.bareFrame(ctx)
	}
	limit := h.p.signal(frameWait)
	err = h.p.conn.ReadStuffed(ctx, maxStuffed, limit, limit, func(p []byte) bool {
		data = append(data, p...)
		code = instead(data)
		return !code.Final()
	})
	switch {
	case err != nil:
		return data, code, err
	case code.Final():
		return nil, code, nil
	}
	code, _, err = h.p.conn.Result(ctx, h.p.reply())
	if errors.Is(err, at.ErrTimeout) {
		err = fmt.Errorf("no result code behind a frame: %w", line.ErrModem)
	}
	return data, code, err
}

const (
	fcsLen     = 2
	maxStuffed = 2 * (line.MaxFrame + fcsLen) // octets of a frame with their escapes
)

// instead is the result code, if it is one, that came in place of a frame. Some
// modems that lose the carrier behind CONNECT say so without the DLE ETX that
// ends the data. A frame begins with FF.
func instead(data []byte) at.Code {
	if len(data) == 0 || data[0] != at.CR && data[0] != at.LF {
		return at.Info
	}
	var lines at.Lines
	for _, b := range data {
		if text, ok := lines.Feed(b); ok {
			return at.Parse(text)
		}
	}
	return at.Info
}

// data reads the image behind a CONNECT, to the end of its carrier.
func (h *hearing) data(ctx context.Context, t at.Trait) (line.Heard, error) {
	h.onHook = 0
	bps := t.Rate.BitsPerSecond()
	k := &keeper{want: h.listen.Want, maxGap: int(lineTime * time.Duration(bps) / time.Second)}
	limit, total := k.limits(bps)
	err := h.p.conn.ReadData(ctx, limit, h.p.signal(imageIdle), h.p.signal(total), k.take)
	if errors.Is(err, at.ErrTimeout) || errors.Is(err, at.ErrTooMuch) {
		return line.Heard{Kind: line.Noise}, h.p.abort(ctx)
	}
	if err != nil {
		return line.Heard{}, h.broken(ctx, err)
	}
	if k.gap > k.maxGap { // the rest of it is not worth the line
		return k.heard(), h.p.abort(ctx)
	}
	// NO CARRIER as a rule, OK or ERROR with some: all of them are the end.
	if _, _, err := h.p.conn.Result(ctx, h.p.reply()); err != nil {
		return line.Heard{}, h.broken(ctx, err)
	}
	return k.heard(), nil
}

// broken is a reception that failed on this side.
func (h *hearing) broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), h.p.abort(ctx))
	}
	return h.p.fault("receive", err)
}

// keeper collects an image as it comes.
type keeper struct {
	want    line.SignalKind
	data    []byte
	frames  [][]byte
	decoder hdlc.Decoder
	maxGap  int // bits of a Page without an EOL
	gap     int // of them so far
	zeros   int // in a row before the next bit
}

// maxKept frames of a block: those that fit into a partial page, and RCPs.
const maxKept = line.MaxBlock + 8

// limits are how many octets the image may have and how long it may take.
func (k *keeper) limits(bps int) (octets int, total time.Duration) {
	switch k.want {
	case line.Training:
		octets = line.MaxTrainings
	case line.Block:
		octets = line.MaxBlock * line.MaxFrame * 2 // stuffing, flags between frames
	default:
		octets = line.MaxPage
	}
	return octets, min(time.Duration(octets)*8*time.Second/time.Duration(bps)+imageIdle, longestPage)
}

func (k *keeper) take(p []byte) (more bool) {
	if k.want != line.Block {
		k.data = append(k.data, p...)
		return k.want != line.Page || k.scan(p)
	}
	if len(k.frames) == 0 {
		k.data = append(k.data, p...)
	}
	for _, f := range k.decoder.Feed(p) {
		k.keep(f)
	}
	return true
}

// scan looks for EOLs, which are 11 zeros at least and a one, and says whether
// there has been one lately.
func (k *keeper) scan(p []byte) (lately bool) {
	const eol = 11
	for _, b := range p {
		k.gap += 8
		if b == 0 {
			k.zeros += 8
			continue
		}
		if k.zeros+bits.TrailingZeros8(b) >= eol {
			k.gap = 0
		}
		k.zeros = bits.LeadingZeros8(b)
	}
	return k.gap <= k.maxGap
}

func (k *keeper) keep(f hdlc.Frame) {
	if f.Good && len(k.frames) < maxKept {
		k.frames, k.data = append(k.frames, f.Data), nil
	}
}

func (k *keeper) heard() line.Heard {
	if k.want == line.Block {
		if f, ok := k.decoder.End(); ok {
			k.keep(f)
		}
	}
	return line.Heard{Kind: line.Image, Data: k.data, Frames: k.frames}
}
