package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/clientlib/settings"
	"github.com/faxmesh/faxmesh/clientlib/wire"
	"github.com/faxmesh/faxmesh/cluster"
	"github.com/faxmesh/faxmesh/cluster/room"
	"github.com/faxmesh/faxmesh/cmd/terminal"
)

// Limits of a join token.
const (
	mostUses   = 100
	mostHours  = 24 * 365
	inviteTime = 30 * time.Second // for making one
)

// tokenTerms is what a join token is good for.
type tokenTerms struct{ uses, hours int }

func (t *tokenTerms) flags(cmd *cobra.Command) {
	cmd.Flags().IntVar(&t.uses, "uses", 10, "how many nodes may join with the token")
	cmd.Flags().IntVar(&t.hours, "hours", 24, "how long the token is good")
}

func (t *tokenTerms) check() error {
	if t.uses < 1 || t.uses > mostUses || t.hours < 1 || t.hours > mostHours {
		return terminal.Usagef("--uses is from 1 to %d and --hours from 1 to %d", mostUses, mostHours)
	}
	return nil
}

// invitation is what others need to find this cluster and no other.
type invitation struct {
	token       string
	fingerprint string // of the cluster's authority, hex SHA-256
}

// invite makes a join token on a node that does not run: it takes part in the
// cluster for as long as that needs.
func invite(ctx context.Context, opt cluster.Options, by string, terms tokenTerms) (invitation, error) {
	ctx, cancel := context.WithTimeout(ctx, inviteTime)
	defer cancel()
	c, err := cluster.Open(ctx, opt)
	if err != nil {
		return invitation{}, err
	}
	defer c.Close()
	token, err := c.NewToken(ctx, by, terms.uses, time.Duration(terms.hours)*time.Hour)
	if err != nil {
		return invitation{}, err
	}
	chain := c.Certificate().Certificate
	return invitation{token: token, fingerprint: wire.Fingerprint(chain[len(chain)-1])}, nil
}

func (a *app) tokenCommand() *cobra.Command {
	var dir string
	var terms tokenTerms
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make a join token on a node that does not run",
		Long: `Make a join token on a node that does not run. While nodes run, an administrator
makes one from anywhere with: faxmesh admin token.`,
		Example: "  faxmeshd token --data /var/lib/faxmesh --uses 1",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needData(dir); err != nil {
				return err
			}
			if err := terms.check(); err != nil {
				return err
			}
			values, err := a.readSettings(dir, nil)
			if err != nil {
				return err
			}
			unlock, err := lockData(dir)
			if err != nil {
				return fmt.Errorf("%w, or ask the running one: faxmesh admin token", err)
			}
			defer unlock()
			if err := freePorts(values); err != nil {
				return err
			}
			made, err := invite(cmd.Context(), clusterOptions(dir, values, slog.New(slog.DiscardHandler)), values.Server().Name, terms)
			if err != nil {
				return err
			}
			a.say("%s", made.token)
			return nil
		},
	}
	dataFlag(cmd, &dir)
	terms.flags(cmd)
	return cmd
}

// clusterOptions are a node's settings as its cluster needs them.
func clusterOptions(dir string, values *settings.Values, log *slog.Logger) cluster.Options {
	s := values.Server()
	return cluster.Options{
		Dir:           dir,
		Name:          s.Name,
		Site:          s.Site,
		NoVote:        s.NoVote,
		PeerListen:    s.Cluster.Bind,
		PeerAdvertise: where(s.Cluster),
		ClientAddr:    where(s.Client),
		Copies:        s.Copies,
		Plain:         s.Plain,
		Room:          room.Limits{Quota: s.Quota, MinFree: s.MinFree},
		Logger:        log,
	}
}
