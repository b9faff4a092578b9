package main

import (
	"bytes"
	"strings"
	"testing"

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
	if err := there.probe(t.Context()); err != nil || there.class != "1" || !strings.Contains(there.modem, "sends to 14400, receives to 14400 bit/s") {
		t.Errorf("a simulated modem is probed as %+v, %v", there, err)
	}
	gone := found{line: &settings.Line{Name: "line1", Device: "127.0.0.1:1", Type: settings.TypeSimulated, Number: "0301"}}
	if err := gone.probe(t.Context()); err != nil || gone.class != "" || !strings.HasPrefix(gone.modem, "no modem: ") {
		t.Errorf("an exchange that is not there is probed as %+v, %v", gone, err)
	}
	bare := found{device: "/dev/none"}
	if err := bare.probe(t.Context()); err != nil || !strings.HasPrefix(bare.modem, "no modem: ") {
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
