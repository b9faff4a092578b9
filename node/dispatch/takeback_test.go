package dispatch

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/node/queue"
)

// give assigns a job's first attempt to a line, as a leader before did.
func (c *cluster) give(job, node, line string) {
	c.t.Helper()
	now := fax.At(time.Now())
	c.applyAll([]ledger.Command{ledger.Assign{Job: job, Attempt: 1, Node: node, Line: line, At: now, Until: now + fax.Millis(queue.Lease.Milliseconds())}})
}

// TestTakeBack: what a dead node has not begun to dial is dialled by another in
// a few seconds, although gossip still shows its free line.
func TestTakeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.setLine("gone", "g1", "free")
		var at []time.Duration
		begun := time.Now()
		s := c.serve("south", true, t.TempDir(), func(ctx context.Context, line, job string, out modem.Outgoing) modem.Report {
			at = append(at, time.Since(begun))
			return sends(ctx, line, job, out)
		})
		defer s.close()
		c.submit("a", "1", 1)
		c.submit("b", "2", 1) // south has one line
		time.Sleep(20 * time.Second)
		for _, id := range []string{"a", "b"} {
			if j := c.job(id); j.State != fax.Done || j.Last.Node != "south" {
				t.Errorf("%s: %+v, last %+v", id, j, j.Last)
			}
		}
		if len(at) != 2 || at[1] > 5*time.Second {
			t.Errorf("dialled after %v", at)
		}
		gave := 0
		for _, cmd := range c.history() {
			if a, ok := cmd.(ledger.Assign); ok && a.Node == "gone" {
				gave++
			}
		}
		if gave != 1 {
			t.Errorf("the dead node was given %d attempts", gave)
		}
	})
}

// TestTakenBackIsNotDialled: a node that was only out of reach, and whose ledger
// does not show yet that its attempt was taken back, does not dial.
func TestTakenBackIsNotDialled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.setLine("north", "n1", "free")
		c.dead["south"] = true
		release := make(chan struct{})
		c.submit("a", "1", 1)
		c.give("a", "south", "s1")
		c.old = map[string][]fax.Job{"south": {c.job("a")}}
		late := c.open("south", false, t.TempDir(), noCall(t), func(_ context.Context, doc fax.Document) (Document, error) {
			<-release
			return document(doc.Pages), nil
		})
		defer late.close()
		lead := c.serve("north", true, t.TempDir(), func(ctx context.Context, line, job string, out modem.Outgoing) modem.Report {
			close(release) // now both would dial
			time.Sleep(time.Second)
			return sends(ctx, line, job, out)
		})
		defer lead.close()
		time.Sleep(20 * time.Second)
		if j := c.job("a"); j.State != fax.Done || j.Tries != 2 || j.Last.Node != "north" {
			t.Errorf("%+v, last %+v", j, j.Last)
		}
	})
}

// TestSlowIsNotDead: a node that answers keeps the attempt while it fetches the
// document.
func TestSlowIsNotDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		lead := c.serve("north", true, t.TempDir(), noCall(t))
		defer lead.close()
		s := c.open("south", false, t.TempDir(), sends, func(_ context.Context, doc fax.Document) (Document, error) {
			time.Sleep(20 * time.Second)
			return document(doc.Pages), nil
		})
		defer s.close()
		c.submit("a", "1", 1)
		time.Sleep(30 * time.Second)
		if j := c.job("a"); j.State != fax.Done || j.Tries != 1 || j.Last.Node != "south" {
			t.Errorf("%+v, last %+v", j, j.Last)
		}
		if slices.ContainsFunc(c.history(), func(cmd ledger.Command) bool { _, ok := cmd.(ledger.TakeBack); return ok }) {
			t.Error("it was taken back")
		}
	})
}
