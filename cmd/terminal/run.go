package terminal

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Run runs a program's root command and returns its exit status. The first
// SIGINT or SIGTERM ends the context of the command, a second one the process.
func (t Terminal) Run(root *cobra.Command) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return t.Execute(ctx, root)
}

// Execute is Run without signals. What goes wrong before the command begins is
// its usage.
func (t Terminal) Execute(ctx context.Context, root *cobra.Command) int {
	begun := false
	root.PersistentPreRun = func(*cobra.Command, []string) { begun = true }
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetIn(t.In)
	root.SetOut(t.Out)
	root.SetErr(t.Err)
	last, err := root.ExecuteContextC(ctx)
	if err == nil {
		return OK
	}
	if !begun {
		err = Usagef("%w; see %s --help", err, last.CommandPath())
	}
	t.Report(root.Name(), err)
	return Status(err)
}

// Group makes a command that only has subcommands: alone it shows its help, a
// word it does not know is wrong usage.
func Group(cmd *cobra.Command, subcommands ...*cobra.Command) *cobra.Command {
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.AddCommand(subcommands...)
	return cmd
}
