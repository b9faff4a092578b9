package cluster

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/cluster/peer"
)

// change gives a node a new key, by order.
func (w *town) change(name string) (fingerprint string) {
	w.t.Helper()
	c := w.nodes[name]
	before := c.id.Fingerprint()
	answer, err := c.handleRenew(patience(w.t), nil)
	if err != nil {
		w.t.Fatalf("%s changes its key: %v", name, err)
	}
	var r Renewed
	if err := json.Unmarshal(answer, &r); err != nil || r.Fingerprint == before || r.Fingerprint != c.id.Fingerprint() {
		w.t.Fatalf("%s has the key %.8s, had %.8s; told %+v, %v", name, c.id.Fingerprint(), before, r, err)
	}
	waitFor(w.t, "all know "+name+" by its new key alone", func() bool {
		for _, other := range w.nodes {
			n, ok := other.book.find(name)
			if !ok || n.Fingerprint != r.Fingerprint || n.Was != before || n.Next != "" {
				return false
			}
		}
		return true
	})
	return r.Fingerprint
}

// All nodes of a cluster change their keys, the leader too, while they are
// used; nobody loses anything by it, a node that starts again has the new one.
func TestKeysAreRenewed(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.settle("south", "west")
	w.voters(3)
	old := w.nodes["south"].id.Certificate()
	for i, name := range []string{"south", "north", "west"} {
		w.change(name)
		for other := range w.nodes {
			w.propose(other, fmt.Sprint("after ", i, " by ", other))
		}
	}
	w.agree()
	south := w.nodes["south"]
	for _, other := range []string{"north", "west"} {
		conn, err := south.port.mux.Dial(patience(t), other, peer.Request) // not one of those that there were
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	if north := w.nodes["north"]; north.member("south", peer.Fingerprint(old.Leaf)) || !north.stays("south", peer.Fingerprint(old.Leaf)) {
		t.Error("the key before opens a connection, or ends one")
	}
	addr, fingerprint := south.PeerAddr().String(), south.id.Fingerprint()
	if err := south.Close(); err != nil {
		t.Fatal(err)
	}
	if south = w.open("south", addr); south.id.Fingerprint() != fingerprint {
		t.Error("the new key is lost with the restart")
	}
	w.propose("south", "after the restart")
}

// A leader changes its key while the only other node is off: that one comes
// back, though it knows the leader by the old key alone.
func TestKeyChangedWhileAway(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.settle("south")
	w.agree()
	addr := w.nodes["south"].PeerAddr().String()
	if err := w.nodes["south"].Close(); err != nil {
		t.Fatal(err)
	}
	delete(w.nodes, "south")
	w.change("north")
	w.open("south", addr)
	w.agree()
	w.propose("south", "back again")
}

// A switch that was cut short is gone on with at the next start.
func TestRenewalGoesOn(t *testing.T) {
	t.Parallel()
	w := found(t)
	north := w.nodes["north"]
	if err := north.id.Prepare(north.identityDir()); err != nil {
		t.Fatal(err)
	}
	next := north.id.Next()
	if err := north.Close(); err != nil {
		t.Fatal(err)
	}
	north = w.open("north", "127.0.0.1:0")
	waitFor(t, "the renewal is finished", func() bool {
		n, err := north.Ledger().Node("north")
		return err == nil && n.Fingerprint == next && n.Next == "" && north.id.Fingerprint() == next
	})
}

// A renewal that does not come about is seen in the report, one that is to come
// is not.
func TestRenewalIsWarnedOf(t *testing.T) {
	t.Parallel()
	id, err := peer.Found("north")
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{id: id}
	for after, want := range map[time.Duration]string{
		-time.Hour: "", renewWithin - time.Hour: "", renewWithin: "there is no leader now",
	} {
		got := strings.Join(c.renewalWarnings(id.ChangeTime().Add(after)), "")
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%v after the time: %q", after, got)
		}
	}
}

// A node that is removed is cut off at once, whichever side had dialled, and
// does not come in again.
func TestRemovedIsCutOff(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.settle("south", "west")
	w.voters(3)
	north, west := w.nodes["north"], w.nodes["west"]
	in, err := west.port.mux.Dial(patience(t), "north", peer.Request)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := north.port.mux.Dial(patience(t), "west", peer.Request)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := north.Remove(patience(t), RemoveOrder{Node: "west", Force: true}); err != nil {
		t.Fatal(err)
	}
	for name, conn := range map[string]*peer.Conn{"that it dialled": in, "by which it was dialled": out} {
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil || strings.Contains(err.Error(), "timeout") {
			t.Errorf("the connection %s goes on: %d, %v", name, n, err)
		}
	}
	for _, proto := range []peer.Proto{peer.Request, peer.Raft, peer.Blob, peer.Feed, peer.Gossip} {
		conn, err := peer.DialNode(patience(t), west.id, north.PeerAddr().String(), "north", north.id.Fingerprint(), proto)
		if err != nil {
			continue
		}
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil || strings.Contains(err.Error(), "timeout") {
			t.Errorf("a removed node gets in by %v: %d, %v", proto, n, err)
		}
		conn.Close()
	}
	if slices.ContainsFunc(north.Members(), func(m MemberStatus) bool { return m.Name == "west" }) {
		t.Error("it is still a member")
	}
}

// A node that leaves and has not heard that the others have taken it off the
// list is told, though it does not understand their gossip any more.
func TestLeaverIsTold(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.settle("south")
	w.agree()
	north, south := w.nodes["north"], w.nodes["south"]
	south.leaving.mu.Lock()
	south.leaving.under = true
	south.leaving.mu.Unlock()
	if _, err := north.Remove(patience(t), RemoveOrder{Node: "south", Force: true}); err != nil {
		t.Fatal(err)
	}
	waitLong(t, "it is told", south.leaving.isOver)
	if err := south.dropMyself(patience(t)); err != nil {
		t.Errorf("it goes on leaving: %v", err)
	}
}
