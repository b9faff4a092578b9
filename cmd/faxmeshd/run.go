package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/settings"
	"github.com/faxmesh/faxmesh/cluster"
	"github.com/faxmesh/faxmesh/node"
)

// plugTime is how long a node waits for its modems at the start. Those that are
// slower come into service later.
const plugTime = 10 * time.Second

// settleTime is how long a node that has just joined waits to be told what the
// others know.
const settleTime = 15 * time.Second

// running is what run was asked to do.
type running struct {
	dir   string
	ready string
	log   string
	level string
}

func (a *app) runCommand() *cobra.Command {
	var r running
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run a node",
		Long: `Run a node until SIGINT or SIGTERM: calls are then ended in good order and the
other nodes told. When it serves, one line on standard output names its ports;
the log goes to standard error.`,
		Example: `  faxmeshd run --data /var/lib/faxmesh
  faxmeshd run --data north --log json --ready north.ready`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.run(cmd.Context(), r) },
	}
	dataFlag(cmd, &r.dir)
	f := cmd.Flags()
	f.StringVar(&r.ready, "ready", "", "file that is there while the node serves")
	f.StringVar(&r.log, "log", "text", "form of the log: text or json")
	f.StringVar(&r.level, "log-level", "info", "least level that is logged: debug, info, warn or error")
	return cmd
}

func (a *app) run(ctx context.Context, r running) (err error) {
	if err := needData(r.dir); err != nil {
		return err
	}
	log, err := a.logger(r.log, r.level)
	if err != nil {
		return err
	}
	values, err := a.readSettings(r.dir, nil)
	if err != nil {
		return err
	}
	unlock, err := lockData(r.dir)
	if err != nil {
		return err
	}
	defer unlock()
	if err := r.clearReady(); err != nil {
		return err
	}
	if err := freePorts(values); err != nil {
		return err
	}
	server := values.Server()
	if server.Visitors {
		log.Warn("visitors cannot be served: the setting is without effect", "where", values.Origin("NETWORK", "ALLOWAUTOACCOUNTCREATION"), "setting", "[NETWORK] ALLOWAUTOACCOUNTCREATION=1")
	}
	lines := plugAll(ctx, server.Lines, log)
	n, err := node.Open(ctx, node.Config{
		Cluster:      clusterOptions(r.dir, values, log),
		ClientListen: server.Client.Bind,
		Station:      stationOf(server.Name),
		Lines:        lines,
		Retry:        retryPolicy(lines),
	})
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		log.Info("the node was told to stop before it served", "err", err)
		return nil // this too is how a node ends
	}
	if err != nil {
		return fmt.Errorf("start the node: %w", err)
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	known := settled(ctx, n.Cluster())
	if ctx.Err() != nil {
		return nil
	}
	if !known {
		log.Warn("no other node has been reached; this one serves alone, with what it knows", "after", settleTime)
	}
	return a.serve(ctx, n, r)
}

// settled waits until the node knows itself as a member: one that has just
// joined knows no accounts until the others have told it. A node that was a
// member before goes on at once, with the others or without.
func settled(ctx context.Context, c *cluster.Cluster) bool {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	bell, stop := c.Changed()
	defer stop()
	for {
		if _, err := c.Ledger().Node(c.Name()); err == nil {
			return true
		}
		select {
		case <-bell:
		case <-ctx.Done():
			return false
		}
	}
}

// serve says that the node serves, and waits for its end.
func (a *app) serve(ctx context.Context, n *node.Node, r running) error {
	text := fmt.Sprintf("ready: %s serves clients on TCP %s and nodes on UDP and TCP %s", n.Name(), n.ClientAddr(), n.PeerAddr())
	a.say("%s", text)
	if r.ready != "" {
		if err := settings.WriteDurably(r.ready, []byte(text+"\n"), 0o644); err != nil {
			return err
		}
		defer os.Remove(r.ready) // if somebody else has removed it, as good
	}
	select {
	case <-ctx.Done():
		return nil // this is how a node ends
	case <-n.Failed():
		if errors.Is(n.Err(), cluster.ErrLeft) {
			return nil
		}
		return fmt.Errorf("the node cannot go on: %w", n.Err())
	}
}

// clearReady takes away what a node that was killed has left.
func (r *running) clearReady() error {
	if r.ready == "" {
		return nil
	}
	if err := os.Remove(r.ready); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("clear the ready file: %w", err)
	}
	return nil
}

// stationOf is a node's name as an identification on the line (T.30, 20
// characters of ASCII), for lines that have none of their own.
func stationOf(name string) string {
	var id []byte
	for _, r := range name {
		if r >= ' ' && r <= '~' && len(id) < fax.StationLen {
			id = append(id, byte(r))
		}
	}
	return string(id)
}

// plugAll makes the modems of all lines, at once: a silent one must not hold
// the others up.
func plugAll(ctx context.Context, lines []settings.Line, log *slog.Logger) []node.Line {
	ctx, cancel := context.WithTimeout(ctx, plugTime)
	defer cancel()
	all := make([]node.Line, len(lines))
	var plugging sync.WaitGroup
	for i, l := range lines {
		plugging.Go(func() {
			all[i] = node.Line{Name: l.Name, Number: l.Number, Kind: l.Type, Modem: plugIn(ctx, l, log.With("line", l.Name))}
		})
	}
	plugging.Wait()
	return all
}
