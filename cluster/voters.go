package cluster

import (
	"cmp"
	"slices"
	"time"
)

// How votes are given.
const (
	// standbys is how many nodes have the log without a vote, ready to get one.
	standbys = 2
	// steadyFirst is how long a node must have been here before it gets one of
	// the votes that the cluster still lacks, steadyLater before it takes the
	// place of another voter.
	steadyFirst = 2 * time.Second
	steadyLater = 30 * time.Second
	// deadAfter is how long a voter must have been away before another takes
	// its place.
	deadAfter = 10 * time.Minute
	// maxLag is how many entries a node that gets a vote may be behind.
	maxLag = 250
)

// standing is what the leader knows of a node when it sees to the voters.
type standing struct {
	name    string
	site    string
	member  bool // in the ledger
	barred  bool // it never votes
	leaving bool // it will be removed
	leader  bool
	known   bool // in Raft's configuration
	voter   bool
	alive   bool          // seen by gossip
	since   time.Duration // how long it has been so, alive or away
	lag     uint64        // entries that it lacks, unknown counts as many
}

// dead says that a node has been away for long.
func (s standing) dead() bool { return !s.alive && s.since >= deadAfter }

// serves says whether a node may have a vote at all.
func (s standing) serves() bool { return s.member && !s.barred && !s.leaving }

// fit says whether a node that follows could vote now.
func (s standing) fit(steady time.Duration) bool {
	return s.serves() && s.known && !s.voter && s.alive && s.since >= steady && s.lag <= maxLag
}

// change is one step towards the voters that there should be.
type change int

const (
	nothing  change = iota
	follow          // begin to send the log to a node
	promote         // give a node that follows a vote
	demote          // take a node's vote, it follows on
	withdraw        // take a node out of Raft
	handOver        // the leader gives up the lead
)

func (c change) String() string {
	return [...]string{"nothing", "follow", "promote", "demote", "withdraw", "hand over"}[c]
}

// votersFor is how many of n nodes should vote. Even numbers are worse than
// the odd ones below: with two votes the loss of either node stops the cluster.
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
// It never removes a member: only an administrator does. A voter loses its vote
// to make room for a better one, never merely because it is away.
func nextChange(nodes []standing) (change, string) {
	p := planOf(nodes)
	for _, step := range []func(plan) (change, string){
		plan.withdrawGone, plan.promoteLacking, plan.demoteSurplus, plan.replaceVoter, plan.seeToStandbys,
	} {
		if what, name := step(p); what != nothing {
			return what, name
		}
	}
	return nothing, ""
}

// plan is the nodes in the order of their names, with what has been counted.
type plan struct {
	nodes  []standing
	want   int            // voters
	voters int            // those that are to stay
	votes  map[string]int // of those, at each site
}

func planOf(nodes []standing) plan {
	p := plan{nodes: slices.Clone(nodes), votes: map[string]int{}}
	slices.SortFunc(p.nodes, func(a, b standing) int { return cmp.Compare(a.name, b.name) })
	able := 0
	for _, n := range p.nodes {
		if n.voter && n.serves() {
			p.voters++
			p.votes[n.site]++
		}
		if n.voter && n.serves() || n.fit(steadyFirst) {
			able++
		}
	}
	p.want = votersFor(able)
	return p
}

// safe says whether a majority of the voters is alive without that node's vote.
func (p plan) safe(without string) bool {
	alive, all := 0, 0
	for _, n := range p.nodes {
		if n.voter && n.name != without {
			all++
			if n.alive {
				alive++
			}
		}
	}
	return alive > all/2
}

// withdrawGone takes those out of Raft who are no members any more.
func (p plan) withdrawGone() (change, string) {
	for _, n := range p.nodes {
		if n.known && !n.member && !n.leader && (!n.voter || p.safe(n.name)) {
			return withdraw, n.name
		}
	}
	return nothing, ""
}

// promoteLacking gives the votes that the cluster lacks.
func (p plan) promoteLacking() (change, string) {
	if p.voters >= p.want {
		return nothing, ""
	}
	if n, ok := p.best(steadyFirst); ok {
		return promote, n.name
	}
	return nothing, ""
}

