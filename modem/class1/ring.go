package class1

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/at"
)

// Times and limits of waiting for a call.
const (
	pulse      = 5 * time.Minute        // wall: between two signs of life of a modem that waits
	moreCaller = 500 * time.Millisecond // line: for what follows the caller's number
	earlyID    = 10 * time.Second       // line: from caller identification to the first RING, where it comes before
	maxCaller  = 64                     // octets of a number or name
)

// WaitRing waits for a call and for who calls. From time to time the modem must
// answer: one that has died would be silent, too. When ctx is cancelled it is
// ready to dial.
func (p *Phone) WaitRing(ctx context.Context) (modem.Ring, error) {
	var early modem.Ring // told before the first RING, as in Great Britain
	var told time.Time
	for {
		text, err := p.conn.Line(ctx, pulse)
		switch {
		case errors.Is(err, at.ErrTimeout):
			if rung, err := p.awake(ctx); err != nil {
				return modem.Ring{}, err
			} else if rung {
				return p.caller(ctx, modem.Ring{})
			}
			continue
		case ctx.Err() != nil:
			return modem.Ring{}, ctx.Err()
		case err != nil:
			return modem.Ring{}, p.fault("wait for a call", err)
		}
		if time.Since(told) > p.wall(earlyID) {
			early = modem.Ring{}
		}
		if pattern, ok := at.RingPattern(text); ok {
			early.Pattern = pattern
			return p.caller(ctx, early)
		}
		if identify(&early, text) {
			told = time.Now()
		}
	}
}

// caller reads caller identification behind the first RING, up to the next one.
func (p *Phone) caller(ctx context.Context, r modem.Ring) (modem.Ring, error) {
	wait := p.wall(p.cfg.CallerWait)
	if r.Caller != "" {
		wait = max(p.wall(moreCaller), quietFloor)
	}
	limit := time.Now().Add(wait)
	for p.cfg.CallerWait > 0 && r.Called == "" {
		text, err := p.conn.Line(ctx, time.Until(limit))
		if errors.Is(err, at.ErrTimeout) {
			break
		}
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		if err != nil {
			return r, p.fault("caller identification", err)
		}
		if pattern, ok := at.RingPattern(text); ok {
			r.Pattern = max(r.Pattern, pattern) // some tell of it with the second RING only
			break
		}
		if identify(&r, text) && r.Caller != "" {
			limit = time.Now().Add(max(p.wall(moreCaller), quietFloor))
		}
	}
	if r.Called == "" {
		r.Called = p.cfg.Rings[r.Pattern]
	}
	return r, nil
}

// identify takes what a line from the modem tells of a call, as NMBR=0301 or
// NAME: SMITH. It is false for a line that tells nothing.
func identify(r *modem.Ring, text string) bool {
	i := strings.IndexAny(text, "=:")
	if i < 0 {
		return false
	}
	value := strings.Trim(strings.TrimSpace(text[i+1:]), `"`)
	value = strings.ToValidUTF8(value[:min(len(value), maxCaller)], "?")
	switch strings.ToUpper(strings.TrimSpace(text[:i])) {
	case "NMBR", "CALLER NUMBER", "+CLIP":
		number, _, _ := strings.Cut(value, `"`) // +CLIP: "0301",129
		if !withheld(number) {
			r.Caller = number
		}
	case "NAME", "CALLER NAME":
		if !withheld(value) {
			r.Name = value
		}
	case "NDID", "DDN_NMBR", "DNIS", "DID", "CALLED NUMBER":
		r.Called = value
	default:
		return false
	}
	return true
}

// withheld reports whether a number or name says that there is none: the caller
// has it kept private, or comes from where it is not told.
func withheld(value string) bool {
	switch strings.ToUpper(value) {
	case "", "P", "O", "PRIVATE", "OUT OF AREA", "OUT-OF-AREA", "UNAVAILABLE", "UNKNOWN", "ANONYMOUS", "BLOCKED":
		return true
	}
	return false
}
