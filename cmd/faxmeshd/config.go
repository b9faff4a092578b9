package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/clientlib/settings"
)

// serverPath is where a node's settings lie in its directory.
func serverPath(dir string) string {
	return filepath.Join(dir, settings.ServerFolder, settings.ServerFile)
}

// readSettings lays file, environment and flags over the defaults. Warnings go
// to Err.
func (a *app) readSettings(dir string, flags settings.Layer) (*settings.Values, error) {
	f, err := settings.ReadFile(serverPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not the directory of a node: it has no %s; make one with faxmeshd init or faxmeshd join", dir, filepath.Join(settings.ServerFolder, settings.ServerFile))
	}
	if err != nil {
		return nil, err
	}
	values, warnings, err := settings.ServerSchema.Resolve(f.Layer(), settings.EnvLayer(os.Environ()), flags)
	for _, w := range warnings {
		fmt.Fprintf(a.Err, "%s: warning: %v\n", program, w)
	}
	return values, err
}

func (a *app) configCommand() *cobra.Command {
	var dir string
	var asJSON bool
	check := &cobra.Command{
		Use:   "check",
		Short: "Look for mistakes in the settings",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := needData(dir); err != nil {
				return err
			}
			if _, err := a.readSettings(dir, nil); err != nil {
				return err
			}
			shipped := filepath.Join(dir, settings.ShippedFile)
			if err := a.checkShipped(shipped); err != nil {
				return err
			}
			a.say("%s and %s are good", serverPath(dir), shipped)
			return nil
		},
	}
	show := &cobra.Command{
		Use:   "show",
		Short: "Show every setting in force, and where it comes from",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := needData(dir); err != nil {
				return err
			}
			values, err := a.readSettings(dir, nil)
			if err != nil {
				return err
			}
			return a.showSettings(values, asJSON)
		},
	}
	show.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	for _, cmd := range []*cobra.Command{check, show} {
		dataFlag(cmd, &dir)
	}
	return group("config", "Check and show a node's settings",
		"  faxmeshd config check --data /var/lib/faxmesh\n  faxmeshd config show --data /var/lib/faxmesh", check, show)
}

// checkShipped looks at the settings that clients are given; a node need not
// have any.
func (a *app) checkShipped(path string) error {
	f, err := settings.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, warnings, err := settings.ClientSchema.Resolve(f.Layer())
	for _, w := range warnings {
		fmt.Fprintf(a.Err, "%s: warning: %v\n", program, w)
	}
	return err
}

func (a *app) showSettings(values *settings.Values, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(a.Out)
		e.SetIndent("", "  ")
		return e.Encode(values.All())
	}
	w := tabwriter.NewWriter(a.Out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "SECTION\tKEY\tVALUE\tORIGIN")
	for _, s := range values.All() {
		value := s.Value
		if value == "" {
			value = "-"
		}
		fmt.Fprintf(w, "[%s]\t%s\t%s\t%s\n", s.Section, s.Key, value, s.Origin)
	}
	return w.Flush()
}
