package main

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/cmd/terminal"
)

const program = "faxmeshd"

// app is what all commands share.
type app struct{ terminal.Terminal }

func newRoot(t terminal.Terminal) *cobra.Command {
	a := &app{t}
	return terminal.Group(&cobra.Command{
		Use:   program,
		Short: "A node of a fax cluster",
		Long: `A node of a fax cluster: it owns telephone lines and serves clients.

Exit status: 0 it was done, or the node was told to stop and did; 1 it was
tried and did not work; 2 wrong usage.

Environment: NCFX_SECTION_KEY overrides a setting of NCFXSERVER.DAT, as
NCFX_NETWORK_SERVERTCPPORT=7490.`,
		Example: `  faxmeshd init --data /var/lib/faxmesh --name north --line 0301@/dev/ttyACM0
  faxmeshd run --data /var/lib/faxmesh`,
	}, a.initCommand(), a.joinCommand(), a.runCommand(), a.tokenCommand(), a.statusCommand(), a.leaveCommand(), a.removeCommand(), a.backupCommand(), a.restoreCommand(), a.renewCommand(), a.rotateCommand(), a.recoverCommand(), a.recordsCommand(),
		a.linesCommand(), a.configCommand(), a.exchangeCommand(), a.demoCommand())
}

// logger writes to Err: text for people, JSON for machines.
func (a *app) logger(format, level string) (*slog.Logger, error) {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return nil, terminal.Usagef("--log-level is debug, info, warn or error, not %q", level)
	}
	options := &slog.HandlerOptions{Level: least}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(a.Err, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(a.Err, options)), nil
	}
	return nil, terminal.Usagef("--log is text or json, not %q", format)
}

// dataFlag adds --data, which has no default: a node's data must not land in
// whatever directory one stands in.
func dataFlag(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "data", "", "the node's directory")
	_ = cmd.MarkFlagDirname("data") // only fails for a flag that does not exist
}

func needData(dir string) error {
	if dir == "" {
		return terminal.Usagef("say which directory is the node's with --data DIR")
	}
	return nil
}

// group is terminal.Group with what every group has.
func group(use, short, example string, subcommands ...*cobra.Command) *cobra.Command {
	return terminal.Group(&cobra.Command{Use: use, Short: short, Example: example}, subcommands...)
}

func (a *app) say(format string, args ...any) { fmt.Fprintf(a.Out, format+"\n", args...) }
