package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/clientlib/settings"
	"github.com/faxmesh/faxmesh/modem/serial"
)

// probeTime is how long a modem may take to say what it is.
const probeTime = 10 * time.Second

// found is a port on which a line is configured, or could be.
type found struct {
	device string
	line   *settings.Line // nil: not configured
	modem  string         // what the probe has found
	class1 bool
}

func (a *app) linesCommand() *cobra.Command {
	var dir string
	var probe bool
	cmd := &cobra.Command{
		Use:   "lines [DEVICE...]",
		Short: "Show serial ports and configured lines, look for modems",
		Long: `Show the serial ports of this machine and the lines that are configured in a
node's directory. With --probe each port is opened and asked whether a Class 1
fax modem is there, and the settings for those that are new are proposed; the
node must not run. With DEVICEs only these are looked at.`,
		Example: `  faxmeshd lines
  faxmeshd lines --probe /dev/ttyACM0
  faxmeshd lines --data /var/lib/faxmesh --probe`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.lines(cmd.Context(), dir, probe, args) },
	}
	dataFlag(cmd, &dir)
	cmd.Flags().BoolVar(&probe, "probe", false, "open the ports and look for modems")
	return cmd
}

func (a *app) lines(ctx context.Context, dir string, probe bool, devices []string) error {
	var configured []settings.Line
	if dir != "" {
		values, err := a.readSettings(dir, nil)
		if err != nil {
			return err
		}
		configured = values.Server().Lines
	}
	ports, err := serial.List()
	if err != nil {
		return err
	}
	all := choose(survey(configured, ports), devices)
	if probe {
		if dir != "" {
			unlock, err := lockData(dir)
			if err != nil {
				return err
			}
			defer unlock()
		}
		if err := probeAll(ctx, all); err != nil {
			return err
		}
	}
	return a.showLines(all, highest(configured), probe)
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
	taken := map[string]bool{}
	for i, l := range configured {
		all = append(all, found{device: l.Device, line: &configured[i]})
		taken[l.Device] = l.Type == settings.TypeClass1
	}
	for _, port := range ports {
		if !taken[port] {
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

// probeAll asks all modems at once: a port without one keeps silent until the
// time is up.
func probeAll(ctx context.Context, all []found) error {
	var asking sync.WaitGroup
	errs := make([]error, len(all))
	for i := range all {
		asking.Go(func() { errs[i] = all[i].probe(ctx) })
	}
	asking.Wait()
	return errors.Join(errs...)
}

// probe asks the modem what it is. That there is none is no error.
func (f *found) probe(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	l := settings.Line{Name: f.device, Device: f.device, Type: settings.TypeClass1, FlowControl: "NONE"}
	if f.line != nil {
		l = *f.line
	}
	phone, _, err := openPhone(asking, l, slog.New(slog.DiscardHandler))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		f.modem = "no modem: " + strings.ReplaceAll(err.Error(), "\n", "; ")
		return nil
	}
	f.class1, f.modem = true, phone.Identity()
	if f.modem == "" {
		f.modem = "a Class 1 modem without a name"
	}
	return phone.Close()
}

func (a *app) showLines(all []found, last int, probed bool) error {
	if len(all) == 0 {
		a.say("no serial ports and no configured lines; try simulated ones: faxmeshd exchange --help")
		return nil
	}
	w := tabwriter.NewWriter(a.Out, 0, 8, 2, ' ', 0)
	head := "DEVICE\tLINE\tTYPE\tNUMBER"
	if probed {
		head += "\tMODEM"
	}
	fmt.Fprintln(w, head)
	for _, f := range all {
		name, kind, number := "-", "-", "-"
		if f.line != nil {
			name, kind, number = f.line.Name, f.line.Type, f.line.Number
		}
		row := strings.Join([]string{f.device, name, kind, number}, "\t")
		if probed {
			row += "\t" + printable(f.modem)
		}
		fmt.Fprintln(w, row)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	a.propose(all, last)
	return nil
}

// propose writes the settings for modems that are not configured.
func (a *app) propose(all []found, last int) {
	for _, f := range all {
		if f.line != nil || !f.class1 {
			continue
		}
		last++
		a.say("\n; for %s\n[LINE%d]\nDEVICE=%s\nTYPE=%s\n; the telephone number of the line\nNUMBER=", settings.ServerFile, last, f.device, settings.TypeClass1)
	}
}

// printable makes what a modem says of itself harmless to a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
