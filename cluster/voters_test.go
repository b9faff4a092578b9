package cluster

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// nodesOf reads standings as "name@site flags": v vote, f follows, x away for
// long, o away just now, n new here, s slow, b barred, l leaving, g gone from
// the ledger, u not in Raft. The first is the leader.
func nodesOf(text string) (nodes []standing) {
	for i, word := range strings.Split(text, " ") {
		id, flags, _ := strings.Cut(word, ":")
		name, site, _ := strings.Cut(id, "@")
		has := func(f string) bool { return strings.Contains(flags, f) }
		n := standing{name: name, site: site, member: !has("g"), barred: has("b"), leaving: has("l"), leader: i == 0,
			known: !has("u"), voter: has("v"), alive: !has("x") && !has("o"), since: time.Hour}
		if has("n") || has("o") {
			n.since = time.Second
		}
		if has("s") {
			n.lag = maxLag + 1
		}
		nodes = append(nodes, n)
	}
	return nodes
}

func TestVoterDecisions(t *testing.T) {
	for _, c := range []struct{ why, nodes, want string }{
		{"a node that has not been seen gets no log", "a:v b:ux", "nothing"},
		{"a new node gets the log", "a:v b:u", "follow b"},
		{"a barred node goes by the feed", "a:v b:ub", "nothing"},
		{"two nodes keep one voter", "a:v b:f", "nothing"},
		{"three nodes get three voters, one by one", "a:v b:f c:f", "promote b"},
		{"and the third", "a:v b:v c:f", "promote c"},
		{"not while the third is new", "a:v b:f c:fn", "nothing"},
		{"not while the third is behind", "a:v b:f c:fs", "nothing"},
		{"two voters whose third is lost again are one too many", "a:v b:v c:fo", "demote b"},
		{"a follower that is away is not promoted", "a:v b:fx c:f", "nothing"},
		{"a voter that is away keeps its vote", "a:v b:vo c:v d:f", "nothing"},
		{"nobody could take its place", "a:v b:vx c:v", "nothing"},
		{"a dead voter is replaced", "a:v b:vx c:v d:f", "promote d"},
		{"not by one that has just come", "a:v b:vx c:v d:fn", "nothing"},
		{"and loses its vote when it has been", "a:v b:vx c:v d:v", "demote b"},
		{"two dead of five, and nobody else", "a:v b:vx c:vx d:v e:v", "nothing"},
		{"a removed node goes", "a:v z:vg b:v c:v", "withdraw z"},
		{"but not while the rest could not agree without it", "a:v z:vg b:vo c:vo", "nothing"},
		{"two voters that are left become one", "a:v b:v", "demote b"},
		{"the vote goes to the site with the fewest", "a@x:v b@x:v c@x:f d@y:f", "promote d"},
		{"votes are spread when other sites come", "a@x:v b@x:v c@x:v d@y:f", "promote d"},
		{"and the crowded site gives one up", "a@x:v b@x:v c@x:v d@y:v", "demote b"},
		{"but not while a voter is away", "a@x:v b@x:v c@x:vo d@y:f", "nothing"},
		{"one more would be as crowded", "a@x:v b@x:v c@y:v d@y:f", "nothing"},
		{"a node that leaves is replaced first", "a:v b:vl c:v d:f", "promote d"},
		{"then loses its vote", "a:v b:vl c:v d:v", "demote b"},
		{"the only voter leaves: the other gets the vote", "a:vl b:f", "promote b"},
		{"and the lead", "a:vl b:v", "hand over a"},
		{"and takes its vote", "b:v a:vl", "demote a"},
		{"the last node cannot go", "a:vl", "nothing"},
		{"the third stand-by goes by the feed", "a:v b:v c:v d:v e:v f:f g:f h:u", "nothing"},
		{"a dead stand-by makes room", "a:v b:v c:v d:v e:v f:fx g:f h:u", "withdraw f"},
		{"and its place is taken", "a:v b:v c:v d:v e:v g:f h:u", "follow h"},
		{"stand-bys are of other sites if they can be", "a@x:v b@x:v c@x:v d@x:v e@x:v f@x:f g@x:f h@y:u", "withdraw f"},
	} {
		what, name := nextChange(nodesOf(c.nodes))
		if got := strings.TrimSpace(fmt.Sprint(what, " ", name)); got != c.want {
			t.Errorf("%s: %s: %s, want %s", c.why, c.nodes, got, c.want)
		}
	}
}

