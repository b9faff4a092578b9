package cluster

import (
	"slices"
	"strings"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

// A node that meets a change in the log that its program does not know stops.
// So a cluster whose nodes are upgraded one after another must not agree on
// such changes before the last one is: each member says in the list of members
// which changes it knows, and the leader, of whatever release, goes by that.

// allKnow is the highest number of a change that all these members know.
func allKnow(nodes []fax.Node) int {
	least := -1
	for _, n := range nodes {
		if knows := max(n.Knows, ledger.Baseline); least < 0 || knows < least {
			least = knows
		}
	}
	return max(least, ledger.Baseline)
}

// understood refuses a change that not all members know.
func understood(change int, nodes []fax.Node) error {
	if change <= allKnow(nodes) {
		return nil
	}
	var older []string
	for _, n := range nodes {
		if n.Knows < change {
			older = append(older, n.Name)
		}
	}
	slices.Sort(older)
	return fax.Errorf(fax.Unavailable, "this can be done when all nodes have been upgraded; older are: %s", strings.Join(older, ", "))
}

// mayPropose is understood for an encoded command and the members that there
// are.
func (c *Cluster) mayPropose(data []byte) error {
	change := ledger.Needs(data)
	if change <= ledger.Baseline {
		return nil
	}
	nodes, err := c.ledger.Nodes()
	if err != nil {
		return err
	}
	return understood(change, nodes)
}

// recentEnough refuses a node that joins with a program older than what the
// cluster may have agreed on already.
func (c *Cluster) recentEnough(n fax.Node) error {
	nodes, err := c.ledger.Nodes()
	if err != nil {
		return err
	}
	if need := allKnow(nodes); n.Knows < need {
		return fax.Errorf(fax.Unsupported, "the program of node %s is older than those of the cluster; upgrade it, then join (it knows changes up to %d, not %d)", n.Name, n.Knows, need)
	}
	return nil
}
