package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

func fileOf(id, node string) ledger.Submit {
	return ledger.Submit{Job: fax.Job{ID: id, Owner: "admin", Number: "0301", Home: node, Submitted: fax.At(time.Now()),
		Fax: fax.Document{Hash: strings.Repeat("0", 64), Size: 1, Pages: 1}}}
}

// sent is a fax from its submit to its end at one node.
func sent(id, node string) []ledger.Command {
	at := fax.At(time.Now())
	return []ledger.Command{fileOf(id, node),
		ledger.Assign{Job: id, Attempt: 1, Node: node, Line: "1", At: at, Until: at + 30_000},
		ledger.Progress{Job: id, Attempt: 1, Node: node, State: fax.Dialing, At: at, Until: at + 30_000},
		ledger.Finish{Job: id, Attempt: 1, Node: node, State: fax.Done, Confirmed: 1, At: at}}
}

func (w *town) must(c *Cluster, commands ...ledger.Command) {
	w.t.Helper()
	for _, cmd := range commands {
		if _, err := c.Propose(patience(w.t), cmd); err != nil {
			w.t.Fatalf("%s: %#v: %v", c.Name(), cmd, err)
		}
	}
}

func (w *town) alone(c *Cluster) {
	w.t.Helper()
	waitFor(w.t, c.Name()+" knows that it is cut off", func() bool { _, alone := c.Alone(); return alone })
}

func (w *town) ashore() {
	w.t.Helper()
	waitFor(w.t, "nobody is cut off", func() bool {
		for _, c := range w.nodes {
			if _, alone := c.Alone(); alone {
				return false
			}
		}
		return true
	})
	w.agree()
}

// everywhere checks the state of a job at every node, and that of each account's
// events none is missing or there twice.
func (w *town) everywhere(states map[string]fax.State) {
	w.t.Helper()
	for name, c := range w.nodes {
		for id, state := range states {
			if j, err := c.Ledger().Job(id); err != nil || j.State != state || j.Alone != "" {
				w.t.Errorf("%s at %s: %+v, %v; want %s", id, name, j, err, state)
			}
		}
		events, err := c.Ledger().Events("admin", 0, 0)
		seen := map[fax.Event]bool{}
		for i, e := range events {
			if e.Seq != uint64(i+1) || seen[e.Identity()] || err != nil {
				w.t.Errorf("%s: event %d is %+v, %v", name, i+1, e, err)
			}
			seen[e.Identity()] = true
		}
		if _, err := ledger.VerifyActivity(c.Ledger().WholeActivity()); err != nil {
			w.t.Errorf("%s: %v", name, err)
		}
	}
}

func (w *town) recorded(what string) (n int) {
	w.t.Helper()
	for _, c := range w.nodes {
		for a, err := range c.Ledger().WholeActivity() {
			if err != nil {
				w.t.Fatal(err)
			}
			if a.What == what {
				n++
			}
		}
		return n
	}
	return 0
}

