package consensus

import (
	"testing"
	"testing/synctest"

	"github.com/hashicorp/raft"
)

func TestGrowthRings(t *testing.T) {
	g := newGrowth()
	rings := func() bool {
		select {
		case <-g.long:
			return true
		default:
			return false
		}
	}
	entry := &raft.Log{Data: make([]byte, 1<<20-16), Extensions: make([]byte, 16)}
	for round := range 3 {
		for i := range markEvery >> 20 {
			if rings() {
				t.Fatalf("round %d: it rings after %d entries", round, i)
			}
			g.stored([]*raft.Log{entry})
		}
		if !rings() {
			t.Fatalf("round %d: it does not ring", round)
		}
	}
	for range 2 * markEvery >> 20 { // nobody hears
		g.stored([]*raft.Log{entry})
	}
	if !rings() || rings() {
		t.Error("rings that nobody heard are not one")
	}
}

// A log of few and large entries is marked without waiting for more of them,
// and again after that.
func TestLongLogIsMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		sites := cluster(t, net, "north")
		north := sites["north"]
		for _, text := range []string{"first", "second"} {
			applied, _ := north.ledger.Applied()
			if m, err := north.snapshots.standing(); err != nil || m != nil && m.Index >= applied {
				t.Fatalf("mark %+v before the %s, %v", m, text, err)
			}
			north.disk.growth.octets.Store(markEvery - 1)
			index := north.apply(t, text)
			// The entry may not have been applied when it was marked, but those
			// before it were.
			eventually(t, "the state is marked", func() bool {
				m, err := north.snapshots.standing()
				return err == nil && m != nil && m.Index >= index-1
			})
			north.apply(t, "unmarked after "+text)
		}
		stopAll(t, sites)
	})
}
