package consensus

import (
	"testing"
	"testing/synctest"
	"time"
)

// A lead that is handed over is taken in one election, for which nobody waits
// until a timeout: in virtual time, in which only waiting takes any, it has an
// owner again at once.
func TestHandOverWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		sites := cluster(t, net, "north", "south", "west")
		defer stopAll(t, sites)
		old := leaderOf(t, sites)
		old.apply(t, "one")
		agree(t, sites, 1)
		_, before := old.Logged()
		begun := time.Now()
		if err := old.Transfer(); err != nil {
			t.Fatal(err)
		}
		var now *site
		for now == nil && time.Since(begun) < time.Minute {
			for _, s := range sites {
				if s != old && s.IsLeader() {
					now = s
				}
			}
			if now == nil {
				time.Sleep(time.Millisecond)
			}
		}
		if now == nil {
			t.Fatal("nobody has taken the lead")
		}
		if gap := time.Since(begun); gap > 50*time.Millisecond {
			t.Errorf("the lead was without an owner for %v", gap)
		}
		if _, term := now.Logged(); term != before+1 {
			t.Errorf("%d elections", term-before)
		}
		now.apply(t, "two")
		agree(t, sites, 2)
	})
}
