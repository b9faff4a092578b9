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
	if rung, err := p.awake(ctx); err != nil {
		return nil, unready(ctx, err)
	} else if rung {
		return nil, &status.Error{Code: status.Glare, Cause: errors.New("class1: the line rings")}
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

// unready is a call that was not even begun.
func unready(ctx context.Context, cause error) error {
	if ctx.Err() != nil {
		return &status.Error{Code: status.Aborted, Cause: cause}
	}
	return &status.Error{Code: status.ModemFailure, Cause: cause}
}

// awake makes sure that the modem is in its fax class still, and says whether it
// rang just then. One that was switched off and on answers as if nothing had been,
// but has lost its settings and would take the call for one of data: it is reset.
func (p *Phone) awake(ctx context.Context) (rung bool, err error) {
	const cmd = "AT+FCLASS?"
	ctx = context.WithoutCancel(ctx) // an answer that nobody waits for would be taken for the next one
	code, info, err := p.do(ctx, cmd, p.reply())
	if err == nil && code != at.OK {
		err = fmt.Errorf("it answers %v", code)
	}
	if err != nil {
		return false, p.fault(cmd, err)
	}
	rung = slices.ContainsFunc(info, func(s string) bool { return at.Parse(s) == at.Ring })
	if slices.ContainsFunc(info, isClass1) {
		return rung, nil
	}
	p.cfg.Log.Warn("the modem has lost its settings, as if it had been switched off and on; it is reset", "says", info)
	return rung, p.Reset(ctx)
}

// isClass1 reports whether an answer to +FCLASS? names Class 1 or 1.0: modems
// say 1, 001, 1.0 or +FCLASS: 1.
func isClass1(info string) bool {
	class := strings.TrimLeft(strings.TrimSpace(info[strings.LastIndex(info, ":")+1:]), "0")
	return class == "1" || class == "1.0"
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

// Answer takes the call that rings. Errors are *status.Error.
func (p *Phone) Answer(ctx context.Context) (line.Line, error) {
	if _, err := p.awake(ctx); err != nil {
		return nil, unready(ctx, err)
	}
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
