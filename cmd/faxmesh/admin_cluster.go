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
		rows = append(rows, []string{n.Node.Name, nodeState(n), nodeRole(n), n.Node.ClientAddr, n.Node.PeerAddr, strconv.Itoa(len(n.Lines)), nodeDisk(n)})
		for _, l := range n.Lines {
			lines = append(lines, []string{l.Node, l.Name, l.Kind, l.Number, l.State, moment(l.Since), l.Job})
		}
	}
	if err := a.table("No nodes.", "NODE STATE ROLE CLIENTS NODES LINES DISK", rows); err != nil {
		return err
	}
	fmt.Fprintln(a.Out)
	return a.table("No lines.", "NODE LINE KIND NUMBER STATE SINCE FAX", lines)
}

// nodeDisk says how full a node's disk is, and what follows from that.
func nodeDisk(n fax.NodeStatus) string {
	switch n.Room {
	case "":
		return ""
	case "ample":
		return fmt.Sprintf("%d%%", n.Disk)
	case "full":
		return fmt.Sprintf("%d%% full: no new documents", n.Disk)
	}
	return fmt.Sprintf("%d%% %s", n.Disk, n.Room)
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
