package consensus

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// slowRestore takes its time over each snapshot, and counts them.
type slowRestore struct {
	StateMachine
	installs *atomic.Int32
}

func (s slowRestore) Restore(r io.Reader) error {
	s.installs.Add(1)
	time.Sleep(time.Second)
	return s.StateMachine.Restore(r)
}

// snapshotOnly has the node keep nothing of the log behind a snapshot, and
// takes one: it is the only way for others.
func (s *site) snapshotOnly(t *testing.T) *raft.SnapshotMeta {
	t.Helper()
	reloadable := s.raft().ReloadableConfig()
	reloadable.TrailingLogs = 0
	if err := s.raft().ReloadConfig(reloadable); err != nil {
		t.Fatal(err)
	}
	if err := s.raft().Snapshot().Error(); err != nil {
		t.Fatal(err)
	}
	metas, err := s.snapshots.List()
	if err != nil || len(metas) == 0 {
		t.Fatalf("no snapshot: %v", err)
	}
	return metas[0]
}

// writeLog makes a node's files as if it had been told entries first to last of
// a term, and had voted in it.
func writeLog(t *testing.T, dir string, first, last, term uint64) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "raft"), 0o700); err != nil {
		t.Fatal(err)
	}
	store, err := openStore(filepath.Join(dir, "raft", "raft.db"))
	if err != nil {
		t.Fatal(err)
	}
	var entries []*raft.Log
	for i := first; i <= last; i++ {
		entries = append(entries, &raft.Log{Index: i, Term: term, Type: raft.LogCommand, Data: note(t, "never agreed on")})
	}
	err = errors.Join(store.StoreLogs(entries), store.SetUint64([]byte("CurrentTerm"), term),
		store.SetUint64([]byte("LastVoteTerm"), term), store.Set([]byte("LastVoteCand"), []byte("east")), store.Close())
	if err != nil {
		t.Fatal(err)
	}
}

// A follower with an entry at the snapshot's last index that was never agreed
// on is sent the snapshot without end (hashicorp/raft#697). It must come out of
// that, and not forget whom it has voted for.
func TestSnapshotIsNotInstalledWithoutEnd(t *testing.T) {
	for _, beyond := range []uint64{0, 5} {
		synctest.Test(t, func(t *testing.T) {
			net := newNetwork()
			sites := cluster(t, net, "north")
			north := sites["north"]
			for i := range 20 {
				north.apply(t, fmt.Sprint(i))
			}
			snapshot := north.snapshotOnly(t)
			dir := t.TempDir()
			writeLog(t, dir, 1, snapshot.Index+beyond, snapshot.Term-1)
			var installed atomic.Int32
			south := start(t, net, "south", dir, func(cfg *Config) { cfg.Machine = slowRestore{cfg.Machine, &installed} })
			sites["south"] = south
			if err := north.AddNonvoter(t.Context(), "south"); err != nil {
				t.Fatal(err)
			}
			agree(t, sites, 20)
			eventually(t, "the snapshot is taken", func() bool { return south.raft().AppliedIndex() > snapshot.Index })
			north.apply(t, "after")
			agree(t, sites, 21)
			if n := installed.Load(); n > maxIdleInstalls+3 {
				t.Errorf("%d installs", n)
			}
			south.stop(t)
			delete(sites, "south")
			store, err := openStore(filepath.Join(dir, "raft", "raft.db"))
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			voted, err1 := store.GetUint64([]byte("LastVoteTerm"))
			whom, err2 := store.Get([]byte("LastVoteCand"))
			current, err3 := store.GetUint64([]byte("CurrentTerm"))
			if err := errors.Join(err1, err2, err3); err != nil || voted != snapshot.Term-1 || string(whom) != "east" || current != snapshot.Term {
				t.Errorf("voted for %q in term %d, now in %d: %v", whom, voted, current, err)
			}
			stopAll(t, sites)
		})
	}
}

func TestDropStale(t *testing.T) {
	for _, c := range []struct {
		name        string
		first, last uint64
		term, at    uint64 // of the snapshot, whose entries have term 3
		dropped     uint64
	}{
		{name: "an empty log", term: 3, at: 7},
		{name: "the same log", first: 2, last: 9, term: 3, at: 7},
		{name: "another log", first: 2, last: 9, term: 4, at: 7, dropped: 8},
		{name: "another log that ends there", first: 2, last: 7, term: 4, at: 7, dropped: 6},
		{name: "an older log", first: 2, last: 6, term: 4, at: 7},
		{name: "a newer log", first: 8, last: 9, term: 2, at: 7},
	} {
		log := raft.NewInmemStore()
		for i := c.first; i != 0 && i <= c.last; i++ {
			if err := log.StoreLog(&raft.Log{Index: i, Term: 3}); err != nil {
				t.Fatal(err)
			}
		}
		dropped, err := dropStale(log, &raft.SnapshotMeta{Index: c.at, Term: c.term})
		last, _ := log.LastIndex()
		if err != nil || dropped != c.dropped || (last == 0) != (c.dropped > 0 || c.last == 0) {
			t.Errorf("%s: %d dropped, the log ends at %d: %v", c.name, dropped, last, err)
		}
	}
	holed := raft.NewInmemStore()
	for _, i := range []uint64{2, 9} {
		if err := holed.StoreLog(&raft.Log{Index: i, Term: 3}); err != nil {
			t.Fatal(err)
		}
	}
	if dropped, err := dropStale(holed, &raft.SnapshotMeta{Index: 7, Term: 4}); dropped != 0 || err != nil {
		t.Errorf("a log with a hole: %d dropped, %v", dropped, err)
	}
}

func TestInstalls(t *testing.T) {
	i := newInstalls()
	rung := func() bool {
		select {
		case <-i.stuck:
			return true
		default:
			return false
		}
	}
	for range 3 {
		for range maxIdleInstalls {
			i.installed(7, 7)
		}
		i.moved()
		for range maxIdleInstalls {
			i.installed(7, 7)
		}
		i.installed(7, 8)
	}
	if rung() {
		t.Error("installs with progress between them count")
	}
	for range 3 * (maxIdleInstalls + 1) {
		i.installed(8, 8)
	}
	if !rung() || rung() {
		t.Error("endless installs ring once until they are heard")
	}
}
