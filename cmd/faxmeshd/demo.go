package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/cmd/faxmeshd/demo"
	"github.com/faxmesh/faxmesh/cmd/terminal"
)

func (a *app) demoCommand() *cobra.Command {
	var opt demo.Options
	var level string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show a fax crossing a cluster of three nodes",
		Long: `Show a fax crossing a cluster: three nodes in this process, on loopback, with
simulated telephone lines. The story is checked as it is told, and the nodes
then stay up until Ctrl-C. It needs no configuration, no root and no hardware.

With --once only the story is told; the exit status is 0 if every step of it
was true.`,
		Example: `  faxmeshd demo
  faxmeshd demo --once --json
  faxmeshd demo --speed 1 --data demo`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if !(opt.Speed > 0 && opt.Speed <= maxSpeed) {
				return terminal.Usagef("--speed must be above 0 and at most %d", maxSpeed)
			}
			opt.Out, opt.Log = a.Out, slog.New(slog.DiscardHandler)
			if level != "" {
				if opt.Log, err = a.logger("text", level); err != nil {
					return err
				}
			}
			return demo.Run(cmd.Context(), opt)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&opt.Once, "once", false, "tell the story and end")
	f.BoolVar(&opt.JSON, "json", false, "print the timeline as JSON lines")
	f.Float64Var(&opt.Speed, "speed", demo.DefaultSpeed, "simulated seconds of the telephone lines in one of the wall clock")
	f.StringVar(&opt.Data, "data", "", "keep the nodes' data in this directory (default: a temporary one)")
	f.StringVar(&level, "log-level", "", "print what the nodes log: debug, info, warn or error (default: nothing)")
	_ = cmd.MarkFlagDirname("data") // only fails for a flag that does not exist
	return cmd
}
