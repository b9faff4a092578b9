package cluster

import "slices"

// standing is what the leader knows of a node when it sees to the voters.
type standing struct {
	name   string
	member bool // in the ledger
	alive  bool // seen by gossip
	known  bool // in Raft's configuration
	voter  bool
}

// change is one step towards the voters that there should be.
type change int

const (
	nothing  change = iota
	follow          // begin to send the log to a node
	promote         // give a node that follows a vote
	withdraw        // take a node that is no member any more out of Raft
)

// votersFor is how many of n nodes should vote. Two are worse than one: with
// two votes the loss of either node stops the cluster.
func votersFor(n int) int {
	switch {
	case n < 3:
		return 1
	case n < 5:
		return 3
	}
	return 5
}

// nextChange decides the next step, one at a time, from what the leader knows.
// A voter that is away keeps its vote: only an administrator removes a node.
func nextChange(nodes []standing) (change, string) {
	nodes = slices.Clone(nodes)
	slices.SortFunc(nodes, func(a, b standing) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	eligible, voters := 0, 0
	for _, n := range nodes {
		if n.voter {
			voters++
		}
		if n.member && (n.alive && n.known || n.voter) {
			eligible++
		}
	}
	for _, n := range nodes {
		switch {
		case n.known && !n.member:
			return withdraw, n.name
		case n.member && n.alive && !n.known:
			return follow, n.name
		}
	}
	for _, n := range nodes {
		if n.alive && n.known && !n.voter && voters < votersFor(eligible) {
			return promote, n.name
		}
	}
	return nothing, ""
}
