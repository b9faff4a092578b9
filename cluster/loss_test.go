package cluster

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

// cutOff takes a node off the network without its doing, as a fallen link
// does. It stays cut off.
func (w *town) cutOff(name string) *Cluster {
	c := w.nodes[name]
	c.port.mux.Close()
	c.port.udp.Close()
	delete(w.nodes, name)
	return c
}

// A leader that is cut off becomes an island that refuses what needs the
// majority; the others elect another leader and go on.
func TestIsland(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.settle("south", "west")
	w.voters(3)
	w.agree()
	leader := w.nodes["south"].Leader()
	island := w.cutOff(leader)
	waitFor(t, "the island knows that it is one", func() bool { return !island.IsLeader() })
	for node := range w.nodes {
		w.propose(node, "on the mainland by "+node)
	}
	w.agree()
	begun := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := island.Propose(ctx, ledger.SetRights{Name: "admin", Rights: fax.Administrator, By: "admin", Node: leader, At: fax.At(begun)})
	if fax.KindOf(err) != fax.Unavailable || time.Since(begun) > 3*time.Second {
		t.Errorf("the island: %v after %v", err, time.Since(begun))
	}
	if _, _, err := island.Ledger().Account("admin"); err != nil {
		t.Errorf("the island cannot read: %v", err)
	}
	if doc, copies, err := island.Blobs().Put(patience(t), strings.NewReader("a page")); err != nil || copies != 1 {
		t.Errorf("the island stores %v in %d copies, %v", doc, copies, err)
	}
}

// Two nodes have one vote, so the follower may be lost. Both may be stopped and
// started again; a node that is removed is cut off.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.settle("south")
	w.propose("south", "first")
	w.agree()
	addrs := map[string]string{"north": w.nodes["north"].PeerAddr().String(), "south": "127.0.0.1:0"} // south moves
	for name := range addrs {
		if err := w.nodes[name].Close(); err != nil {
			t.Errorf("close %s: %v", name, err)
		}
	}
	for name, addr := range addrs {
		w.open(name, addr)
	}
	w.propose("south", "second")
	w.agree()
	if m := w.nodes["south"].Members(); len(m) != 2 || m[0].Voter == m[1].Voter {
		t.Errorf("members: %+v, want one voter", m)
	}
	south := w.nodes["south"]
	if _, err := w.nodes["north"].Propose(patience(t), ledger.DropNode{Name: "south", By: "admin", At: fax.At(time.Now())}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the removed node is refused", func() bool {
		_, err := south.Call(patience(t), "north", methodAttend, nil)
		return err != nil && fax.KindOf(err) == fax.Internal // no answer at all
	})
	waitFor(t, "it is out of Raft", func() bool { return len(w.nodes["north"].standings(sightings{}, time.Now())) == 1 })
}

// Close ends every goroutine that Open has begun.
func TestCloseLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine() // those of tests that wait their turn
	w := found(t)
	w.settle("south")
	w.propose("south", "reception")
	for _, c := range w.nodes {
		begun := time.Now()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("%s took %v to close", c.Name(), took)
		}
	}
	waitFor(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
}

// A node that has failed does not wait for ever for a disk that hangs; one that
// has not failed waits.
func TestCloseLeavesWhatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, ill := range []bool{false, true} {
			l := &lifetime{cancel: func() {}}
			failed, hang := make(chan struct{}), make(chan struct{})
			l.opened(func() error { <-hang; return nil })
			if ill {
				close(failed)
			}
			time.AfterFunc(time.Hour, func() { close(hang) })
			begun := time.Now()
			err := l.closeOrLeave(failed)
			if took := time.Since(begun); (err != nil) != ill || (took < time.Hour) != ill {
				t.Errorf("failed %v: closed after %v with %v", ill, took, err)
			}
			<-hang
		}
	})
}
