package class1

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/at"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/status"
)

// Limits of call set-up.
const (
	afterS7     = 30 * time.Second // the modem's own limit is this much shorter
	answerTime  = 20 * time.Second // from ATA to its CONNECT, the called tone included
	maxFCErrors = 3                // a data modem answers first, then the fax machine
	maxDialled  = 60               // characters of a number
	moreCaller  = 500 * time.Millisecond
	pulse       = 5 * time.Minute // wall: between two signs of life of a modem that waits
)

var (
	_ modem.Phone = (*Phone)(nil)
	_ modem.Rated = (*Phone)(nil)
)

// Dial calls number. Errors are *status.Error.
func (p *Phone) Dial(ctx context.Context, number string) (line.Line, error) {
	if err := checkNumber(number); err != nil {
		return nil, &status.Error{Code: status.UnknownNo, Cause: err}
	}
	cmd := "ATD" + p.cfg.Dial + number
	if err := p.conn.Command(ctx, cmd, p.reply()); err != nil {
		return nil, p.unconnected(ctx, cmd, err)
	}
	limit := time.Now().Add(p.signal(p.cfg.DialTime + afterS7))
	unknown := false
	for errs := 0; ; {
		text, err := p.conn.Line(ctx, time.Until(limit))
		if err != nil {
			return nil, p.unconnected(ctx, cmd, err)
		}
		code := at.Parse(text)
		unknown = unknown || noSuchNumber(text)
		switch {
		case code == at.Connect:
			p.call = newCall(p, implicitHear)
			return p.call, nil
		case code == at.FCError && errs < maxFCErrors:
			errs++
			if err := p.conn.Command(ctx, "AT+FRH=3", p.reply()); err != nil {
				return nil, p.unconnected(ctx, "AT+FRH=3", err)
			}
		case code == at.Ring || code.Final():
			return nil, &status.Error{Code: dialStatus(code, unknown), Cause: fmt.Errorf("class1: the modem says %q", text)}
		}
	}
}

// checkNumber refuses what is no dial string: a line end would begin another
// command.
func checkNumber(number string) error {
	if number == "" || len(number) > maxDialled {
		return fmt.Errorf("class1: a number has 1 to %d characters", maxDialled)
	}
	if strings.Trim(number, "0123456789*#+-(). ,ABCDabcdTPWtpw@!") != "" {
		return fmt.Errorf("class1: %q cannot be dialled", number)
	}
	return nil
}

// noSuchNumber knows how adapters say it before NO CARRIER: Q.850 cause 1, or
// in words.
func noSuchNumber(text string) bool {
	text = strings.ToUpper(strings.ReplaceAll(text, " ", ""))
	cause, ok := strings.CutPrefix(text, "CAUSE:")
	if ok {
		return strings.HasSuffix(cause, "01")
	}
	return strings.HasPrefix(text, "UNALLOCATED") || strings.HasPrefix(text, "UNASSIGNED")
}

func dialStatus(code at.Code, unknown bool) status.Code {
	switch code {
	case at.Busy:
		return status.Busy
	case at.NoAnswer:
		return status.NoAnswer
	case at.NoDialtone:
		return status.NoDialtone
	case at.Blacklisted, at.Delayed:
		return status.Blacklisted
	case at.Ring:
		return status.Glare
	case at.NoCarrier, at.FCError:
		if unknown {
			return status.UnknownNo
		}
		return status.NoCarrier
	}
	return status.ModemFailure
}

// unconnected gives up a call that was being set up.
func (p *Phone) unconnected(ctx context.Context, cmd string, cause error) error {
	code := status.ModemFailure
	switch {
	case ctx.Err() != nil:
		code = status.Aborted
	case errors.Is(cause, at.ErrTimeout):
		code = status.NoCarrier
	}
	if err := p.abort(ctx); err != nil {
		code = status.ModemFailure
	}
	return &status.Error{Code: code, Cause: p.fault(cmd, cause)}
}

// WaitRing waits for a call and for who calls. From time to time the modem must
// answer to AT: one that has died would be silent, too. When ctx is cancelled it
// is ready to dial.
func (p *Phone) WaitRing(ctx context.Context) (modem.Ring, error) {
	for {
		text, err := p.conn.Line(ctx, pulse)
		switch {
		case errors.Is(err, at.ErrTimeout):
			if rung, err := p.feelPulse(ctx); err != nil {
				return modem.Ring{}, err
			} else if rung {
				return p.caller(ctx)
			}
		case ctx.Err() != nil:
			return modem.Ring{}, ctx.Err()
		case err != nil:
			return modem.Ring{}, p.fault("wait for a call", err)
		case at.Parse(text) == at.Ring:
			return p.caller(ctx)
		}
	}
}

// feelPulse makes sure that the modem is alive, and says whether it rang just
// then. It ends its dialogue even if ctx does.
func (p *Phone) feelPulse(ctx context.Context) (rung bool, err error) {
	code, info, err := p.do(context.WithoutCancel(ctx), "AT", p.reply())
	if err == nil && code != at.OK {
		err = fmt.Errorf("it answers %v", code)
	}
	if err != nil {
		return false, p.fault("wait for a call: AT", err)
	}
	return slices.ContainsFunc(info, func(s string) bool { return at.Parse(s) == at.Ring }), nil
}

// caller reads caller identification behind the first RING, up to the next one.
func (p *Phone) caller(ctx context.Context) (modem.Ring, error) {
	var r modem.Ring
	limit := time.Now().Add(p.wall(p.cfg.CallerWait))
	for p.cfg.CallerWait > 0 {
		text, err := p.conn.Line(ctx, time.Until(limit))
		switch {
		case errors.Is(err, at.ErrTimeout):
			return r, nil
		case ctx.Err() != nil:
			return r, ctx.Err()
		case err != nil:
			return r, p.fault("caller identification", err)
		case at.Parse(text) == at.Ring:
			return r, nil
		}
		key, value, _ := strings.Cut(text, "=")
		value = strings.TrimSpace(value)
		switch strings.ToUpper(strings.TrimSpace(key)) {
		case "NMBR", "CALLER NUMBER":
			r.Caller = value
			limit = time.Now().Add(max(p.wall(moreCaller), quietFloor))
		case "NDID", "DDN_NMBR":
			r.Called = value
			return r, nil
		}
	}
	return r, nil
}

// Answer takes the call that rings. Errors are *status.Error.
func (p *Phone) Answer(ctx context.Context) (line.Line, error) {
	code, _, err := p.do(ctx, "ATA", max(p.wall(answerTime), replyFloor))
	if err != nil {
		return nil, p.unconnected(ctx, "ATA", err)
	}
	if code != at.Connect {
		return nil, &status.Error{Code: status.NoCarrier, Cause: fmt.Errorf("class1: the modem answers %v to ATA", code)}
	}
	p.call = newCall(p, implicitSay)
	return p.call, nil
}

// HangUp goes on hook, also when there is no call.
func (p *Phone) HangUp(ctx context.Context) error {
	if c := p.call; c != nil {
		p.call = nil
		if err := c.settle(ctx); err != nil && !errors.Is(err, line.ErrHungUp) {
			return err
		}
	}
	code, _, err := p.ask(ctx, "ATH0")
	if err == nil && code == at.OK {
		return nil
	}
	if err := p.abort(ctx); err != nil {
		return err
	}
	return p.order(ctx, "ATH0")
}
