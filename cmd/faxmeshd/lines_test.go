package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/settings"
	"github.com/faxmesh/faxmesh/cmd/terminal"
	"github.com/faxmesh/faxmesh/modem/class1"
	"github.com/faxmesh/faxmesh/modem/exchange"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/serial"
)

func TestLinesProposesWhatIsNotConfigured(t *testing.T) {
	configured := []settings.Line{
		{Index: 1, Name: "line1", Device: "/dev/a", Type: settings.TypeClass1, Number: "100"},
		{Index: 7, Name: "line7", Device: "127.0.0.1:1", Type: settings.TypeSimulated, Number: "200"},
	}
	all := survey(configured, []string{"/dev/a", "/dev/b", "/dev/c", "/dev/d"})
	if len(all) != 5 || all[2].device != "/dev/b" || all[2].line != nil {
		t.Fatalf("surveyed %+v", all)
	}
	all[2].class, all[2].modem, all[2].speed = "1", "Brand\x1b[2J\n[LINE99] X", serial.DefaultSpeed
	all[3].modem = "no modem"
	all[4].class, all[4].modem, all[4].speed = "1.0", "Lucent K56", 19200
	var out bytes.Buffer
	a := &app{terminal.Terminal{Out: &out}}
	if err := a.showLines(all, highest(configured), true); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	_, proposal, found := strings.Cut(text, "\n\n")
	if !found || strings.Contains(text, "\x1b") || strings.Contains(proposal, "/dev/c") {
		t.Fatalf("says\n%s", text)
	}
	f, err := settings.Parse("proposal", []byte(proposal))
	if err != nil {
		t.Fatal(err)
	}
	values, warnings, err := settings.ServerSchema.Resolve(f.Layer())
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	lines := values.Server().Lines
	if len(lines) != 2 || lines[0].Index != 8 || lines[0].Device != "/dev/b" || lines[0].Speed != serial.DefaultSpeed {
		t.Fatalf("proposes %+v", lines)
	}
	if l := lines[1]; l.Device != "/dev/d" || l.Speed != 19200 || l.Class != "1.0" || !l.Bugs.RHConnect || l.Bugs.TMDelay != 400 {
		t.Errorf("proposes %+v", l)
	}
}

func TestProbe(t *testing.T) {
	x := exchange.New(exchange.Config{Speed: 50})
	defer x.Close()
	addr := serveExchange(t, x)
	there := found{line: &settings.Line{Name: "line1", Device: addr, Type: settings.TypeSimulated, Number: "03-01"}}
	if err := there.probe(t.Context(), openPort); err != nil || there.class != "1" || !strings.Contains(there.modem, "sends to 14400, receives to 14400 bit/s") {
		t.Errorf("a simulated modem is probed as %+v, %v", there, err)
	}
	gone := found{line: &settings.Line{Name: "line1", Device: "127.0.0.1:1", Type: settings.TypeSimulated, Number: "0301"}}
	if err := gone.probe(t.Context(), openPort); err != nil || gone.class != "" || gone.state != stateFault || !strings.HasPrefix(gone.modem, "no modem: ") {
		t.Errorf("an exchange that is not there is probed as %+v, %v", gone, err)
	}
	bare := found{device: "/dev/none"}
	if err := bare.probe(t.Context(), openPort); err != nil || bare.state != stateAbsent || !strings.HasPrefix(bare.modem, "no modem: ") {
		t.Errorf("a device that is not there is probed as %+v, %v", bare, err)
	}
}

