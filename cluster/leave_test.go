package cluster

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

// file has a document on one node alone, named by a job.
func (w *town) file(node, id string) fax.Document {
	w.t.Helper()
	c := w.nodes[node]
	doc, _, err := c.Blobs().Put(patience(w.t), strings.NewReader("the pages of "+id))
	if err != nil {
		w.t.Fatal(err)
	}
	doc.Pages = 1
	if _, err := c.Propose(patience(w.t), ledger.Submit{Job: fax.Job{ID: id, Owner: "admin", Number: "0301", Home: node, State: fax.Held, Submitted: 1, Fax: doc}}); err != nil {
		w.t.Fatal(err)
	}
	return doc
}

func (c *Cluster) order(t *testing.T, method string, order, answer any) error {
	t.Helper()
	control, err := Reach(c.opt.Dir, c.PeerAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	return control.Call(patience(t), method, order, answer)
}

// The leader of two leaves, which has the only vote and the only copy of a
// document: the other gets both, and nothing is lost. Then it is told no more.
func TestLeaderLeaves(t *testing.T) {
	t.Parallel()
	w := found(t)
	doc := w.file("north", "job")
	w.settle("south")
	w.agree()
	north, south := w.nodes["north"], w.nodes["south"]
	if err := north.SetLine(fax.LineState{Name: "l1", State: "sending"}); err != nil {
		t.Fatal(err)
	}
	var p LeaveProgress
	if err := north.order(t, MethodLeave, LeaveOrder{}, &p); fax.KindOf(err) != fax.Conflict || !strings.Contains(err.Error(), "line l1 is sending") {
		t.Fatalf("it leaves while a call is under way: %+v, %v", p, err)
	}
	if err := north.order(t, MethodLeave, LeaveOrder{WhenDone: true}, &p); err != nil || p.Done {
		t.Fatalf("%+v, %v", p, err)
	}
	waitFor(t, "it waits for the call", func() bool {
		if err := north.order(t, MethodLeave, LeaveOrder{}, &p); err != nil {
			t.Fatal(err)
		}
		return len(p.Waits) == 1 && p.Waits[0] == "line l1 is sending"
	})
	var filed atomic.Bool
	north.Remains(func() string {
		if filed.Load() {
			return ""
		}
		return "a fax"
	})
	if err := north.Keep(ledger.Note{Activity: fax.Activity{At: 1, Who: "clerk", What: "look", Object: "last"}}); err != nil {
		t.Fatal(err)
	}
	if err := north.SetLine(fax.LineState{Name: "l1", State: "free"}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "it waits for what it has received", func() bool {
		if err := north.order(t, MethodLeave, LeaveOrder{}, &p); err != nil {
			t.Fatal(err)
		}
		return len(p.Waits) == 1 && p.Waits[0] == "a fax"
	})
	filed.Store(true)
	select {
	case <-north.Failed():
	case <-time.After(30 * time.Second):
		_, p := north.leaving.look()
		t.Fatalf("it does not leave: %+v", p)
	}
	if !errors.Is(north.Err(), ErrLeft) {
		t.Errorf("it ends with %v", north.Err())
	}
	waitFor(t, "the other leads alone", func() bool {
		m := south.Members()
		return len(m) == 1 && m[0].Leader && m[0].Voter
	})
	north.Close()
	delete(w.nodes, "north")
	w.propose("south", "clerk")
	r, err := south.Blobs().Open(patience(t), doc.Hash)
	if err != nil {
		t.Fatalf("the document: %v", err)
	}
	r.Close()
	if noted, _, err := south.Ledger().FindActivity(fax.ActivityFilter{Object: "last"}); len(noted) != 1 || err != nil {
		t.Errorf("what it noted last: %+v, %v", noted, err)
	}
	if _, err := Open(t.Context(), Options{Dir: w.dirs["north"], PeerListen: "127.0.0.1:0"}); fax.KindOf(err) != fax.Conflict {
		t.Errorf("it is started again: %v", err)
	}
}

// A node that was away when it was removed is told when it is back, and stops;
// whoever is no member, or speaks of another node, stops nobody.
func TestRemovedNodeIsTold(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.settle("south")
	w.agree()
	north, addr := w.nodes["north"], w.nodes["south"].PeerAddr().String()
	waitFor(t, "its address is known", func() bool {
		n, err := north.Ledger().Node("south")
		return err == nil && n.PeerAddr == addr
	})
	w.nodes["south"].Close()
	waitFor(t, "it is seen to be away", func() bool { return len(north.Presence().Alive()) == 1 })
	var r Removal
	if err := north.order(t, MethodRemove, RemoveOrder{Node: "south"}, &r); err != nil || !r.Checked {
		t.Fatalf("%+v, %v", r, err)
	}
	removed, err := north.Ledger().Removed()
	if err != nil || len(removed) != 1 {
		t.Fatalf("%v, %v", removed, err)
	}
	south := w.open("south", addr)
	delete(w.nodes, "south")
	other := removed[0]
	other.Fingerprint = strings.Repeat("0", 64)
	body, err := json.Marshal(other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := south.handleGone(t.Context(), "north", body); err == nil {
		t.Error("it takes the removal of another for its own")
	}
	if err := north.tell(removed[0]); err != nil {
		t.Fatal(err)
	}
	select {
	case <-south.Failed():
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on")
	}
	if err := south.Err(); err == nil || !strings.Contains(err.Error(), "was removed from the cluster by north") {
		t.Errorf("it ends with %v", err)
	}
	w.propose("north", "clerk")
}

// Documents that only the lost node had are not given up without being told to.
func TestRemovalThatLosesDocuments(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.settle("south")
	w.agree()
	north, south := w.nodes["north"], w.nodes["south"]
	waitFor(t, "south is seen", func() bool { return len(north.Presence().Alive()) == 2 })
	doc := w.file("south", "job")
	south.documents.replica.Close() // as if north had not got its copy
	if err := north.forgetDocument(doc.Hash); err != nil {
		t.Fatal(err)
	}
	south.Close()
	delete(w.nodes, "south")
	waitFor(t, "it is seen to be away", func() bool { return len(north.Presence().Alive()) == 1 })
	var r Removal
	if err := north.order(t, MethodRemove, RemoveOrder{Node: "south"}, &r); fax.KindOf(err) != fax.Conflict || !strings.Contains(err.Error(), "1 documents") {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := north.order(t, MethodRemove, RemoveOrder{Node: "south", Force: true}, &r); err != nil || r.Documents != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// forgetDocument takes a document off this node's disk.
func (c *Cluster) forgetDocument(hash string) error {
	files, err := filepath.Glob(filepath.Join(c.opt.Dir, ownDir, blobDir, hash[:2], hash[2:4], "*"))
	for _, f := range files {
		err = errors.Join(err, os.Remove(f))
	}
	return err
}
