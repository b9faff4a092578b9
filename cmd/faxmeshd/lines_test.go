package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/settings"
	"github.com/faxmesh/faxmesh/cmd/terminal"
	"github.com/faxmesh/faxmesh/modem/exchange"
)

func TestLinesProposesWhatIsNotConfigured(t *testing.T) {
	configured := []settings.Line{
		{Index: 1, Name: "line1", Device: "/dev/a", Type: settings.TypeClass1, Number: "100"},
		{Index: 7, Name: "line7", Device: "127.0.0.1:1", Type: settings.TypeSimulated, Number: "200"},
	}
	all := survey(configured, []string{"/dev/a", "/dev/b", "/dev/c"})
	if len(all) != 4 || all[2].device != "/dev/b" || all[2].line != nil {
		t.Fatalf("surveyed %+v", all)
	}
	all[2].class1, all[2].modem = true, "Brand\x1b[2J X"
	all[3].modem = "no modem"
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
	if lines := values.Server().Lines; len(lines) != 1 || lines[0].Index != 8 || lines[0].Device != "/dev/b" {
		t.Errorf("proposes %+v", lines)
	}
}

func TestProbe(t *testing.T) {
	x := exchange.New(exchange.Config{Speed: 50})
	defer x.Close()
	addr := serveExchange(t, x)
	there := found{line: &settings.Line{Name: "line1", Device: addr, Type: settings.TypeSimulated, Number: "03-01"}}
	if err := there.probe(t.Context()); err != nil || !there.class1 || there.modem == "" {
		t.Errorf("a simulated modem is probed as %+v, %v", there, err)
	}
	gone := found{line: &settings.Line{Name: "line1", Device: "127.0.0.1:1", Type: settings.TypeSimulated, Number: "0301"}}
	if err := gone.probe(t.Context()); err != nil || gone.class1 || !strings.HasPrefix(gone.modem, "no modem: ") {
		t.Errorf("an exchange that is not there is probed as %+v, %v", gone, err)
	}
}
