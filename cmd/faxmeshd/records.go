package main

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/cluster"
)

func (a *app) recordsCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "records",
		Short: "Print what a stopped node alone knows",
		Long: `Print what a node has done while it was cut off and the others have not heard,
as lines of JSON: faxes handed in, sent and received, assignments, logouts. The
node must not run. A node that comes back tells the others all of it by itself;
this is for one that was removed meanwhile. Nothing is changed.`,
		Example: `  faxmeshd records --data /var/lib/faxmesh > alone.jsonl
  faxmeshd records --data /var/lib/faxmesh | jq -r 'select(.command == "Submit") | .content.Job.number'`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.records(dir) },
	}
	dataFlag(cmd, &dir)
	return cmd
}

func (a *app) records(dir string) error {
	if err := needData(dir); err != nil {
		return err
	}
	unlock, err := lockData(dir)
	if err != nil {
		return err
	}
	defer unlock()
	n, err := cluster.Records(dir, a.Out, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if n == 0 {
		fmt.Fprintln(a.Err, "the others know all that this node has done")
	}
	return nil
}
