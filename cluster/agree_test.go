package cluster

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

func TestAstray(t *testing.T) {
	const s, d, u = agreeSame, agreeDiffers, agreeUnknown
	for _, c := range []struct {
		why          string
		votes, leads bool
		asked        int
		said         []agreement
		want         bool
	}{
		{"nobody to ask", true, true, 0, nil, false},
		{"all agree", true, false, 2, []agreement{s, s}, false},
		{"both others contradict", true, false, 2, []agreement{d, d}, true},
		{"even to the leader", true, true, 2, []agreement{d, d}, true},
		{"another one is wrong", true, false, 2, []agreement{s, d}, false},
		{"one does not know yet", true, false, 2, []agreement{d, u}, false},
		{"one has not answered", true, false, 2, []agreement{d}, false},
		{"of two voters the leader is right", true, false, 1, []agreement{d}, true},
		{"so the leader goes on", true, true, 1, []agreement{d}, false},
		{"a follower believes the voters", false, false, 3, []agreement{d, d, u}, true},
		{"but not a minority of them", false, false, 3, []agreement{d, s, s}, false},
		{"nobody knows", false, false, 2, []agreement{u, u}, false},
	} {
		if got := astray(c.votes, c.leads, c.asked, c.said); got != c.want {
			t.Errorf("%s: %v, want %v", c.why, got, c.want)
		}
	}
}

// A node whose ledger is not that of the others stops, and is not started
// again; the others go on.
func TestAstrayNodeStops(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.settle("south", "west")
	w.voters(3)
	w.agree()
	for name, c := range w.nodes {
		if _, lost := c.lookAstray(); lost {
			t.Errorf("%s takes itself for astray", name)
		}
	}
	name := "south"
	if w.nodes["north"].Leader() == name {
		name = "west"
	}
	ill := w.nodes[name]
	delete(w.nodes, name)
	// As if a bit had turned over in one entry, here alone.
	index, _ := ill.ledger.Applied()
	data, err := ledger.Encode(ledger.Note{Activity: fax.Activity{At: 1, Who: "nobody", What: "look"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ill.ledger.ApplyBatch([]ledger.Entry{{Index: index + 1, Data: data}}); err != nil {
		t.Fatal(err)
	}
	w.propose("north", "clerk") // the others have another entry there
	waitFor(t, "it finds itself astray", func() bool {
		_, lost := ill.lookAstray()
		return lost
	})
	ill.stop("astray")
	select {
	case <-ill.Failed():
	case <-time.After(5 * time.Second):
		t.Fatal("it does not stop")
	}
	if err := ill.Err(); err == nil || !strings.Contains(err.Error(), "astray") {
		t.Errorf("it stops with %v", err)
	}
	ill.Close()
	if _, err := Open(t.Context(), Options{Dir: w.dirs[name], PeerListen: "127.0.0.1:0"}); fax.KindOf(err) != fax.Conflict {
		t.Errorf("it is started again: %v", err)
	}
	w.propose("north", "another")
	w.agree()
}

// Whoever has a node's directory may ask it how the cluster is, others may not.
func TestReport(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.settle("south", "west")
	w.voters(3)
	w.agree()
	north := w.nodes["north"]
	if err := north.SetLine(fax.LineState{Name: "l1", Number: "100", State: "sending"}); err != nil {
		t.Fatal(err)
	}
	control, err := Reach(w.dirs["north"], north.PeerAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	var r Report
	waitFor(t, "all members answer", func() bool {
		if err := control.Call(patience(t), MethodReport, nil, &r); err != nil {
			t.Fatal(err)
		}
		for _, m := range r.Members {
			if !m.Answered || m.Ledger != agreeSame || m.State != "up" || m.Role == RoleFollower {
				return false
			}
		}
		return len(r.Members) == 3
	})
	if r.Island || r.Leader == "" || len(r.Lines) != 1 || r.Members[0].Lines != 1 || r.Members[0].Calls != 1 || r.Certificate < r.At {
		t.Errorf("%+v", r)
	}
	_, err = w.nodes["south"].Call(patience(t), "north", MethodReport, nil)
	if fax.KindOf(err) != fax.NotAllowed {
		t.Errorf("another node asks: %v", err)
	}
	if control, err = Reach(w.dirs["south"], north.PeerAddr().String()); err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	if err := control.Call(patience(t), MethodReport, nil, &r); fax.KindOf(err) != fax.Unavailable {
		t.Errorf("another directory at the port: %v", err)
	}

	// An island says that it is one, and still answers.
	leader := w.nodes["south"].Leader()
	for name, c := range w.nodes {
		if name != leader {
			c.Close()
		}
	}
	island := w.nodes[leader]
	waitFor(t, "it knows", func() bool { return island.Leader() == "" })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	answer, err := island.handleReport(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(answer, &r); err != nil || !r.Island || !strings.Contains(strings.Join(r.Warnings, " "), "goes on alone") {
		t.Errorf("the island: %v, %v", r.Warnings, err)
	}
}
