package consensus

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/cluster/ledger"
)

// Whatever brought a node its state, the log or the feed, it goes on alone with
// all of it, and the next command gets an index behind it.
func TestRecover(t *testing.T) {
	for _, fed := range []int{0, 5} {
		t.Run(fmt.Sprint(fed, " entries by the feed"), func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				net := newNetwork()
				sites := map[string]*site{"north": start(t, net, "north", t.TempDir()), "south": start(t, net, "south", dir)}
				join(t, sites, "north", "south")
				for range 3 {
					leaderOf(t, sites).apply(t, "before")
				}
				agree(t, sites, 3)
				south := sites["south"]
				for range fed {
					index, _ := south.ledger.Applied()
					if err := south.Feed([]Entry{{index + 10, note(t, "fed")}}); err != nil {
						t.Fatal(err)
					}
				}
				stopAll(t, sites)
			})
			l, err := ledger.Open(filepath.Join(dir, "ledger.db"), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			before, _ := l.Applied()
			for range 2 { // it may be repeated
				if err := Recover(Config{Name: "south", Dir: filepath.Join(dir, "raft"), Machine: OverLedger(l), Logger: slog.New(slog.DiscardHandler)}); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				south := start(t, newNetwork(), "south", dir)
				defer south.stop(t)
				eventually(t, "it leads alone", south.IsLeader)
				if index := south.apply(t, "after"); index <= before {
					t.Errorf("the next command has index %d, not behind %d", index, before)
				}
				agree(t, map[string]*site{"south": south}, 3+fed+1)
				time.Sleep(time.Second)
			})
		})
	}
}
