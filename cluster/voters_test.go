package cluster

import (
	"fmt"
	"testing"
)

// Whatever the number of nodes, single steps end at the voters there should
// be, and never rest at a number that one loss would stop.
func TestVotersComeAbout(t *testing.T) {
	for n, want := range map[int]int{1: 1, 2: 1, 3: 3, 4: 3, 5: 5, 6: 5, 9: 5} {
		nodes := []standing{{name: "n0", member: true, alive: true, known: true, voter: true}}
		for i := 1; i < n; i++ {
			nodes = append(nodes, standing{name: fmt.Sprint("n", i), member: true, alive: true})
		}
		settle(t, nodes)
		voters, known := 0, 0
		for _, s := range nodes {
			if s.voter {
				voters++
			}
			if s.known {
				known++
			}
		}
		if voters != want || known != n {
			t.Errorf("%d nodes: %d voters of %d that follow, want %d of %d", n, voters, known, want, n)
		}
	}
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
				nodes[i].voter = what == promote
			}
		}
	}
	t.Fatal("the steps do not end")
}

func TestVoterDecisions(t *testing.T) {
	voter := func(name string, alive bool) standing { return standing{name, true, alive, true, true} }
	for _, c := range []struct {
		why   string
		nodes []standing
		what  change
		name  string
	}{
		{"a node that has not been seen gets no log", []standing{voter("a", true), {name: "b", member: true}}, nothing, ""},
		{"two nodes keep one voter", []standing{voter("a", true), {"b", true, true, true, false}}, nothing, ""},
		{"a follower that is away is not promoted", []standing{voter("a", true), {"b", true, false, true, false}, {"c", true, true, true, false}}, nothing, ""},
		{"a voter that is away keeps its vote", []standing{voter("a", true), voter("b", false), voter("c", true), {"d", true, true, true, false}}, nothing, ""},
		{"a new node gets the log", []standing{voter("a", true), {"z", false, true, true, true}, {"b", true, true, false, false}}, follow, "b"},
		{"a node removed from the ledger goes", []standing{voter("a", true), {"z", false, true, true, true}}, withdraw, "z"},
	} {
		if what, name := nextChange(c.nodes); what != c.what || name != c.name {
			t.Errorf("%s: %v %q, want %v %q", c.why, what, name, c.what, c.name)
		}
	}
}
