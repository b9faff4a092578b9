package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/fax"
)

func (a *app) nodesCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "nodes",
		Short: "Show the nodes and their lines",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(c *clientlib.Client) error {
				nodes, err := c.Cluster(cmd.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return a.json(orNone(nodes))
				}
				return a.showNodes(nodes)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) showNodes(nodes []fax.NodeStatus) error {
	var rows, lines [][]string
	for _, n := range nodes {
		rows = append(rows, []string{n.Node.Name, nodeState(n), nodeRole(n), n.Node.ClientAddr, n.Node.PeerAddr, strconv.Itoa(len(n.Lines))})
		for _, l := range n.Lines {
			lines = append(lines, []string{l.Node, l.Name, l.Kind, l.Number, l.State, moment(l.Since), l.Job})
		}
	}
	if err := a.table("No nodes.", "NODE STATE ROLE CLIENTS NODES LINES", rows); err != nil {
		return err
	}
	fmt.Fprintln(a.Out)
	return a.table("No lines.", "NODE LINE KIND NUMBER STATE SINCE FAX", lines)
}

func nodeState(n fax.NodeStatus) string {
	if n.Alive {
		return "up"
	}
	return "down"
}

func nodeRole(n fax.NodeStatus) string {
	switch {
	case n.Alone != 0:
		return "cut off since " + moment(n.Alone)
	case n.Leader:
		return "leader"
	case n.Voter:
		return "voter"
	}
	return ""
}

func (a *app) activityCommand() *cobra.Command {
	var after uint64
	var limit int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "activity",
		Short: "Show the activity record",
		Long: `Show the activity record, oldest first: who did what, where and when. Each
entry's chain value covers all before it, so that none can be taken out unseen.`,
		Example: `  faxmesh admin activity --limit 50
  faxmesh admin activity --after 1200 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(c *clientlib.Client) error {
				entries, err := c.Activity(cmd.Context(), after, limit)
				if err != nil {
					return err
				}
				if asJSON {
					return a.json(orNone(entries))
				}
				var rows [][]string
				for _, e := range entries {
					rows = append(rows, []string{strconv.FormatUint(e.Seq, 10), moment(e.At), e.Who, e.Node, e.What, e.Object, e.Detail})
				}
				return a.table("No entries.", "ENTRY TIME WHO NODE WHAT OBJECT DETAIL", rows)
			})
		},
	}
	cmd.Flags().Uint64Var(&after, "after", 0, "only entries after this number")
	cmd.Flags().IntVar(&limit, "limit", 0, "at most so many (0: as many as the node gives)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
