package courier

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/cluster/roaming"
)

func (n *resident) alarmed(what string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Contains(n.alarms, what)
}

// TestRepair: a record that one node alone has, though all know of the write,
// is found by the digests, brought to the others, and told.
func TestRepair(t *testing.T) {
	t.Parallel() // these tests wait for the disk more than they compute
	synctest.Test(t, func(t *testing.T) {
		w := found(t, 0, "east", "north", "west")
		defer w.close()
		w.write("north", edit("1", "name", "Anna"))
		w.alike(time.Second)
		east := w.nodes["east"].store
		r, _, err := east.Get(edit("1", "", "").Key)
		if err != nil {
			t.Fatal(err)
		}
		r.Key.ID = "2" // as if the others had lost it
		if _, err := east.Merge(time.Now(), roaming.Page{Records: []roaming.Record{r}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		w.alike(6 * checkEvery)
		if !w.have("north", "2", "name", "Anna") || !w.nodes["north"].alarmed("roaming-repaired") {
			t.Error("it is not repaired, or nobody is told")
		}
	})
}

// TestCorrected: what was stamped while the clock was ahead goes to the others
// when the clock is right.
func TestCorrected(t *testing.T) {
	t.Parallel() // these tests wait for the disk more than they compute
	synctest.Test(t, func(t *testing.T) {
		w := found(t, 0, "east", "north", "west")
		defer w.close()
		n := w.nodes["north"]
		news, err := n.store.Write(time.Now().Add(time.Hour), edit("1", "name", "Anna"))
		if err != nil {
			t.Fatal(err)
		}
		n.tell(news)
		time.Sleep(tendEvery / 4)
		if w.have("east", "1", "name", "Anna") {
			t.Error("a stamp of the future is taken in")
		}
		w.alike(10 * tendEvery)
		if !w.have("east", "1", "name", "Anna") || !n.alarmed("clock-corrected") {
			t.Error("it is not stamped anew, or nobody is told")
		}
		if is, err := n.store.Ahead(time.Now()); is || err != nil {
			t.Errorf("the stamps are still ahead: %v", err)
		}
	})
}