// best is the node that should get the next vote: one of the site with the
// fewest.
func (p plan) best(steady time.Duration) (best standing, ok bool) {
	for _, n := range p.nodes {
		if n.fit(steady) && (!ok || p.votes[n.site] < p.votes[best.site]) {
			best, ok = n, true
		}
	}
	return best, ok
}

// demoteSurplus takes votes that are too many: of nodes that are to have none,
// of those that are away, of those at the site with the most. The leader is
// the last, and hands over before it is.
func (p plan) demoteSurplus() (change, string) {
	surplus := slices.ContainsFunc(p.nodes, func(n standing) bool { return n.voter && n.member && !n.serves() })
	if p.voters < 1 || !surplus && p.voters <= p.want {
		return nothing, ""
	}
	var worst standing
	for _, n := range p.nodes {
		if n.voter && n.member && !(surplus && n.serves()) && (worst.name == "" || p.worse(n, worst)) {
			worst = n
		}
	}
	switch {
	case worst.name == "" || !p.safe(worst.name):
		return nothing, ""
	case worst.leader && slices.ContainsFunc(p.nodes, func(n standing) bool { return n.voter && n.serves() && n.alive && !n.leader }):
		return handOver, worst.name
	case worst.leader:
		return nothing, ""
	}
	return demote, worst.name
}

// worse says whether a is to lose its vote before b.
func (p plan) worse(a, b standing) bool {
	if a.leader != b.leader {
		return b.leader
	}
	if a.alive != b.alive {
		return b.alive
	}
	if !a.alive && a.since != b.since {
		return a.since > b.since
	}
	return p.votes[a.site] > p.votes[b.site]
}

// replaceVoter gives one vote more than there should be, so that the next step
// takes that of a voter that is dead, or of one at a site with two more votes
// than the new one's.
func (p plan) replaceVoter() (change, string) {
	if p.voters != p.want {
		return nothing, ""
	}
	n, ok := p.best(steadyLater)
	if !ok {
		return nothing, ""
	}
	crowded, all := false, true
	for _, v := range p.nodes {
		if !v.voter {
			continue
		}
		if v.dead() {
			return promote, n.name
		}
		all = all && v.alive
		crowded = crowded || !v.leader && p.votes[v.site] >= p.votes[n.site]+2
	}
	if crowded && all {
		return promote, n.name
	}
	return nothing, ""
}

// seeToStandbys keeps the log with as many nodes as may vote soon. The others
// follow by the feed.
func (p plan) seeToStandbys() (change, string) {
	present, room := 0, 0
	at := map[string]int{} // nodes with the log, at each site
	var waiting []standing
	for _, n := range p.nodes {
		if n.voter && n.serves() || n.serves() && n.alive {
			present++
		}
		switch {
		case n.known:
			at[n.site]++
		case n.serves() && n.alive:
			waiting = append(waiting, n)
		}
	}
	room = max(votersFor(present)-p.voters, 0) + standbys
	var last *standing // of those that follow, the one to go first
	for i, n := range p.nodes {
		if !n.known || n.voter {
			continue
		}
		room--
		if last == nil || lesser(n, *last, at) {
			last = &p.nodes[i]
		}
	}
	slices.SortStableFunc(waiting, func(a, b standing) int { return cmp.Compare(at[a.site], at[b.site]) })
	switch {
	case last != nil && room < 0 && (last.dead() || last.alive && last.since >= steadyLater):
		return withdraw, last.name
	case len(waiting) == 0:
	case room > 0:
		return follow, waiting[0].name
	case last != nil && (last.dead() || !last.serves() || at[last.site] >= at[waiting[0].site]+2 && waiting[0].since >= steadyLater):
		return withdraw, last.name
	}
	return nothing, ""
}

// lesser says whether a stand-by is worth less than another.
func lesser(a, b standing, at map[string]int) bool {
	if a.serves() != b.serves() {
		return b.serves()
	}
	if a.alive != b.alive {
		return b.alive
	}
	return at[a.site] > at[b.site]
}
