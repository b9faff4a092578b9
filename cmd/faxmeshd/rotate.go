package main

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/cluster"
)

const rotateLook = 500 * time.Millisecond // between questions how far it is

func (a *app) rotateCommand() *cobra.Command {
	var dir string
	var order cluster.RotateOrder
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "rotate-keys",
		Short: "Change the keys with which the nodes gossip",
		Long: `Change the keys with which the nodes of the cluster encrypt what they tell each
other by UDP, while they run: a new key is made known to all, then it is used,
then the old one is forgotten. Each step is taken when all nodes that are up have
taken the one before. Nodes that are away get the new key when they are back.

The cluster does that by itself when a node leaves or is removed, for it knew
the old key.`,
		Example: `  faxmeshd rotate-keys --data /var/lib/faxmesh
  faxmeshd rotate-keys --data north --look --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.rotate(cmd.Context(), dir, order, asJSON) },
	}
	dataFlag(cmd, &dir)
	cmd.Flags().BoolVar(&order.Look, "look", false, "change nothing, say whether a change is under way")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) rotate(ctx context.Context, dir string, order cluster.RotateOrder, asJSON bool) error {
	look := order.Look
	var waits []string
	for {
		var p cluster.RotateProgress
		if err := a.ask(ctx, dir, cluster.MethodRotate, orderTime, order, &p); err != nil {
			return err
		}
		if order.Look = true; p.Done || look {
			return a.showRotation(p, asJSON)
		}
		if len(p.Waits) > 0 && !slices.Equal(p.Waits, waits) && !asJSON {
			a.say("waiting for %s", strings.Join(p.Waits, ", "))
		}
		waits = p.Waits
		select {
		case <-time.After(rotateLook):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (a *app) showRotation(p cluster.RotateProgress, asJSON bool) error {
	switch {
	case asJSON:
		e := json.NewEncoder(a.Out)
		e.SetIndent("", "  ")
		return e.Encode(p)
	case p.Done:
		a.say("the nodes gossip with key %d", p.Serial)
	default:
		a.say("the nodes gossip with key %d; it is being changed", p.Serial)
		if len(p.Waits) > 0 {
			a.say("waiting for %s", strings.Join(p.Waits, ", "))
		}
	}
	return nil
}
