package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/faxmesh/faxmesh/clientlib/settings"
)

// lineRow is a port as JSON tells of it.
type lineRow struct {
	Device   string   `json:"device"`
	Line     string   `json:"line,omitempty"` // configured on it
	Type     string   `json:"type,omitempty"`
	Number   string   `json:"number,omitempty"`
	State    string   `json:"state,omitempty"` // empty: not probed
	Modem    string   `json:"modem,omitempty"` // what was found, in words
	Identity string   `json:"identity,omitempty"`
	Classes  []string `json:"classes,omitempty"`
	Speed    int      `json:"speed,omitempty"`    // of the port, bit/s
	Sends    int      `json:"sends,omitempty"`    // at most, bit/s
	Receives int      `json:"receives,omitempty"` // the same
	Settings string   `json:"settings,omitempty"` // proposed for a modem that is not configured
}

// linesAsJSON prints an array, empty if there are no ports.
func (a *app) linesAsJSON(all []found, last int) error {
	rows := []lineRow{}
	for _, f := range all {
		r := lineRow{Device: f.device, State: f.state, Modem: f.modem, Identity: f.can.Identity, Classes: f.can.Classes,
			Speed: f.speed, Sends: fastest(f.can.Sends), Receives: fastest(f.can.Receives)}
		if f.line != nil {
			r.Line, r.Type, r.Number = f.line.Name, f.line.Type, f.line.Number
		}
		if f.isNew() {
			last++
			r.Settings = f.proposal(last)
		}
		rows = append(rows, r)
	}
	e := json.NewEncoder(a.Out)
	e.SetIndent("", "  ")
	return e.Encode(rows)
}

func (a *app) showLines(all []found, last int, probed bool) error {
	if len(all) == 0 {
		a.say("no serial ports and no configured lines: plug a modem in, and see that this user may use serial ports\n" +
			"(a pseudo-terminal is asked if it is named: faxmeshd lines DEVICE); or try simulated ones: faxmeshd exchange --help")
		return nil
	}
	w := tabwriter.NewWriter(a.Out, 0, 8, 2, ' ', 0)
	head := "DEVICE\tLINE\tTYPE\tNUMBER"
	if probed {
		head += "\tSTATE\tMODEM"
	}
	fmt.Fprintln(w, head)
	for _, f := range all {
		name, kind, number := "-", "-", "-"
		if f.line != nil {
			name, kind, number = f.line.Name, f.line.Type, f.line.Number
		}
		row := strings.Join([]string{f.device, name, kind, number}, "\t")
		if probed {
			row += "\t" + f.state + "\t" + printable(f.modem)
		}
		fmt.Fprintln(w, row)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, f := range all {
		if f.isNew() {
			last++
			a.say("\n; for %s: %s\n%s", settings.ServerFile, printable(f.modem), f.proposal(last))
		}
	}
	return nil
}