// Whatever the number of nodes, single steps end at the voters there should
// be, never at a number that one loss would stop, and never send the log to
// more nodes than Raft should know.
func TestVotersComeAbout(t *testing.T) {
	for n, want := range map[int]int{1: 1, 2: 1, 3: 3, 4: 3, 5: 5, 6: 5, 7: 5, 9: 5, 12: 5, 100: 5} {
		nodes := nodesOf("n0:v")
		for i := 1; i < n; i++ {
			nodes = append(nodes, standing{name: fmt.Sprint("n", i), member: true, alive: true, since: time.Hour})
		}
		settle(t, nodes)
		voters, known := count(nodes)
		if voters != want || known != min(n, want+standbys) {
			t.Errorf("%d nodes: %d voters of %d with the log, want %d of %d", n, voters, known, want, min(n, want+standbys))
		}
	}
}

func count(nodes []standing) (voters, known int) {
	for _, s := range nodes {
		if s.voter {
			voters++
		}
		if s.known {
			known++
		}
	}
	return voters, known
}

// settle carries out changes until there are none.
func settle(t *testing.T, nodes []standing) {
	t.Helper()
	for range 100 {
		what, name := nextChange(nodes)
		if what == nothing {
			return
		}
		for i := range nodes {
			if nodes[i].name == name {
				nodes[i].known = what != withdraw
				nodes[i].voter = what == promote || what == handOver
				nodes[i].leader = nodes[i].leader && what != handOver
			}
		}
		if what == handOver {
			for i := range nodes {
				if nodes[i].voter && nodes[i].alive && nodes[i].serves() {
					nodes[i].leader = true
					break
				}
			}
		}
		if voters, known := count(nodes); voters > 6 || known > 8 {
			t.Fatalf("%v %s: %d voters of %d with the log", what, name, voters, known)
		}
	}
	t.Fatal("the steps do not end")
}

// Nodes that come, go, die and return in any order: every step leaves a
// majority of the voters alive that was alive before, the steps end, and all
// sites with a node that can vote share the votes.
func TestVotersInTrouble(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		nodes := nodesOf("n0@a:v")
		for range 60 {
			switch i := r.IntN(len(nodes)); {
			case r.IntN(3) == 0 && len(nodes) < 12:
				nodes = append(nodes, standing{name: fmt.Sprint("n", len(nodes)), site: string(rune('a' + r.IntN(3))), member: true, alive: true, since: time.Hour})
			case nodes[i].leader:
			case r.IntN(2) == 0:
				nodes[i].alive, nodes[i].since = !nodes[i].alive, time.Hour
			case r.IntN(4) == 0:
				nodes[i].leaving = true
			}
			if !(plan{nodes: nodes}).safe("") {
				continue // no leader, no steps
			}
			settle(t, nodes)
			if !(plan{nodes: nodes}).safe("") {
				t.Fatalf("seed %d: the steps have cost the majority: %+v", seed, nodes)
			}
			if voters, _ := count(nodes); voters%2 == 0 && (plan{nodes: nodes}).everyVoterAlive() {
				t.Fatalf("seed %d: %d voters: %+v", seed, voters, nodes)
			}
		}
	}
}

func (p plan) everyVoterAlive() bool {
	for _, n := range p.nodes {
		if n.voter && !n.alive {
			return false
		}
	}
	return true
}

func TestSightings(t *testing.T) {
	seen, now := sightings{}, time.Now()
	for _, c := range []struct {
		alive bool
		after time.Duration
		want  time.Duration
	}{{true, 0, 0}, {true, time.Minute, time.Minute}, {false, 2 * time.Minute, 0}, {false, 3 * time.Minute, time.Minute}, {true, 4 * time.Minute, 0}} {
		if got := seen.since("a", c.alive, now.Add(c.after)); got != c.want {
			t.Errorf("after %v: %v, want %v", c.after, got, c.want)
		}
	}
}
