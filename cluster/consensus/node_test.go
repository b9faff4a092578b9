package consensus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

// site is a node with its ledger, as a test runs it.
type site struct {
	*Node
	ledger *ledger.Ledger
	name   string
	dir    string
}

func (s *site) stop(t *testing.T) {
	t.Helper()
	if err := errors.Join(s.Close(), s.Close(), s.ledger.Close()); err != nil {
		t.Error(err)
	}
}

// start runs a node; change, if any, alters its Config.
func start(t *testing.T, net *network, name, dir string, change ...func(*Config)) *site {
	t.Helper()
	l, err := ledger.Open(filepath.Join(dir, "ledger.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Name: name, Dir: filepath.Join(dir, "raft"), Machine: OverLedger(l), Stream: net.port(name), Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&cfg)
	}
	n, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &site{n, l, name, dir}
}

// eventually waits in virtual time.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 600 {
		if ok() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("not within a minute: %s", what)
}

// cluster starts nodes and joins them to the first.
func cluster(t *testing.T, net *network, names ...string) map[string]*site {
	t.Helper()
	sites := map[string]*site{}
	for _, name := range names {
		sites[name] = start(t, net, name, t.TempDir())
	}
	join(t, sites, names...)
	return sites
}

// join makes a cluster of nodes that run.
func join(t *testing.T, sites map[string]*site, names ...string) {
	t.Helper()
	first := sites[names[0]]
	if err := first.Bootstrap(); err != nil {
		t.Fatal(err)
	}
	if leads := <-first.Leadership(); !leads || !first.IsLeader() {
		t.Fatal("a cluster of one has no leader")
	}
	for _, name := range names[1:] {
		if err := first.AddVoter(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
}

func note(t *testing.T, text string) []byte {
	t.Helper()
	data, err := ledger.Encode(ledger.Note{Activity: fax.Activity{At: 1, Who: "clerk", What: text}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// apply has a note applied and returns its index.
func (s *site) apply(t *testing.T, text string) uint64 {
	t.Helper()
	data, err := s.Apply(t.Context(), note(t, text))
	if err != nil {
		t.Fatalf("apply %q on %s: %v", text, s.name, err)
	}
	r, err := ledger.DecodeResult(data)
	if err != nil || r.Err != nil || r.Index == 0 {
		t.Fatalf("result of %q: %+v, %v", text, r, err)
	}
	return r.Index
}

// agree waits until all ledgers stand at one index with that many notes, and
// checks that their histories are the same.
func agree(t *testing.T, sites map[string]*site, notes int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d notes on all nodes and one chain", notes), func() bool {
		type place struct {
			index uint64
			chain [32]byte
		}
		var places []place
		for _, s := range sites {
			activity, err := s.ledger.Activity(0, 0)
			if err != nil {
				t.Fatal(err)
			}
			index, chain := s.ledger.Applied()
			if len(activity) != notes {
				return false
			}
			places = append(places, place{index, chain})
		}
		for _, p := range places {
			if p.index != places[0].index {
				return false
			}
			if p.chain != places[0].chain {
				t.Fatalf("the nodes hold different histories at index %d: %x", p.index, places)
			}
		}
		return true
	})
}

func leaderOf(t *testing.T, sites map[string]*site) *site {
	t.Helper()
	var leader *site
	eventually(t, "one leader that all know", func() bool {
		leader = nil
		for _, s := range sites {
			if s.IsLeader() {
				leader = s
			}
		}
		if leader == nil {
			return false
		}
		for _, s := range sites {
			if s.Leader() != leader.name {
				return false
			}
		}
		return true
	})
	return leader
}

func stopAll(t *testing.T, sites map[string]*site) {
	for _, s := range sites {
		s.stop(t)
	}
	time.Sleep(time.Minute) // what still waits for a timeout ends
}

func TestThreeNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		sites := cluster(t, net, "north", "south", "west")
		defer stopAll(t, sites)
		if err := sites["north"].Bootstrap(); err == nil {
			t.Error("a node of a cluster made another one")
		}
		leader := leaderOf(t, sites)
		if err := leader.Barrier(t.Context()); err != nil {
			t.Errorf("a barrier on the leader: %v", err)
		}
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() { leader.apply(t, fmt.Sprint("note ", i)) })
		}
		all.Wait()
		agree(t, sites, 100)
		for _, s := range sites {
			if s == leader {
				continue
			}
			var not ErrNotLeader
			if _, err := s.Apply(t.Context(), note(t, "x")); !errors.As(err, &not) || not.Leader != leader.name {
				t.Errorf("%s, which follows, applied with %v", s.name, err)
			}
			if s.IsLeader() {
				t.Errorf("%s and %s both lead", s.name, leader.name)
			}
		}
		members, err := sites["west"].Members()
		if err != nil || len(members) != 3 {
			t.Fatalf("members %v, %v", members, err)
		}
		for _, m := range members {
			if !m.Voter || m.Leader != (m.Name == leader.name) {
				t.Errorf("member %+v while %s leads", m, leader.name)
			}
		}
		if _, err := leader.Apply(t.Context(), []byte{0xff, 0xff, 0x80}); !errors.Is(err, ledger.ErrUnknownCommand) {
			t.Errorf("an unknown command was taken with %v", err)
		}
		agree(t, sites, 100)
	})
}

func TestLeaderCutOffAndReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		sites := cluster(t, net, "north", "south", "west")
		defer stopAll(t, sites)
		old := leaderOf(t, sites)
		old.apply(t, "one")
		agree(t, sites, 1)
		net.isolate(old.name, true)
		// Whether this one is ever applied nobody can know now.
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := old.Apply(ctx, note(t, "lost")); !errors.Is(err, ErrUnknown) {
			t.Errorf("a command without a majority ended with %v", err)
		}
		rest := map[string]*site{}
		for name, s := range sites {
			if s != old {
				rest[name] = s
			}
		}
		now := leaderOf(t, rest)
		now.apply(t, "two")
		eventually(t, "the old leader steps down", func() bool { return !old.IsLeader() })
		net.isolate(old.name, false)
		agree(t, sites, 2)
		leaderOf(t, sites).apply(t, "three")
		agree(t, sites, 3)
	})
}

func TestRestartReplaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		s := cluster(t, net, "north")["north"]
		s.apply(t, "one")
		s.apply(t, "two")
		index, chain := s.ledger.Applied()
		s.stop(t)

		s = start(t, net, "north", s.dir)
		if i, c := s.ledger.Applied(); i != index || c != chain {
			t.Errorf("applied %d after the restart, %d before", i, index)
		}
		if !<-s.Leadership() {
			t.Fatal("not leader again")
		}
		agree(t, map[string]*site{"north": s}, 2)
		if got := s.apply(t, "three"); got <= index {
			t.Errorf("the next index is %d after %d", got, index)
		}
		agree(t, map[string]*site{"north": s}, 3)
		s.stop(t)
		time.Sleep(time.Minute)
	})
}

// A node that alone votes has nobody to wait for; one of two voters has.
func TestSingleNodeLeadsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		s := start(t, net, "north", t.TempDir())
		leads := func(within time.Duration) bool {
			select {
			case leads := <-s.Leadership():
				return leads
			case <-time.After(within):
				return false
			}
		}
		if err := s.Bootstrap(); err != nil {
			t.Fatal(err)
		}
		if !leads(10 * time.Millisecond) {
			t.Error("a new cluster of one waits for an election")
		}
		s.stop(t)
		s = start(t, net, "north", s.dir)
		if !leads(10 * time.Millisecond) {
			t.Error("after a restart it waits for an election")
		}
		south := start(t, net, "south", t.TempDir())
		if err := s.AddVoter(t.Context(), "south"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "south is told of the cluster", func() bool { return south.otherVoters() == 1 })
		south.stop(t)
		s.stop(t)
		s = start(t, net, "north", s.dir)
		if leads(10 * time.Second) {
			t.Error("one of two voters leads without the other")
		}
		s.stop(t)
		time.Sleep(time.Minute)
	})
}

func TestSnapshotBringsNewNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		sites := cluster(t, net, "north")
		defer stopAll(t, sites)
		north := sites["north"]
		for i := range 50 {
			north.apply(t, fmt.Sprint(i))
		}
		north.snapshotOnly(t)
		sites["south"] = start(t, net, "south", t.TempDir())
		if err := north.AddNonvoter(t.Context(), "south"); err != nil {
			t.Fatal(err)
		}
		agree(t, sites, 50)
		north.apply(t, "after")
		agree(t, sites, 51)
		south := sites["south"]
		south.stop(t)
		sites["south"] = start(t, net, "south", south.dir)
		agree(t, sites, 51)
	})
}

func TestCloseHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		sites := cluster(t, net, "north", "south", "west")
		defer stopAll(t, sites)
		old := leaderOf(t, sites)
		old.apply(t, "one")
		agree(t, sites, 1)
		begun := time.Now()
		old.stop(t)
		delete(sites, old.name)
		now := leaderOf(t, sites)
		if gap := time.Since(begun); gap >= time.Second {
			t.Errorf("the lead was without an owner for %v: it was not handed over", gap)
		}
		now.apply(t, "two")
		agree(t, sites, 2)
		if _, err := old.Apply(t.Context(), note(t, "x")); !errors.Is(err, ErrClosed) {
			t.Errorf("a closed node applied with %v", err)
		}
	})
}

func TestTransferAndRemove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		sites := cluster(t, net, "north", "south", "west")
		defer stopAll(t, sites)
		old := leaderOf(t, sites)
		if err := old.Transfer(); err != nil {
			t.Fatal(err)
		}
		now := leaderOf(t, sites)
		if now == old {
			t.Fatal("the lead stayed")
		}
		if leads := <-old.Leadership(); leads {
			t.Error("the old leader was told that it leads")
		}
		if err := now.Remove(t.Context(), old.name); err != nil {
			t.Fatal(err)
		}
		members, err := now.Members()
		if err != nil || len(members) != 2 {
			t.Errorf("members after a removal: %v, %v", members, err)
		}
		var not ErrNotLeader
		if err := old.Barrier(t.Context()); !errors.As(err, &not) {
			t.Errorf("a removed node passed a barrier with %v", err)
		}
	})
}
