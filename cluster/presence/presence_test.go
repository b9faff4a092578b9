package presence

import (
	"bytes"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"pgregory.net/rapid"
)

func session(id, account string) Session {
	return Session{ID: id, Account: account, Addr: netip.MustParseAddrPort("192.0.2.7:1500"),
		Fingerprint: strings.Repeat("ab", 32), Since: 1000, Epoch: 7}
}

// must is for puts that have no reason to fail.
func must(change []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return change
}

func TestChangesReachAnotherTable(t *testing.T) {
	north, south := New("north", 1), New("south", 1)
	south.SetAlive("north", true)
	tell := func(change []byte) {
		t.Helper()
		for _, want := range []bool{true, false} { // the second time is no news
			if got, err := south.Merge(change); err != nil || got != want {
				t.Fatalf("merge: %v, %v; want %v", got, err, want)
			}
		}
	}
	tell(must(north.PutSession(session("s1", "Reception"))))
	tell(must(north.PutSession(session("s2", "records"))))
	tell(must(north.PutLine(fax.LineState{Name: "l1", Number: "100", State: "free", Kind: "simulated", Since: 5})))
	tell(must(north.PutLoad(Load{Sessions: 2, Calls: 1, Disk: 93, Room: "scarce"})))
	for _, table := range []*Table{north, south} {
		got := table.Sessions("reception")
		want := session("s1", "Reception")
		want.Node = "north"
		if len(got) != 1 || got[0] != want {
			t.Errorf("sessions of reception: %+v, want %+v", got, want)
		}
		if lines := table.Lines(); len(lines) != 1 || lines[0].Node != "north" || lines[0].State != "free" {
			t.Errorf("lines: %+v", lines)
		}
		if load, ok := table.Load("north"); !ok || load != (Load{2, 1, 93, "scarce"}) {
			t.Errorf("load: %+v, %v", load, ok)
		}
	}
	old := must(north.PutSession(session("s1", "Reception")))
	tell(north.DropSession("s1"))
	if changed, _ := south.Merge(old); changed || len(south.Sessions("")) != 1 {
		t.Errorf("an old change has brought the session back: %+v", south.Sessions(""))
	}
	if north.DropSession("s1") != nil {
		t.Error("a session was dropped twice")
	}
}

func TestDeadNodesAreHidden(t *testing.T) {
	north, south := New("north", 1), New("south", 1)
	must(north.PutSession(session("s1", "reception")))
	if _, err := south.Merge(north.State()); err != nil {
		t.Fatal(err)
	}
	if n := len(south.Sessions("")); n != 0 {
		t.Errorf("%d sessions of a node never seen alive", n)
	}
	for _, alive := range []bool{true, false, true} {
		if !south.SetAlive("north", alive) || south.SetAlive("north", alive) {
			t.Error("SetAlive does not know what is news")
		}
		if got := len(south.Sessions("")) == 1; got != alive {
			t.Errorf("alive %v, shown %v", alive, got)
		}
	}
	if south.SetAlive("south", false) {
		t.Error("a node believes in its own death")
	}
}

// A node that was started again owns its name, whatever others remember.
func TestIncarnations(t *testing.T) {
	south := New("south", 1)
	south.SetAlive("north", true)
	first := New("north", 10)
	must(first.PutSession(session("s1", "reception")))
	south.Merge(first.State())

	second := New("north", 20)
	if changed, _ := south.Merge(second.State()); !changed || len(south.Sessions("")) != 0 {
		t.Errorf("the sessions of before the restart stay: %+v", south.Sessions(""))
	}
	third := New("north", 5) // its clock was set back
	must(third.PutSession(session("s3", "reception")))
	if changed, _ := third.Merge(south.State()); !changed {
		t.Error("north does not notice that it is outranked")
	}
	south.Merge(third.State())
	if got := south.Sessions(""); len(got) != 1 || got[0].ID != "s3" {
		t.Errorf("sessions %+v, want s3", got)
	}
}

