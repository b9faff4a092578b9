//go:build linux

package scenario

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// islandTime is how long a node may take to know that it is cut off, and the
// others to know all when it is no more.
const islandTime = 45 * time.Second

// TestIsland: two of three nodes are killed. The third sends and receives what
// is handed in there, is killed itself, and goes on; when the others are back
// everything is at each of them, once.
func TestIsland(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.exchange(t, lineSpeed)
	north := l.found(t, "north", "0301", "0302")
	nodes := []*node{north, l.join(t, north, "south", 1), l.join(t, north, "west", 2)}
	settledLeader(t, nodes)
	mark := north.proc.said.mark()
	for _, n := range nodes[1:] {
		n.proc.kill()
	}
	north.proc.said.await(t, mark, "cut off from the majority", islandTime)
	clerk := north.login(t, "admin", adminPassword)
	first := handIn(t, clerk, "first")
	if first.Alone != "north" {
		t.Errorf("the clerk is not told that north alone has the fax: %+v", first)
	}
	sentAt(t, north, clerk, first.ID)
	ctx, cancel := asking(t)
	defer cancel()
	kindOf(t, "a new account", clerk.AddAccount(ctx, "late", adminPassword, fax.Individual), fax.Unavailable, "north", "cut off", "when the link is back")
	nodesSeen, err := clerk.Cluster(ctx)
	if err != nil || !alone(nodesSeen, "north") {
		t.Errorf("the clerk does not see that north is cut off: %+v, %v", nodesSeen, err)
	}
	token := clerk.Session().Token
	if err := clerk.Logout(ctx); err != nil {
		t.Fatal(err)
	}

	firstLost := lostCalls(first.ID, north.proc)
	north.proc.kill() // all that it knows is on its disk
	north.run(t)
	kindOf(t, "the session that was logged out", resume(ctx, north.clients, token), fax.BadLogin)
	clerk = north.login(t, "admin", adminPassword)
	if j, err := clerk.Job(ctx, first.ID); err != nil || j.State != fax.Done {
		t.Errorf("after the restart: %+v, %v", j, err)
	}
	second := handIn(t, clerk, "second")
	sentAt(t, north, clerk, second.ID)

	mark = north.proc.said.mark()
	for _, n := range nodes[1:] {
		n.run(t)
	}
	north.proc.said.await(t, mark, "the link is back", islandTime)
	for _, n := range nodes {
		everything(t, n, map[string]int{first.ID: firstLost, second.ID: lostCalls(second.ID, north.proc)})
		kindOf(t, "the session that was logged out, at "+n.name, resume(ctx, n.clients, token), fax.BadLogin)
	}
	if alone(must(clerk.Cluster(ctx))(t), "north") {
		t.Error("north still counts as cut off")
	}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func handIn(t *testing.T, c *clientlib.Client, title string) fax.Job {
	t.Helper()
	ctx, cancel := asking(t)
	defer cancel()
	text := []byte("from an island: " + title + "\n")
	return must(c.Submit(ctx, fax.Order{Number: "0302", Title: title}, bytes.NewReader(text), int64(len(text)), nil))(t)
}

func sentAt(t *testing.T, n *node, c *clientlib.Client, id string) {
	t.Helper()
	until(t, "the fax is sent by "+n.name+" alone", sentTime, func() bool {
		ctx, cancel := asking(t)
		defer cancel()
		return must(c.Job(ctx, id))(t).State == fax.Done
	})
}

func alone(nodes []fax.NodeStatus, name string) bool {
	for _, n := range nodes {
		if n.Node.Name == name {
			return n.Alone != 0
		}
	}
	return false
}

// everything checks that a node has all that the island did, once. Of each fax
// it is known how many of its calls a busy machine has lost: each of these may
// have brought its page, too.
func everything(t *testing.T, n *node, ids map[string]int) {
	t.Helper()
	least, most := len(ids), len(ids)
	for _, lost := range ids {
		most += lost
	}
	c := n.login(t, "admin", adminPassword)
	until(t, n.name+" has what came in", islandTime, func() bool {
		ctx, cancel := asking(t)
		defer cancel()
		come := len(must(c.Inbox(ctx, 0))(t))
		return come >= least && come <= most
	})
	ctx, cancel := asking(t)
	defer cancel()
	for id, lost := range ids {
		if j, err := c.Job(ctx, id); err != nil || j.State != fax.Done || j.Tries != 1+lost || j.Alone != "" {
			t.Errorf("at %s: %+v, %v", n.name, j, err)
		}
		var pages bytes.Buffer
		until(t, "the pages can be had at "+n.name, islandTime, func() bool {
			pages.Reset()
			_, err := c.Fetch(ctx, id, &pages)
			return err == nil
		})
	}
	seen := map[string]int{}
	for i, e := range must(c.EventsAfter(ctx, 0, 0))(t) {
		if e.Seq != uint64(i+1) {
			t.Errorf("at %s event %d has number %d", n.name, i+1, e.Seq)
		}
		seen[fmt.Sprint(e.Kind, " ", e.Fax)]++
	}
	for id, lost := range ids {
		for kind, want := range map[fax.EventKind]int{fax.EventQueued: 1, fax.EventDialing: 1 + lost, fax.EventPage: 1, fax.EventSent: 1} {
			if seen[fmt.Sprint(kind, " ", id)] != want {
				t.Errorf("at %s %s is told of %s %d times", n.name, kind, id, seen[fmt.Sprint(kind, " ", id)])
			}
		}
	}
}
