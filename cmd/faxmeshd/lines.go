package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/clientlib/settings"
	"github.com/faxmesh/faxmesh/modem/class1"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/serial"
)

// probeTime is how long a modem may take to say what it is, at one speed.
const probeTime = 10 * time.Second

// probeSpeeds are the speeds tried on a port that is not configured: what most
// modems take, and what old ones do.
var probeSpeeds = []int{serial.DefaultSpeed, 38400, 19200}

// found is a port on which a line is configured, or could be.
type found struct {
	device string
	line   *settings.Line // nil: not configured
	state  string         // as the probe has found it; empty: not probed
	modem  string         // what the probe has found, in words
	speed  int            // at which it was found
	class  string         // by which it can be driven; empty: it cannot
	can    class1.Description
}

// What a probe finds on a port.
const (
	stateModem  = "modem"     // one that answers, whether it can be used or not
	stateSilent = "silent"    // nothing answers
	stateBusy   = "busy"      // another program has the port
	stateDenied = "forbidden" // this user may not open it
	stateAbsent = "absent"    // there is no such device
	stateGone   = "gone"      // the device vanished while it was asked
	stateHangs  = "hangs"     // the system does not come back from opening it
	stateFault  = "fault"     // it answers, but not as a modem does
)

func (a *app) linesCommand() *cobra.Command {
	var dir string
	var probe, asJSON bool
	cmd := &cobra.Command{
		Use:   "lines [DEVICE...]",
		Short: "Find modems, and test lines",
		Long: `Show the serial ports of this machine and the lines that are configured in a
node's directory. Each port is opened and asked whether a fax modem is there,
which classes it has and how fast it is; for those that are new the settings are
proposed. The node must not run, or --probe=false. With DEVICEs only these are
looked at. A port that another program has is shown as busy, with what to do.`,
		Example: `  faxmeshd lines
  faxmeshd lines /dev/ttyACM0
  faxmeshd lines --data /var/lib/faxmesh --probe=false
  faxmeshd lines --json`,
		Args: cobra.ArbitraryArgs, // cobra would take a device for a command
		RunE: func(cmd *cobra.Command, args []string) error { return a.lines(cmd.Context(), dir, probe, asJSON, args) },
	}
	dataFlag(cmd, &dir)
	cmd.Flags().BoolVar(&probe, "probe", true, "open the ports and look for modems")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.AddCommand(a.linesTestCommand())
	return cmd
}

func (a *app) lines(ctx context.Context, dir string, probe, asJSON bool, devices []string) error {
	configured, err := a.configuredLines(dir)
	if err != nil {
		return err
	}
	ports, err := serial.List()
	if err != nil {
		return err
	}
	all := choose(survey(configured, ports), devices)
	if probe {
		unlock, err := lockLines(dir)
		if err != nil {
			return err
		}
		defer unlock()
		if err := probeAll(ctx, all); err != nil {
			return err
		}
	}
	if asJSON {
		return a.linesAsJSON(all, highest(configured))
	}
	return a.showLines(all, highest(configured), probe)
}

// configuredLines are those of the node in dir, if one is named.
func (a *app) configuredLines(dir string) ([]settings.Line, error) {
	if dir == "" {
		return nil, nil
	}
	values, err := a.readSettings(dir, nil)
	if err != nil {
		return nil, err
	}
	return values.Server().Lines, nil
}

// lockLines keeps the node in dir, if one is named, from starting.
func lockLines(dir string) (unlock func(), err error) {
	if dir == "" {
		return func() {}, nil
	}
	return lockData(dir)
}

// highest is the greatest n of the configured [LINEn].
func highest(configured []settings.Line) int {
	if len(configured) == 0 {
		return 0
	}
	return configured[len(configured)-1].Index // they are in order
}

// survey joins what is configured and what is there.
func survey(configured []settings.Line, ports []string) []found {
	var all []found
	for i, l := range configured {
		all = append(all, found{device: l.Device, line: &configured[i]})
	}
	for _, port := range ports {
		taken := slices.ContainsFunc(configured, func(l settings.Line) bool {
			return l.Type == settings.TypeClass1 && serial.SameDevice(l.Device, port)
		})
		if !taken {
			all = append(all, found{device: port})
		}
	}
	return all
}

// choose keeps the devices asked for, also one that the system does not list.
func choose(all []found, devices []string) []found {
	if len(devices) == 0 {
		return all
	}
	var chosen []found
	for _, device := range devices {
		i := slices.IndexFunc(all, func(f found) bool { return f.device == device })
		if i < 0 {
			chosen = append(chosen, found{device: device})
		} else {
			chosen = append(chosen, all[i])
		}
	}
	return chosen
}

// describe is as "ACME Fax 14400; classes 0, 1; sends to 14400, receives to 9600".
func describe(d class1.Description) string {
	name := d.Identity
	if name == "" {
		name = "a modem without a name"
	}
	text := name + "; classes " + strings.Join(d.Classes, ", ")
	if d.Class() == "" {
		return text + "; cannot be used: it has no fax class 1"
	}
	return fmt.Sprintf("%s; sends to %d, receives to %d bit/s", text, fastest(d.Sends), fastest(d.Receives))
}

func fastest(rates []line.Rate) int {
	most := 0
	for _, r := range rates {
		most = max(most, r.BitsPerSecond())
	}
	return most
}

// chipBugs are the switches that chips are known to need, by what is in their
// names.
var chipBugs = []struct{ name, keys string }{
	{"LUCENT", "RHCONNECTBUG=1\nTMDELAY=400\n"},
	{"AGERE", "RHCONNECTBUG=1\nTMDELAY=400\n"},
	{"DATAPORT", "NOFCS=1\n"},
}

// proposal is the section of settings for a modem that is not configured.
func (f *found) proposal(n int) string {
	keys := fmt.Sprintf("[LINE%d]\nDEVICE=%s\nTYPE=%s\n", n, serial.StableName(f.device), settings.TypeClass1)
	if f.speed != serial.DefaultSpeed {
		keys += fmt.Sprintf("SPEED=%d\n", f.speed)
	}
	if f.class != "1" {
		keys += fmt.Sprintf("CLASS=%s\n", f.class)
	}
	for _, chip := range chipBugs {
		if strings.Contains(strings.ToUpper(f.modem), chip.name) {
			keys += chip.keys
		}
	}
	return keys + "; the telephone number of the line\nNUMBER="
}

// isNew reports whether f is a modem that could be a line and is none yet.
func (f *found) isNew() bool { return f.line == nil && f.class != "" }

// printable makes what a modem says of itself harmless to a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
