package main

import (
	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster"
	"github.com/faxmesh/faxmesh/cmd/terminal"
)

func (a *app) removeCommand() *cobra.Command {
	var dir string
	var order cluster.RemoveOrder
	cmd := &cobra.Command{
		Use:   "remove NODE",
		Short: "Take a node that is lost out of the cluster",
		Long: `Take a node that does not come back off the list of members. To be asked of any
other node that runs. Its certificate is void from then on, and it is told so
should it appear again.

What becomes of what it had: its jobs go out on other lines, those that were on
its lines once no such call can be running any more; dial rules that name it are
removed; its documents get new copies from the other nodes. Documents of which
no other node has a copy are lost, so then --force is needed.`,
		Example: `  faxmeshd remove --data /var/lib/faxmesh south`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			order.Node = args[0]
			if err := fax.CheckName("node", order.Node); err != nil {
				return &terminal.Error{Status: terminal.Usage, Err: err}
			}
			var r cluster.Removal
			if err := a.ask(cmd.Context(), dir, cluster.MethodRemove, orderTime, order, &r); err != nil {
				return err
			}
			a.say("node %s is removed", r.Node)
			a.say("jobs that were leased to it: %d; each is tried again when no call of that node can be running any more", len(r.Jobs))
			a.say("dial rules that named it, removed with it: %d", r.Rules)
			if r.Documents > 0 || !r.Checked {
				a.say("documents given up: %d%s", r.Documents, map[bool]string{false: " or more"}[r.Checked])
			}
			return nil
		},
	}
	dataFlag(cmd, &dir)
	cmd.Flags().BoolVar(&order.Force, "force", false, "also a node that is up, or that has the only copies of documents")
	return cmd
}
