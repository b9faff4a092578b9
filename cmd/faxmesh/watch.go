package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cmd/terminal"
)

// watching is what watch was asked to do.
type watching struct {
	count   int
	timeout time.Duration
	json    bool
}

// told is one line of watch --json.
type told struct {
	fax.Event
	Via  string `json:"via"`
	From string `json:"from"`
}

func (a *app) watchCommand() *cobra.Command {
	var w watching
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Print what happens to your faxes as it happens",
		Long: `Print what happens to your faxes as it happens, first what you have missed.

A port is bound for notifications as the settings say (faxmesh settings), and
the node that handles a fax dials it. Each line tells the node and the way: by
callback; over the connection, where no node reaches the port; or as catch-up.`,
		Example: `  faxmesh watch
  faxmesh watch --count 1 --timeout 2m --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if w.count < 0 || w.timeout < 0 {
				return terminal.Usagef("--count and --timeout cannot be negative")
			}
			return a.watch(cmd.Context(), w)
		},
	}
	cmd.Flags().IntVar(&w.count, "count", 0, "end after so many events (0: never)")
	cmd.Flags().DurationVar(&w.timeout, "timeout", 0, "end after this time, as 2m (0: never)")
	cmd.Flags().BoolVar(&w.json, "json", false, "print JSON lines")
	return cmd
}

func (a *app) watch(ctx context.Context, w watching) error {
	var late <-chan time.Time
	if w.timeout > 0 {
		timer := time.NewTimer(w.timeout)
		defer timer.Stop()
		late = timer.C
	}
	p, err := a.profile()
	if err != nil {
		return err
	}
	l, err := p.session(time.Now())
	if err != nil {
		return err
	}
	values, err := a.clientSettings(p)
	if err != nil {
		return err
	}
	listener, err := clientlib.Listen(values.Client().Notify)
	if err != nil {
		return err
	}
	defer listener.Close()
	c, err := a.connect(ctx, clientlib.Options{Listener: listener, After: &l.Seen})
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Fprintf(a.Err, "watching: notifications to TCP port %d, logged in at %s\n", listener.Port(), c.Node())
	last, err := a.watchEvents(ctx, c, w, late)
	return errors.Join(err, p.saw(l.Account, max(last, l.Seen)))
}

// watchEvents prints events; last is the number of the last one printed.
func (a *app) watchEvents(ctx context.Context, c *clientlib.Client, w watching, late <-chan time.Time) (last uint64, err error) {
	for seen := 0; w.count == 0 || seen < w.count; seen++ {
		select {
		case <-ctx.Done():
			if w.count == 0 {
				return last, nil // this is how watching ends
			}
			return last, ctx.Err()
		case <-late:
			if w.count == 0 {
				return last, nil
			}
			return last, &terminal.Error{Status: statusTimeout, Err: fmt.Errorf("time is up after %d of %d events", seen, w.count)}
		case d, open := <-c.Events():
			if !open {
				return last, errors.Join(c.Err(), errors.New("the session is over; log in again"))
			}
			if err := a.tell(d, w.json); err != nil {
				return last, err
			}
			if !d.Event.Tentative() {
				last = d.Event.Seq
			}
		}
	}
	return last, nil
}

func (a *app) tell(d clientlib.Delivery, asJSON bool) error {
	if asJSON {
		return a.jsonLine(told{Event: d.Event, Via: string(d.Via), From: d.Node})
	}
	_, err := fmt.Fprintf(a.Out, "%s  %s  [%s from %s]\n", clock(d.Event.At), describe(d.Event), d.Via, dash(d.Node))
	return err
}
