package cluster

import (
	"fmt"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/cluster/roaming"
)

// entry is an edit of one of the fields of an entry of a shared book.
func entry(id, field, value string) roaming.Edit {
	return roaming.Edit{Key: roaming.Key{Kind: roaming.Shared, Owner: "wards", ID: id}, Set: map[string]string{field: value}}
}

// reads waits until a node has an entry as it is wanted.
func (w *town) reads(node, id, want string) {
	w.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		r, _, err := w.nodes[node].Roaming().Get(entry(id, "", "").Key)
		if err != nil {
			w.t.Fatal(err)
		}
		got := fmt.Sprint(r.Fields())
		if got == want {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("%s has %s of entry %s, not %s", node, got, id, want)
		}
	}
}

func (w *town) edit(node string, edits ...roaming.Edit) {
	w.t.Helper()
	if err := w.nodes[node].EditRoaming(edits...); err != nil {
		w.t.Fatal(err)
	}
}

// TestRoaming: an address book follows from node to node, over real ports; two
// that edit one entry while they do not hear each other lose nothing; a node
// that was away gets what it has missed; what is erased is so everywhere.
func TestRoaming(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.settle("south")
	w.edit("north", entry("1", "name", "Ward 1"))
	w.reads("south", "1", "map[name:Ward 1]")

	northAddr, southAddr := w.nodes["north"].PeerAddr().String(), w.nodes["south"].PeerAddr().String()
	if err := w.nodes["south"].Close(); err != nil {
		t.Fatal(err)
	}
	var many []roaming.Edit
	for i := range 500 {
		many = append(many, entry(fmt.Sprint("m", i), "fax", fmt.Sprint(4500000+i)))
	}
	w.edit("north", many...)
	w.edit("north", entry("1", "fax", "5551"))
	if err := w.nodes["north"].Close(); err != nil {
		t.Fatal(err)
	}
	south := w.open("south", southAddr) // alone, without a majority
	w.reads("south", "1", "map[name:Ward 1]")
	w.edit("south", entry("1", "note", "night"), roaming.Edit{Key: roaming.Key{Kind: roaming.Personal, Owner: "anna", ID: "1"}, Set: map[string]string{"name": "Bo"}})
	if err := south.Close(); err != nil {
		t.Fatal(err)
	}
	w.open("north", northAddr)
	w.open("south", southAddr)
	for _, node := range []string{"north", "south"} {
		w.reads(node, "1", "map[fax:5551 name:Ward 1 note:night]")
		w.reads(node, "m499", "map[fax:4500499]")
	}
	if err := w.nodes["north"].EraseRoaming("Anna"); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		n, err := w.nodes["south"].Roaming().Count(roaming.Personal, "anna")
		if err == nil && n == 0 {
			break
		}
		if err != nil || time.Now().After(end) {
			t.Fatalf("%d entries of an erased account are left: %v", n, err)
		}
	}
}
