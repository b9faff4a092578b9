package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/cluster"
)

// Times of the commands that change who is a member.
const (
	leaveLook  = 500 * time.Millisecond // between questions how far the node is
	orderTime  = 30 * time.Second       // for one answer
	leaveLimit = 10 * time.Minute       // for leaving without --when-done
)

func (a *app) leaveCommand() *cobra.Command {
	var dir string
	var order cluster.LeaveOrder
	cmd := &cobra.Command{
		Use:   "leave",
		Short: "Take this node out of its cluster, in good order",
		Long: `Take the running node of this directory out of its cluster: it takes no new
work, gives its documents to other nodes and its vote and lead to another, is
taken off the list of members, and ends. Jobs that wait go out on the lines of
the other nodes; the dial rules that name this node are removed with it.

It refuses while calls are under way, or when documents are on this node alone
and no other can take them. Its certificate is void from then on: to use the
machine again, join with a new directory.`,
		Example: `  faxmeshd leave --data /var/lib/faxmesh
  faxmeshd leave --data south --when-done`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.leave(cmd.Context(), dir, order) },
	}
	dataFlag(cmd, &dir)
	cmd.Flags().BoolVar(&order.WhenDone, "when-done", false, "wait for calls and copies, however long they take")
	cmd.Flags().BoolVar(&order.Force, "force", false, "leave now: calls are ended, documents without a copy elsewhere stay behind")
	cmd.MarkFlagsMutuallyExclusive("when-done", "force")
	return cmd
}

func (a *app) leave(ctx context.Context, dir string, order cluster.LeaveOrder) error {
	if !order.WhenDone {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, leaveLimit)
		defer cancel()
	}
	var said []string
	asked := false
	for {
		var p cluster.LeaveProgress
		err := a.ask(ctx, dir, cluster.MethodLeave, orderTime, order, &p)
		switch {
		case err != nil && asked && a.hasLeft(dir), err == nil && p.Done:
			a.say("the node has left the cluster and ends; its directory %s may be kept or removed", dir)
			return nil
		case err != nil && ctx.Err() != nil:
			return errors.New("the node has not left yet, and goes on trying; look at faxmeshd status, or stop it to have it stay")
		case err != nil:
			return err
		case p.Error != "":
			return errors.New(p.Error)
		}
		asked = true
		if !slices.Equal(said, p.Waits) {
			said = p.Waits
			a.say("waiting for: %s", strings.Join(said, ", "))
		}
		select {
		case <-time.After(leaveLook):
		case <-ctx.Done():
		}
	}
}

// hasLeft says whether the node that does not answer has ended because it has
// left.
func (a *app) hasLeft(dir string) bool {
	left, err := cluster.HasLeft(dir)
	return err == nil && left
}
