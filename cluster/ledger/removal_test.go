package ledger

import (
	"fmt"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

func member(name string, n int) PutNode {
	return PutNode{fax.Node{Name: name, PeerAddr: name + ":7487", Fingerprint: hashOf(n), Joined: 1}}
}

// A removed node's certificate is revoked: nobody joins with it again, under
// whatever name, and a new one of the same name is another node.
func TestRemovedNodesAreRevoked(t *testing.T) {
	l := fresh(t)
	must(t, l, member("north", 1))
	refused(t, l, fax.Conflict, DropNode{Name: "north", By: "admin"})
	must(t, l, member("south", 2))
	must(t, l, PutDialRule{Rule: fax.DialRule{Prefix: "+49", Node: "south"}, By: "admin"})
	must(t, l, DropNode{Name: "south", By: "admin", At: 9})
	refused(t, l, fax.NotAllowed, member("south", 2))
	refused(t, l, fax.NotAllowed, member("west", 2))
	must(t, l, member("south", 3))
	if rules, err := l.DialRules(); err != nil || len(rules) != 0 {
		t.Errorf("%v, %v", rules, err)
	}
	for n, want := range map[int]bool{1: false, 2: true, 3: false} {
		if got, err := l.Revoked(hashOf(n)); err != nil || got != want {
			t.Errorf("certificate %d is revoked: %v, %v; want %v", n, got, err, want)
		}
	}
	removed, err := l.Removed()
	if want := (Removed{Name: "south", Fingerprint: hashOf(2), PeerAddr: "south:7487", At: 9, By: "admin"}); err != nil || len(removed) != 1 || removed[0] != want {
		t.Errorf("%+v, %v; want %+v", removed, err, want)
	}
}

// A recovery leaves the survivor alone and begins a new era each time.
func TestRecover(t *testing.T) {
	l := fresh(t)
	for i, name := range []string{"north", "south", "west"} {
		must(t, l, member(name, i+1))
	}
	refused(t, l, fax.NotFound, Recover{Survivor: "nowhere", At: 5})
	for era := uint64(1); era <= 2; era++ {
		must(t, l, Recover{Survivor: "north", At: fax.Millis(5 * era)})
		if nodes, err := l.Nodes(); err != nil || len(nodes) != 1 || nodes[0].Name != "north" {
			t.Fatalf("the members are %v, %v", nodes, err)
		}
		removed, err := l.Removed()
		if err != nil || len(removed) != int(era)+1 {
			t.Errorf("removed are %v, %v", removed, err)
		}
		for _, r := range removed {
			if want := map[string]uint64{hashOf(2): 1, hashOf(3): 1, hashOf(9): 2}[r.Fingerprint]; r.Era != want {
				t.Errorf("%s is of era %d, want %d", r.Name, r.Era, want)
			}
		}
		must(t, l, member("south", 8+int(era)))
		refused(t, l, fax.NotAllowed, member("west", 3))
	}
}

// There is room for so many removed nodes, the first go first.
func TestRemovedAreBounded(t *testing.T) {
	l := fresh(t)
	must(t, l, member("north", 1))
	entries := []Entry{}
	index, _ := l.Applied()
	put := func(c Command) {
		data, err := Encode(c)
		if err != nil {
			t.Fatal(err)
		}
		index++
		entries = append(entries, Entry{Index: index, Data: data})
	}
	const more = 3
	first := fmt.Sprintf("%064x", 1_000_000)
	// Only the ends of the row are of interest: the middle is stored directly.
	if err := l.fill(MaxRemoved - 1); err != nil {
		t.Fatal(err)
	}
	for i := range more {
		put(PutNode{fax.Node{Name: "south", Fingerprint: fmt.Sprintf("%064x", 1_000_000+i), Joined: 1}})
		put(DropNode{Name: "south", By: "admin", At: fax.Millis(2*MaxRemoved + i)})
	}
	if _, err := l.ApplyBatch(entries); err != nil {
		t.Fatal(err)
	}
	removed, err := l.Removed()
	if err != nil || len(removed) != MaxRemoved {
		t.Fatalf("%d are remembered, %v", len(removed), err)
	}
	if revoked, err := l.Revoked(first); err != nil || !revoked {
		t.Errorf("a late one is forgotten: %v", err)
	}
	if revoked, err := l.Revoked(fmt.Sprintf("%064x", 0)); err != nil || revoked {
		t.Errorf("the first one is not: %v", err)
	}
}

// fill stores that many removed nodes, the first of them first.
func (l *Ledger) fill(n int) error {
	tx, err := l.db.Begin(true)
	if err != nil {
		return err
	}
	for i := range n {
		f := fmt.Sprintf("%064x", i)
		value, err := marshal(Removed{Name: "old", Fingerprint: f, At: fax.Millis(i)})
		if err != nil {
			return err
		}
		if err := tx.Bucket([]byte(inRemoved)).Put([]byte(f), value); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// A node changes its key in two steps: the members know the next one, then it
// is the one. The one before opens nothing, nor does any when it is removed.
func TestNodeChangesItsKey(t *testing.T) {
	l := fresh(t)
	must(t, l, member("north", 1))
	must(t, l, member("south", 2))
	is := func(fingerprint, next, was string) {
		t.Helper()
		if n, err := l.Node("south"); err != nil || n.Fingerprint != fingerprint || n.Next != next || n.Was != was || n.Joined != 1 {
			t.Errorf("south is %+v, %v", n, err)
		}
	}
	next := member("south", 2)
	next.Node.Next, next.Node.Was = hashOf(3), hashOf(1)
	must(t, l, next)
	is(hashOf(2), hashOf(3), "")
	refused(t, l, fax.Conflict, member("south", 4))
	must(t, l, member("south", 3))
	is(hashOf(3), "", hashOf(2))
	must(t, l, member("south", 3))
	refused(t, l, fax.Conflict, member("south", 2))
	bad := member("south", 3)
	bad.Node.Next = "x"
	refused(t, l, fax.Invalid, bad)
	bad.Node.Next = hashOf(4)
	must(t, l, bad)
	must(t, l, DropNode{Name: "south", By: "north", At: 5})
	for n := 2; n <= 4; n++ {
		if revoked, err := l.Revoked(hashOf(n)); err != nil || !revoked {
			t.Errorf("key %d opens still: %v", n, err)
		}
		refused(t, l, fax.NotAllowed, member("west", n))
	}
	bad.Node.Name, bad.Node.Fingerprint = "west", hashOf(5)
	refused(t, l, fax.NotAllowed, bad)
}
