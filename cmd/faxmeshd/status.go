package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster"
)

// reportTime is how long a node may take to ask the others how they are.
const reportTime = 15 * time.Second

func (a *app) statusCommand() *cobra.Command {
	var dir string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the cluster as a running node sees it",
		Long: `Show the cluster as the running node of this directory sees it: who leads, who
votes, who is away, how far each ledger is and whether it is the same as this
one's; the lines, the jobs that wait, the disk. It needs no login, because only
who may read the node's directory can ask, and works without a majority.

The roles: the leader and the voters agree on every change. A stand-by has the
whole log and gets a vote when one is free. A follower is told what was agreed.`,
		Example: `  faxmeshd status --data /var/lib/faxmesh
  faxmeshd status --data north --json | jq '.members[] | select(.state != "up")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var r cluster.Report
			if err := a.ask(cmd.Context(), dir, cluster.MethodReport, reportTime, nil, &r); err != nil {
				return err
			}
			if asJSON {
				e := json.NewEncoder(a.Out)
				e.SetIndent("", "  ")
				return e.Encode(r)
			}
			return a.showReport(r)
		},
	}
	dataFlag(cmd, &dir)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) showReport(r cluster.Report) error {
	leader := r.Leader
	if leader == "" {
		leader = "none"
	}
	a.say("node %s of cluster %s, leader %s", r.Node, r.Cluster, leader)
	for _, w := range r.Warnings {
		a.say("WARNING: %s", w)
	}
	a.say("")
	w := tabwriter.NewWriter(a.Out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tSITE\tROLE\tSTATE\tSINCE\tANSWERED\tENTRY\tBEHIND\tLEDGER\tLINES\tCALLS\tNODES\tCLIENTS")
	for _, m := range r.Members {
		answered, entry, behind, ledger := "-", "-", "-", "-"
		if m.Answered {
			answered, entry, behind, ledger = fmt.Sprintf("%.1f ms", m.RoundTrip), fmt.Sprint(m.Index), fmt.Sprint(m.Lag), dash(string(m.Ledger))
		}
		if m.Name == r.Node {
			answered = "itself"
		}
		fmt.Fprintln(w, strings.Join([]string{m.Name, dash(m.Site), string(m.Role), m.State, clock(m.Since), answered, entry, behind, ledger,
			fmt.Sprint(m.Lines), fmt.Sprint(m.Calls), dash(m.PeerAddr), dash(m.ClientAddr)}, "\t"))
	}
	if len(r.Lines) > 0 {
		fmt.Fprintln(w, "\nNODE\tLINE\tKIND\tNUMBER\tSTATE\tSINCE\tFAX")
		for _, l := range r.Lines {
			fmt.Fprintln(w, strings.Join([]string{l.Node, l.Name, dash(l.Kind), dash(l.Number), l.State, clock(l.Since), dash(l.Job)}, "\t"))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	a.say("\njobs: %d waiting, %d held, %d under way", r.Jobs.Queued, r.Jobs.Held, r.Jobs.Running)
	if r.DiskSize > 0 {
		a.say("disk: %.1f GiB free of %.1f", gib(r.DiskFree), gib(r.DiskSize))
	}
	a.say("certificate: good until %s", r.Certificate.Time().Local().Format("2006-01-02"))
	return nil
}

func gib(octets uint64) float64 { return float64(octets) / (1 << 30) }

func clock(at fax.Millis) string {
	if at == 0 {
		return "-"
	}
	return at.Time().Local().Format("2006-01-02 15:04:05")
}

// dash stands where there is nothing to say.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
