package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/settings"
	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/class1"
	"github.com/faxmesh/faxmesh/modem/exchange"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/plug"
	"github.com/faxmesh/faxmesh/modem/serial"
	"github.com/faxmesh/faxmesh/node"
	"github.com/faxmesh/faxmesh/node/queue"
)

// plugged is the modem of a configured line, there or not.
type plugged struct {
	*plug.Plug
	station string // identification of this line; empty: that of the node

	mu    sync.Mutex
	speed float64 // line seconds in one of wall time, when it was open last; 0: never
}

func (p *plugged) Send(ctx context.Context, out modem.Outgoing) modem.Report {
	if p.station != "" {
		out.Station = p.station
	}
	return p.Plug.Send(ctx, out)
}

func (p *plugged) Receive(ctx context.Context, in modem.Incoming) modem.Report {
	if p.station != "" {
		in.Station = p.station
	}
	return p.Plug.Receive(ctx, in)
}

// plugIn makes the modem of a configured line. A modem that is not there yet is
// looked for again by those who use it.
func plugIn(ctx context.Context, l settings.Line, log *slog.Logger) *plugged {
	p := &plugged{station: l.StationID}
	p.Plug = plug.New(func(ctx context.Context) (modem.Modem, error) {
		m, speed, err := openModem(ctx, l, log)
		if err != nil {
			return nil, err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.speed = speed
		return m, nil
	})
	if err := p.Reset(ctx); err != nil {
		log.Warn("the modem cannot be opened now and is tried again", "device", l.Device, "err", err)
	}
	return p
}

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

// maxRates are the values of MAXRATE. All of V.17 comes together.
var maxRates = map[int]line.Rate{9600: line.V29x9600, 4800: line.V27ter4800, 2400: line.V27ter2400}

// openModem opens the port of a line and the Class 1 modem behind it. speed is
// the line's seconds in one of wall time.
func openModem(ctx context.Context, l settings.Line, log *slog.Logger) (m modem.Modem, speed float64, err error) {
	port, config, err := openPort(ctx, l, log)
	if err != nil {
		return nil, 0, err
	}
	phone, err := class1.Open(ctx, port, config)
	if err != nil {
		return nil, 0, err
	}
	return modem.New(phone, modem.Options{Log: log, MaxRate: maxRates[l.MaxRate]}), max(config.Speed, 1), nil
}

// flows are the values of FLOWCONTROL, and +FLO the commands by which modems of
// T.31 are told; others have theirs in INIT.
var (
	flows = map[string]serial.Flow{"RTSCTS": serial.RTSCTS, "XONXOFF": serial.XONXOFF, "NONE": serial.None}
	tells = map[string]string{"RTSCTS": "AT+FLO=2", "XONXOFF": "AT+FLO=1", "NONE": "AT+FLO=0"}
)

// tellCaller are the commands by which modems are to tell who calls.
var tellCaller = []string{"AT+VCID=1", "AT#CID=1"}

// openPort opens the port of a line, and says how its modem is to be driven.
func openPort(ctx context.Context, l settings.Line, log *slog.Logger) (io.ReadWriteCloser, class1.Config, error) {
	config := driving(l, log)
	if l.Type == settings.TypeSimulated {
		port, err := exchange.DialPort(ctx, l.Device, fax.Digits(l.Number))
		if err != nil {
			return nil, config, fmt.Errorf("plug the simulated modem %s in: %w", l.Number, err)
		}
		config.Speed = port.Speed()
		return port, config, nil
	}
	dir := l.LockDir
	if _, err := os.Stat(dir); dir == serial.DefaultLockDir && errors.Is(err, fs.ErrNotExist) {
		log.Warn("there is no directory for lock files: other programs are not kept off the modem; make it, or name another with LOCKDIR", "directory", dir)
		dir = ""
	}
	port, err := serial.Open(l.Device, serial.Config{Speed: l.Speed, Flow: flows[l.FlowControl], LockDir: dir})
	if err != nil {
		return nil, config, fmt.Errorf("open the modem's port: %w", err)
	}
	config.Unheld = l.FlowControl == "NONE"
	config.Prefer = append([]string{tells[l.FlowControl]}, tellCaller...)
	return port, config, nil
}

// driving is how the settings say that a modem is driven.
func driving(l settings.Line, log *slog.Logger) class1.Config {
	config := class1.Config{
		Class: l.Class,
		Dial:  dialPrefix(l.DialPrefix),
		Rings: l.Rings,
		Bugs: class1.Bugs{
			NoAdaptive: l.Bugs.NoAdaptive,
			NoFCS:      l.Bugs.NoFCS,
			RHConnect:  l.Bugs.RHConnect,
			BareDLE:    l.Bugs.DLE,
			SayDelay:   time.Duration(l.Bugs.TMDelay) * time.Millisecond,
		},
		Log: log,
	}
	if l.Init != "" {
		config.Init = []string{"AT" + strings.TrimPrefix(strings.ToUpper(l.Init), "AT")}
	}
	return config
}

// dialPrefix is what stands between ATD and the number: tones unless the prefix
// chooses.
func dialPrefix(prefix string) string {
	prefix = strings.ToUpper(prefix)
	if strings.HasPrefix(prefix, "T") || strings.HasPrefix(prefix, "P") {
		return prefix
	}
	return "T" + prefix
}