// Whatever order statements come in, and however often, the outcome is the
// same, and after a full state it is the truth.
func TestMergeIsALattice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var messages [][]byte
		north := New("north", 1)
		for start := uint64(1); start <= 2; start++ {
			north = New("north", start)
			for range rapid.IntRange(1, 8).Draw(t, "changes") {
				id := fmt.Sprint("s", rapid.IntRange(0, 2).Draw(t, "id"))
				switch rapid.IntRange(0, 3).Draw(t, "deed") {
				case 0, 1:
					messages = append(messages, must(north.PutSession(session(id, rapid.SampledFrom([]string{"a", "b"}).Draw(t, "account")))))
				case 2:
					if change := north.DropSession(id); change != nil {
						messages = append(messages, change)
					}
				case 3:
					messages = append(messages, north.State())
				}
			}
		}
		if len(messages) == 0 {
			return // only logouts of nobody: there is nothing to bring into order
		}
		final := north.State()
		merged := func(order []int) *Table {
			table := New("south", 1)
			table.SetAlive("north", true)
			relay := New("west", 1) // some of it comes by way of a third node
			for i, m := range order {
				if i%3 == 0 {
					relay.Merge(messages[m])
					table.Merge(relay.State())
				}
				table.Merge(messages[m])
			}
			return table
		}
		all := make([]int, len(messages))
		for i := range all {
			all[i] = i
		}
		one := merged(rapid.Permutation(all).Draw(t, "one order"))
		other := merged(append(rapid.Permutation(all).Draw(t, "other order"), all...))
		if a, b := one.Sessions(""), other.Sessions(""); !reflect.DeepEqual(a, b) {
			t.Fatalf("one order gives %+v, another %+v", a, b)
		}
		some := merged(rapid.SliceOf(rapid.IntRange(0, len(messages)-1)).Draw(t, "some, some twice"))
		some.Merge(final)
		if got, want := some.Sessions(""), north.Sessions(""); !reflect.DeepEqual(got, want) {
			t.Fatalf("after the full state %+v, in truth %+v", got, want)
		}
		some.SetAlive("west", true)
		if changed, _ := some.Merge(final); changed {
			t.Fatal("the same full state again is news")
		}
	})
}

func TestLimits(t *testing.T) {
	table := New("north", 1)
	big := session("s1", strings.Repeat("x", MaxField+1))
	if _, err := table.PutSession(big); err == nil {
		t.Error("an endless account name was taken")
	}
	if len(table.Sessions("")) != 0 {
		t.Error("a refused session is shown")
	}
	for i := range MaxItems {
		must(table.PutSession(session(fmt.Sprint(i), "a")))
	}
	if _, err := table.PutSession(session("one more", "a")); fax.KindOf(err) != fax.Busy {
		t.Errorf("over MaxItems: %v", err)
	}
	state := table.State()
	other := New("south", 1)
	other.SetAlive("north", true)
	if _, err := other.Merge(state); err != nil || len(other.Sessions("")) != MaxItems {
		t.Errorf("full state of %d octets: %v, %d sessions", len(state), err, len(other.Sessions("")))
	}
}

func FuzzMerge(f *testing.F) {
	north := New("north", 1)
	f.Add(must(north.PutSession(session("s1", "reception"))))
	f.Add(must(north.PutLine(fax.LineState{Name: "l1", State: "free"})))
	f.Add(must(north.PutLoad(Load{1, 1, 100, "full"})))
	f.Add(north.State())
	f.Add(north.DropSession("s1"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		table := New("south", 1)
		if _, err := table.Merge(msg); err != nil {
			if !bytes.Equal(table.State(), New("south", 1).State()) {
				t.Fatal("a refused message has changed the table")
			}
			return
		}
		again := New("west", 1)
		if _, err := again.Merge(table.State()); err != nil {
			t.Fatalf("the state made of a good message is refused: %v", err)
		}
	})
}