func TestDescribe(t *testing.T) {
	for want, d := range map[string]class1.Description{
		"ACME; classes 0, 1; sends to 14400, receives to 2400 bit/s": {Identity: "ACME", Classes: []string{"0", "1"},
			Sends: []line.Rate{line.V27ter2400, line.V17x14400}, Receives: []line.Rate{line.V27ter2400}},
		"a modem without a name; classes 0, 2; cannot be used: it has no fax class 1": {Classes: []string{"0", "2"}},
	} {
		if got := describe(d); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// scriptedPort is a port whose modem answers the first AT as it is told.
type scriptedPort struct {
	net.Conn
	fails error // of all that comes behind the answer
}

func (p *scriptedPort) Write(b []byte) (int, error) {
	n, err := p.Conn.Write(b)
	if err != nil && p.fails != nil {
		err = p.fails
	}
	return n, err
}

func (p *scriptedPort) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	if err != nil && p.fails != nil {
		err = p.fails
	}
	return n, err
}

// A port is shown with what is the matter with it and what to do.
func TestProbeStates(t *testing.T) {
	answering := func(answer string, fails error) opener {
		return func(context.Context, settings.Line, *slog.Logger) (io.ReadWriteCloser, class1.Config, error) {
			host, modem := net.Pipe()
			go func() {
				defer modem.Close()
				b := make([]byte, 64)
				if _, err := modem.Read(b); err == nil {
					io.WriteString(modem, answer)
				}
				if fails == nil {
					io.Copy(io.Discard, modem)
				}
			}()
			return &scriptedPort{host, fails}, class1.Config{}, nil
		}
	}
	failing := func(err error) opener {
		return func(context.Context, settings.Line, *slog.Logger) (io.ReadWriteCloser, class1.Config, error) {
			return nil, class1.Config{}, err
		}
	}
	hanging := func(ctx context.Context, _ settings.Line, _ *slog.Logger) (io.ReadWriteCloser, class1.Config, error) {
		<-ctx.Done()
		return nil, class1.Config{}, ctx.Err()
	}
	for name, c := range map[string]struct {
		open  opener
		state string
		says  string
	}{
		"nothing there":         {answering("", nil), stateSilent, "is a modem there"},
		"unplugged while asked": {answering("", fmt.Errorf("%w (read)", serial.ErrGone)), stateGone, "plug it in again"},
		"unplugged behind OK":   {answering("\r\nOK\r\n", fmt.Errorf("%w (read)", serial.ErrGone)), stateGone, "plug it in again"},
		"locked":                {failing(fmt.Errorf("%w by process 7; stop that program", serial.ErrLocked)), stateBusy, "stop that program"},
		"forbidden":             {failing(&fs.PathError{Op: "open", Path: "/dev/ttyX", Err: fs.ErrPermission}), stateDenied, "permission"},
		"absent":                {failing(&fs.PathError{Op: "open", Path: "/dev/ttyX", Err: fs.ErrNotExist}), stateAbsent, "not exist"},
		"hangs":                 {hanging, stateHangs, "plug its adapter out"},
		"no modem's answer":     {answering("\r\nERROR\r\n", nil), stateFault, "no answer"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := found{device: "/dev/ttyX"}
				begun := time.Now()
				if err := f.probe(t.Context(), c.open); err != nil || f.state != c.state || f.class != "" || !strings.Contains(f.modem, c.says) || strings.Contains(f.modem, "\n") {
					t.Errorf("%+v, %v; want %s", f, err, c.state)
				}
				if took := time.Since(begun); took > time.Duration(len(probeSpeeds))*probeTime {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

func TestLinesAsJSON(t *testing.T) {
	all := []found{
		{device: "/dev/a", line: &settings.Line{Name: "line3", Type: settings.TypeClass1, Number: "100"}, state: stateBusy, modem: "not asked"},
		{device: "/dev/b", state: stateModem, modem: "ACME", speed: 19200, class: "1",
			can: class1.Description{Identity: "ACME", Classes: []string{"0", "1"}, Sends: []line.Rate{line.V17x14400}, Receives: []line.Rate{line.V29x9600}}},
	}
	var out bytes.Buffer
	a := &app{terminal.Terminal{Out: &out}}
	if err := a.linesAsJSON(all, 3); err != nil {
		t.Fatal(err)
	}
	var rows []lineRow
	if err := json.Unmarshal(out.Bytes(), &rows); err != nil || len(rows) != 2 {
		t.Fatal(err, out.String())
	}
	if r := rows[0]; r.Line != "line3" || r.State != stateBusy || r.Settings != "" {
		t.Errorf("%+v", r)
	}
	if r := rows[1]; r.Identity != "ACME" || r.Sends != 14400 || r.Receives != 9600 || !strings.HasPrefix(r.Settings, "[LINE4]\nDEVICE=/dev/b\n") || !strings.Contains(r.Settings, "SPEED=19200\n") {
		t.Errorf("%+v", r)
	}
	out.Reset()
	if err := a.linesAsJSON(nil, 0); err != nil || strings.TrimSpace(out.String()) != "[]" {
		t.Errorf("no ports: %q, %v", out.String(), err)
	}
	out.Reset()
	if err := a.showLines(nil, 0, true); err != nil || !strings.Contains(out.String(), "plug a modem in") {
		t.Errorf("no ports: %q, %v", out.String(), err)
	}
}
