package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/settings"
	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/class1"
	"github.com/faxmesh/faxmesh/modem/exchange"
	"github.com/faxmesh/faxmesh/modem/serial"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/node"
	"github.com/faxmesh/faxmesh/node/queue"
)

// errUnplugged: the modem's port is not open. Reset opens it.
var errUnplugged = errors.New("the modem is not plugged in")

// plugged is a modem whose port comes and goes: a USB cable is pulled, a
// simulated exchange is started later than the node. It is opened by Reset, and
// given up when it fails, so that whoever resets a failed modem finds it again.
type plugged struct {
	open    func(context.Context) (modem.Modem, error)
	station string // identification of this line; empty: that of the node

	mu     sync.Mutex
	now    modem.Modem // nil: not open
	speed  float64     // line seconds in one of wall time, when it was open last; 0: never
	closed bool
}

func (p *plugged) current() modem.Modem {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// giveUp closes a modem that has failed.
func (p *plugged) giveUp(m modem.Modem) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now == m {
		p.now = nil
		m.Close() // what is broken need not close well
	}
}

func (p *plugged) Send(ctx context.Context, out modem.Outgoing) modem.Report {
	m := p.current()
	if m == nil {
		return modem.Report{Status: status.ModemFailure, Err: errUnplugged}
	}
	if p.station != "" {
		out.Station = p.station
	}
	return m.Send(ctx, out)
}

func (p *plugged) WaitRing(ctx context.Context) (modem.Ring, error) {
	m := p.current()
	if m == nil {
		return modem.Ring{}, errUnplugged
	}
	ring, err := m.WaitRing(ctx)
	if err != nil && ctx.Err() == nil {
		p.giveUp(m)
	}
	return ring, err
}

func (p *plugged) Receive(ctx context.Context, in modem.Incoming) modem.Report {
	m := p.current()
	if m == nil {
		return modem.Report{Status: status.ModemFailure, Err: errUnplugged}
	}
	if p.station != "" {
		in.Station = p.station
	}
	return m.Receive(ctx, in)
}

func (p *plugged) Reset(ctx context.Context) error {
	if m := p.current(); m != nil {
		err := m.Reset(ctx)
		if err != nil && ctx.Err() == nil {
			p.giveUp(m)
		}
		return err
	}
	m, err := p.open(ctx)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errors.Join(errUnplugged, m.Close())
	}
	p.now = m
	return nil
}

func (p *plugged) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.now == nil {
		return nil
	}
	m := p.now
	p.now = nil
	return m.Close()
}

// plugIn makes the modem of a configured line. A modem that is not there yet is
// looked for again by those who use it.
func plugIn(ctx context.Context, l settings.Line, log *slog.Logger) *plugged {
	p := &plugged{station: l.StationID}
	p.open = func(ctx context.Context) (modem.Modem, error) {
		phone, speed, err := openPhone(ctx, l, log)
		if err != nil {
			return nil, err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.speed = speed
		return modem.New(phone, modem.Options{Log: log}), nil
	}
	if err := p.Reset(ctx); err != nil {
		log.Warn("the modem cannot be opened now and is tried again", "device", l.Device, "err", err)
	}
	return p
}

// flows are the values of FLOWCONTROL.
var flows = map[string]serial.Flow{"RTSCTS": serial.RTSCTS, "XONXOFF": serial.XONXOFF, "NONE": serial.None}

// retryPolicy: where simulated lines run faster than the clock, so does the
// schedule of retries. A node with a real line keeps real time.
func retryPolicy(lines []node.Line) queue.Policy {
	slowest := math.Inf(1)
	for _, l := range lines {
		slowest = min(slowest, l.Modem.(*plugged).pace())
	}
	if len(lines) == 0 {
		slowest = 1
	}
	return queue.Policy{Minute: time.Duration(float64(time.Minute) / slowest)}
}

// pace is how much faster than the clock the line runs.
func (p *plugged) pace() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(p.speed, 1)
}

// openPhone opens the port of a line and the Class 1 modem behind it. speed is
// the line's seconds in one of wall time.
func openPhone(ctx context.Context, l settings.Line, log *slog.Logger) (phone *class1.Phone, speed float64, err error) {
	config := class1.Config{Log: log}
	if l.Init != "" {
		config.Init = []string{"AT" + strings.TrimPrefix(strings.ToUpper(l.Init), "AT")}
	}
	if l.Type == settings.TypeSimulated {
		port, err := exchange.DialPort(ctx, l.Device, fax.Digits(l.Number))
		if err != nil {
			return nil, 0, fmt.Errorf("plug the simulated modem %s in: %w", l.Number, err)
		}
		config.Speed = port.Speed()
		phone, err = class1.Open(ctx, port, config)
		return phone, config.Speed, err
	}
	port, err := serial.Open(l.Device, serial.Config{Speed: l.Speed, Flow: flows[l.FlowControl]})
	if err != nil {
		return nil, 0, fmt.Errorf("open the modem's port: %w", err)
	}
	phone, err = class1.Open(ctx, port, config)
	return phone, 1, err
}
