package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/cluster"
)

// recoverTime is for looking and for carrying it out.
const recoverTime = 10 * time.Minute

func (a *app) recoverCommand() *cobra.Command {
	var dir string
	var yes bool
	cmd := &cobra.Command{
		Use:   "recover",
		Short: "Go on with this node alone after the majority is lost for good",
		Long: `Go on with this node alone after the majority of the voters is lost for good, as
after a fire. The node must not run. Without --yes it only says what it finds.

What may be lost: what was agreed on and had not reached this node yet, and
documents of which only the lost nodes had copies. What this node's log holds
counts as agreed on from then on. Faxes that were on the lines of the lost nodes
are tried again when no such call can be running any more.

All other nodes are removed and their certificates are void. They must never go
on by themselves: this node tells them to stop as soon as it reaches them. Join
them again with new directories. If several nodes are left, recover the one
with the highest entry, and let the others join it.`,
		Example: `  faxmeshd recover --data /var/lib/faxmesh
  faxmeshd recover --data /var/lib/faxmesh --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.recover(cmd.Context(), dir, yes) },
	}
	dataFlag(cmd, &dir)
	cmd.Flags().BoolVar(&yes, "yes", false, "carry it out")
	return cmd
}

func (a *app) recover(ctx context.Context, dir string, yes bool) error {
	if err := needData(dir); err != nil {
		return err
	}
	values, err := a.readSettings(dir, nil)
	if err != nil {
		return err
	}
	unlock, err := lockData(dir)
	if err != nil {
		return err
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(ctx, recoverTime)
	defer cancel()
	r, err := cluster.Recover(ctx, clusterOptions(dir, values, slog.New(slog.DiscardHandler)), yes)
	if err != nil {
		return err
	}
	last := "no activity"
	if r.Last > 0 {
		last = "last activity " + clock(r.Last)
	}
	a.say("node %s knows entry %d, %s; jobs: %d waiting, %d held, %d under way", r.Node, r.Index, last, r.Jobs.Queued, r.Jobs.Held, r.Jobs.Running)
	for _, o := range r.Others {
		if o.Answers {
			a.say("node %s (%s) answers, has no leader, and knows entry %d", o.Name, o.PeerAddr, o.Index)
		} else {
			a.say("node %s (%s) does not answer", o.Name, o.PeerAddr)
		}
	}
	a.say("documents that faxes need and this node does not have: %d", r.Documents)
	if !yes {
		a.say("\nnothing was changed. What was agreed on after entry %d is lost if you go on, and all other\nnodes are removed for good: faxmeshd recover --data %s --yes", r.Index, dir)
		return nil
	}
	a.say("\n%s is the only node of its cluster now. Start it, and join the others with new directories:\n  faxmeshd run --data %s", r.Node, dir)
	return nil
}