// A leader that is cut off goes on faxing, while the others go on without it.
// It is killed; when it is back everybody knows everything, once.
func TestIslandIsImported(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.settle("south", "west")
	w.voters(3)
	w.must(w.nodes["south"], fileOf("before", "south"))
	w.agree()
	leader := w.nodes["south"].Leader()
	addr := w.nodes[leader].PeerAddr().String()
	island := w.cutOff(leader)
	w.alone(island)
	w.must(island, sent("alone", leader)...)
	w.must(island, fileOf("waiting", leader), ledger.Receive{Fax: fax.ReceivedFax{ID: "r", Node: leader, Line: "1", Assigned: []string{"admin"}}},
		ledger.EndSession{ID: "s", Account: "admin", Node: leader, At: 1, Expires: 1000})
	for i := range 5 {
		if err := island.Keep(ledger.Note{Activity: fax.Activity{Who: "admin", Node: leader, What: "kept", Object: fmt.Sprint(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	if j, err := island.Ledger().Job("waiting"); err != nil || j.Alone != leader {
		t.Errorf("%+v, %v", j, err)
	}
	begun := time.Now()
	for _, c := range []ledger.Command{ledger.SetRights{Name: "admin", Rights: fax.Administrator}, ledger.Direct{Job: "before", State: fax.Cancelled}} {
		if _, err := island.Propose(t.Context(), c); fax.KindOf(err) != fax.Unavailable || !strings.Contains(err.Error(), "cut off") {
			t.Errorf("%T: %v", c, err)
		}
	}
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("two refusals took %v", took)
	}
	for name, c := range w.nodes {
		w.must(c, sent("mainland-"+name, name)[:1]...)
	}
	w.must(w.nodes[w.others(leader)[0]], ledger.Direct{Job: "before", State: fax.Cancelled, Node: "south", At: 5})
	if err := island.Close(); err != nil {
		t.Errorf("the island closes: %v", err)
	}
	again := w.open(leader, addr)
	if _, alone := again.Alone(); !alone {
		t.Error("it has forgotten that the others do not know all")
	}
	w.ashore()
	waitFor(t, "the notes are on record", func() bool { return w.recorded("kept") == 5 })
	w.agree()
	w.everywhere(map[string]fax.State{"before": fax.Cancelled, "alone": fax.Done, "waiting": fax.Queued})
	if got := []int{w.recorded("kept"), w.recorded("receive"), w.recorded("logout"), w.recorded("ashore"), w.recorded("import-refused")}; !slices.Equal(got, []int{5, 1, 1, 1, 0}) {
		t.Errorf("on record: %v", got)
	}
	w.must(again, sent("after", leader)[:1]...)
	w.agree()
	w.everywhere(map[string]fax.State{"after": fax.Queued})
}

func (w *town) others(name string) (names []string) {
	for n := range w.nodes {
		if n != name {
			names = append(names, n)
		}
	}
	return names
}

// Every node alone: each takes faxes, and what another may have is not dialled.
// One goes on to the end without being restarted.
func TestThreeIslands(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.settle("south", "west")
	w.voters(3)
	w.agree()
	addrs := map[string]string{}
	survivor := w.nodes["north"]
	for _, name := range []string{"south", "west"} {
		addrs[name] = w.nodes[name].PeerAddr().String()
		c := w.cutOff(name)
		w.alone(c)
		w.must(c, sent("by-"+name, name)...)
		w.must(c, fileOf("everywhere", name)) // a client that tried at each
		if err := c.Close(); err != nil {
			t.Errorf("close %s: %v", name, err)
		}
	}
	w.alone(survivor)
	w.must(survivor, sent("by-north", "north")...)
	again := fileOf("everywhere", "north")
	again.Again = true
	w.must(survivor, again)
	if j, err := survivor.Ledger().Job("everywhere"); err != nil || j.Alone != "" || j.State != fax.Queued {
		t.Errorf("a fax that another node may have: %+v, %v", j, err)
	}
	if _, err := survivor.Propose(t.Context(), ledger.Assign{Job: "everywhere", Attempt: 1, Node: "north", Line: "1", At: 1, Until: 2}); fax.KindOf(err) != fax.Unavailable {
		t.Errorf("it is dialled: %v", err)
	}
	for i := range 3 * lastStretch {
		w.must(survivor, ledger.Note{Activity: fax.Activity{Who: "admin", Node: "north", What: "many", Object: fmt.Sprint(i)}})
	}
	for name, addr := range addrs {
		w.open(name, addr)
	}
	w.ashore()
	w.everywhere(map[string]fax.State{"by-north": fax.Done, "by-south": fax.Done, "by-west": fax.Done, "everywhere": fax.Queued})
	if many, ashore := w.recorded("many"), w.recorded("ashore"); many != 3*lastStretch || ashore != 3 {
		t.Errorf("on record: %d of %d, %d came ashore", many, 3*lastStretch, ashore)
	}
}
