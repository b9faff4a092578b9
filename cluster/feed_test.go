package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/consensus"
	"github.com/faxmesh/faxmesh/cluster/peer"
)

// Twelve nodes have one ledger, though the leader sends its log to six only:
// the others follow by the feed, read and write like all, and take over when
// nodes of Raft are lost.
func TestTwelveNodes(t *testing.T) {
	t.Parallel()
	w := found(t)
	for i := range 11 {
		w.settle(fmt.Sprintf("n%02d", i))
	}
	north := w.nodes["north"]
	roles := func(c *Cluster) map[Role]int {
		n := map[Role]int{}
		for _, m := range c.Members() {
			n[m.Role()]++
		}
		return n
	}
	want := map[Role]int{RoleLeader: 1, RoleVoter: 4, RoleStandby: 2, RoleFollower: 5}
	for name, c := range w.nodes {
		waitLong(t, name+" sees the parts of all", func() bool { return fmt.Sprint(roles(c)) == fmt.Sprint(want) })
	}
	parts, err := north.raft.Members()
	if err != nil || len(parts) != 7 {
		t.Errorf("the log goes to %v, %v; want seven nodes", parts, err)
	}
	for name := range w.nodes {
		w.propose(name, "by "+name)
	}
	w.agree()

	// A follower that was away for a while catches up.
	var away string
	for name := range w.nodes {
		if _, in := north.parts()[name]; !in {
			away = name
		}
	}
	if err := w.nodes[away].Close(); err != nil {
		t.Error(err)
	}
	delete(w.nodes, away)
	w.propose("north", "while it was away")
	w.open(away, "127.0.0.1:0")
	w.agree()
	w.propose(away, "back again")
	w.agree()
}

func waitLong(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not come about that %s", what)
		}
	}
}

// A node whose log does not go back so far feeds its whole ledger.
func TestFeedOfTheWhole(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.propose("north", "clerk")
	north := w.nodes["north"]
	other := found(t).nodes["north"] // a ledger of another history, to see that it is replaced
	index, chain := north.Ledger().Applied()
	for _, c := range []struct {
		why  string
		feed func(*Cluster, net.Conn) error
	}{
		{"entries", func(c *Cluster, conn net.Conn) error { _, err := c.feedOn(conn, 1); return err }},
		{"state", func(c *Cluster, conn net.Conn) error { _, err := c.feedState(conn); return err }},
	} {
		near, far := net.Pipe()
		fed := make(chan error, 1)
		go func() {
			fed <- c.feed(north, far)
			far.Close()
		}()
		var failure error
		for failure == nil {
			var kind byte
			var content []byte
			if kind, content, failure = readFeed(near); failure == nil && c.why == "state" {
				failure = other.takeFeed(near, kind, content)
			}
		}
		if err := <-fed; err != nil {
			t.Errorf("%s: %v, %v", c.why, err, failure)
		}
	}
	if gotIndex, gotChain := other.Ledger().Applied(); gotIndex != index || gotChain != chain {
		t.Errorf("fed with the whole it stands at %d, not %d", gotIndex, index)
	}
	if _, _, err := other.Ledger().Account("clerk"); err != nil {
		t.Error(err)
	}
}

func TestFeedFrames(t *testing.T) {
	entries := []consensus.Entry{{Index: 1, Data: []byte("one")}, {Index: 1 << 40, Data: nil}, {Index: 3, Data: bytes.Repeat([]byte{7}, consensus.MaxCommand)}}
	got, err := decodeEntries(encodeEntries(entries))
	if err != nil || len(got) != len(entries) {
		t.Fatalf("%d entries, %v", len(got), err)
	}
	for i := range got {
		if got[i].Index != entries[i].Index || !bytes.Equal(got[i].Data, entries[i].Data) {
			t.Errorf("entry %d: %+v", i, got[i])
		}
	}
	for why, bad := range map[string][]byte{
		"cut":      encodeEntries(entries[:1])[:13],
		"head":     {0, 0, 0},
		"too long": encodeEntries([]consensus.Entry{{Index: 1, Data: make([]byte, consensus.MaxCommand+1)}}),
		"too many": bytes.Repeat(encodeEntries([]consensus.Entry{{Index: 1}}), maxFeedBatch+1),
		"a lie":    {0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 1},
	} {
		if _, err := decodeEntries(bad); !errors.Is(err, errFeed) {
			t.Errorf("%s: %v", why, err)
		}
	}
}

// What does not belong on the feed ends it, at either end.
func TestHostileFeed(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.settle("south")
	w.agree()
	north := w.nodes["north"]
	for why, frame := range map[string][]byte{"nothing": {}, "an unknown kind": {'x'}, "no JSON": {feedNews, '{'},
		"no leader": []byte("n{}"), "half an entry": {feedBatch, 1}, "no snapshot": append([]byte{feedSnapshot}, "noise"...)} {
		near, far := net.Pipe()
		go func() {
			if peer.WriteFrame(far, frame) == nil {
				_ = sendFeed(far, feedSnapshot, nil)
			}
			far.Close()
		}()
		kind, content, err := readFeed(near)
		if err == nil {
			err = north.takeFeed(near, kind, content)
		}
		if err == nil {
			t.Errorf("%s is taken", why)
		}
		near.Close()
	}
	conn, err := w.nodes["south"].port.mux.Dial(patience(t), "north", peer.Feed)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := peer.WriteFrame(conn, []byte("not eight octets")); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := peer.ReadFrame(conn, 100); err == nil {
		t.Error("a hello that is none is answered")
	}
	if north.Err() != nil || fax.KindOf(north.Err()) != fax.Internal {
		t.Errorf("the node has failed: %v", north.Err())
	}
	w.propose("north", "clerk")
}
