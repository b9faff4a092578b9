package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/clientlib/settings"
	"github.com/faxmesh/faxmesh/cmd/terminal"
)

func (a *app) settingsCommand() *cobra.Command {
	var asJSON bool
	show := func(cmd *cobra.Command, _ []string) error {
		p, err := a.profile()
		if err != nil {
			return err
		}
		values, err := a.clientSettings(p)
		if err != nil {
			return err
		}
		if asJSON {
			return a.json(values.All())
		}
		return a.table("", "SECTION KEY VALUE ORIGIN", settingRows(values))
	}
	cmd := &cobra.Command{
		Use:   "settings",
		Short: "Show and change this client's settings",
		Long: `Show this client's settings, each with where it comes from: the default, the
file NCFAXCLIENT.DAT in the profile, or the environment. They can be changed
only while not logged in, because a session is bound to its notification port.`,
		Example: `  faxmesh settings
  faxmesh settings set LOWTCPDYNAMICPORT=3000 HIGHTCPDYNAMICPORT=3100
  faxmesh settings set NETWORK.CLIENTTCPSERVERPORT=7485
  faxmesh settings merge CLIENTSETTINGS.TXT`,
		Args: cobra.NoArgs,
		RunE: show,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.AddCommand(a.setCommand(), a.unsetCommand(), a.mergeCommand())
	return cmd
}

func (a *app) setCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "set KEY=VALUE...",
		Short: "Change settings",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.changeSettings(func(f *settings.File) error {
				for _, arg := range args {
					if err := setOne(f, arg); err != nil {
						return err
					}
				}
				return nil
			})
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var words []string
			for _, k := range settings.ClientSchema.Keys {
				words = append(words, k.Name+"=\t"+k.Help)
			}
			return words, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
		},
	}
}

func (a *app) unsetCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "unset KEY...",
		Short: "Go back to the default",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.changeSettings(func(f *settings.File) error {
				for _, arg := range args {
					k, err := findKey(arg)
					if err != nil {
						return err
					}
					f.Unset(k.Section, k.Name)
				}
				return nil
			})
		},
	}
}

func (a *app) mergeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "merge FILE",
		Short: "Take over the entries of a CLIENTSETTINGS.TXT that are not set here",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			from, err := settings.ReadFile(args[0])
			if err != nil {
				return err
			}
			return a.changeSettings(func(f *settings.File) error {
				taken, err := f.Merge(from)
				for _, e := range taken {
					fmt.Fprintf(a.Out, "[%s] %s=%s\n", e.Section, e.Key, clean(e.Value))
				}
				return err
			})
		},
	}
}

func settingRows(v *settings.Values) [][]string {
	var rows [][]string
	for _, s := range v.All() {
		rows = append(rows, []string{"[" + s.Section + "]", s.Key, s.Value, s.Origin})
	}
	return rows
}

// clientSettings are the settings in force; warnings go to Err.
func (a *app) clientSettings(p profile) (*settings.Values, error) {
	values, warnings, err := p.settings(environ())
	for _, w := range warnings {
		fmt.Fprintf(a.Err, "%s: warning: %v\n", program, w)
	}
	return values, err
}

// changeSettings edits the client's file. The result must be one that the
// program starts on.
func (a *app) changeSettings(change func(*settings.File) error) error {
	p, err := a.profile()
	if err != nil {
		return err
	}
	if p.loggedIn() {
		return fmt.Errorf("settings cannot be changed while logged in; type: faxmesh logout")
	}
	f, err := p.settingsFile()
	if err != nil {
		return err
	}
	if err := change(f); err != nil {
		return err
	}
	changed, err := settings.Parse(f.Name, f.Bytes())
	if err != nil {
		return err
	}
	if _, _, err := settings.ClientSchema.Resolve(changed.Layer()); err != nil {
		return fmt.Errorf("nothing is changed: %w", err)
	}
	return p.saveSettings(f)
}

// setOne sets KEY=VALUE or SECTION.KEY=VALUE.
func setOne(f *settings.File, arg string) error {
	name, value, found := strings.Cut(arg, "=")
	if !found {
		return terminal.Usagef("%q is not KEY=VALUE", arg)
	}
	k, err := findKey(name)
	if err != nil {
		return err
	}
	return f.Set(k.Section, k.Name, value)
}

// findKey finds KEY or SECTION.KEY.
func findKey(name string) (settings.Key, error) {
	section, key, dotted := strings.Cut(name, ".")
	if !dotted {
		section, key = "", name
	}
	for _, k := range settings.ClientSchema.Keys {
		if strings.EqualFold(k.Name, key) && (section == "" || strings.EqualFold(k.Section, section)) {
			return k, nil
		}
	}
	return settings.Key{}, terminal.Usagef("%s is not a setting of %s; see: faxmesh settings", name, settings.ClientFile)
}
