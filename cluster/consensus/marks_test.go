package consensus

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/hashicorp/raft"
)

// received lists what is in the directory of received snapshots.
func (s *site) received(t *testing.T) (names []string) {
	t.Helper()
	found, err := os.ReadDir(filepath.Join(s.dir, "raft", receivedDir))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		names = append(names, f.Name())
	}
	return names
}

// copyDir copies a node's files as a power cut would leave them.
func copyDir(t *testing.T, from string) (to string) {
	t.Helper()
	to = t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// A snapshot copies nothing: the node goes on from its mark and its state, the
// log before it is gone.
func TestMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		sites := cluster(t, net, "north")
		north := sites["north"]
		for i := range 30 {
			north.apply(t, fmt.Sprint(i))
		}
		before := north.stopped(t)
		sites["north"] = start(t, net, "north", north.dir)
		north = sites["north"]
		eventually(t, "it leads", north.IsLeader)
		north.apply(t, "30")
		meta := north.snapshotOnly(t)
		m, err := north.snapshots.standing()
		if applied, chain := north.ledger.Applied(); err != nil || m.Applied != applied || !bytes.Equal(m.Chain, chain[:]) || m.Index != meta.Index || m.Index < applied {
			t.Fatalf("mark %+v, %v; the state is at %d", m, err, applied)
		}
		if names := north.received(t); len(names) > 0 {
			t.Errorf("there are octets of a snapshot: %q", names)
		}
		if first, err := north.disk.FirstIndex(); err != nil || first != 0 {
			t.Errorf("the log begins at %d, %v", first, err)
		}
		marked := north.stopped(t)
		for range 2 {
			again := start(t, net, "north", north.dir)
			sites["north"] = again
			eventually(t, "it leads again", again.IsLeader)
			agree(t, sites, 31)
			again.stop(t)
		}
		again := start(t, net, "north", north.dir)
		sites["north"] = again
		eventually(t, "it leads again", again.IsLeader)
		if index := again.apply(t, "after"); index <= m.Index {
			t.Errorf("the next command has index %d, the mark %d", index, m.Index)
		}
		again.stop(t)

		// The state of before the mark: what the log no longer has is lost.
		if err := os.Rename(filepath.Join(before, "ledger.db"), filepath.Join(marked, "ledger.db")); err != nil {
			t.Fatal(err)
		}
		if err := opens(t, net, marked); err == nil {
			t.Error("a node went on with a state that is older than its mark")
		}
		// A mark of before the state: the crash came before the new one.
		old := copyDir(t, north.dir)
		if err := os.Remove(filepath.Join(old, "raft", markFile)); err != nil {
			t.Fatal(err)
		}
		if err := opens(t, net, old); err == nil {
			t.Error("a node went on without the mark for which its log was shortened")
		}
		if err := os.WriteFile(filepath.Join(old, "raft", markFile), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := opens(t, net, old); err == nil {
			t.Error("a node went on with a damaged mark")
		}
	})
}

// stopped stops a node and gives a copy of its files.
func (s *site) stopped(t *testing.T) string {
	t.Helper()
	s.stop(t)
	return copyDir(t, s.dir)
}

// opens says whether a node starts with these files.
func opens(t *testing.T, net *network, dir string) error {
	t.Helper()
	l, err := ledger.Open(filepath.Join(dir, "ledger.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n, err := Open(Config{Name: "north", Dir: filepath.Join(dir, "raft"), Machine: OverLedger(l), Stream: net.port("north"), Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		return n.Close()
	}
	return err
}

// volatile is a state machine whose disk is behind what it has applied.
type volatile struct {
	*counter
	durable uint64
	err     error
}

func (v *volatile) Sync() (uint64, [32]byte, error) { return v.durable, [32]byte{}, v.err }

// A mark says no more than what is durable, and there is none when the disk
// does not say so.
func TestMarkIsNotAheadOfTheDisk(t *testing.T) {
	for _, fails := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			v := &volatile{counter: &counter{}}
			n, err := Open(Config{Name: "north", Dir: t.TempDir(), Machine: v, Stream: newNetwork().port("north"), Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			if err := n.Bootstrap(); err != nil {
				t.Fatal(err)
			}
			<-n.Leadership()
			for range 9 {
				if _, err := n.Apply(t.Context(), []byte("a")); err != nil {
					t.Fatal(err)
				}
			}
			v.durable = v.Applied() - 3
			if fails {
				v.err = errBroken
			}
			err = n.raft().Snapshot().Error()
			m, read := n.snapshots.standing()
			switch {
			case read != nil:
				t.Error(read)
			case fails && (err == nil || m != nil || !errors.Is(n.Err(), errBroken)):
				t.Errorf("the disk failed: %v, mark %+v, the node %v", err, m, n.Err())
			case !fails && (err != nil || m == nil || m.Applied != v.durable):
				t.Errorf("%v, mark %+v; durable is %d", err, m, v.durable)
			}
			if err := n.Close(); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Minute)
		})
	}
}

// What a follower is sent is one state, however many commands come meanwhile,
// with the index and the members that belong to it.
func TestLiveStateIsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sites := cluster(t, newNetwork(), "north")
		defer stopAll(t, sites)
		north := sites["north"]
		north.apply(t, "marked")
		old := north.snapshotOnly(t)
		if err := north.AddNonvoter(t.Context(), "south"); err != nil { // which is not there
			t.Fatal(err)
		}
		last := north.apply(t, "since")
		_, chain := north.ledger.Applied()
		meta, r, err := north.snapshots.Open(old.ID)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			north.apply(t, fmt.Sprint(i))
		}
		if meta.Index != last || meta.Term == 0 || len(meta.Configuration.Servers) != 2 || meta.ConfigurationIndex <= old.Index || meta.ConfigurationIndex >= last {
			t.Errorf("meta data %+v; the state was at %d, the mark at %d", meta, last, old.Index)
		}
		octets, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || int64(len(octets)) != meta.Size {
			t.Fatalf("%d octets, announced %d: %v", len(octets), meta.Size, err)
		}
		l, err := ledger.Open(filepath.Join(t.TempDir(), "l"), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if err := l.Restore(bytes.NewReader(octets)); err != nil {
			t.Fatal(err)
		}
		if index, got := l.Applied(); index != last || got != chain {
			t.Errorf("sent: a state at %d, want %d", index, last)
		}
	})
}

// A follower that takes nothing lets the state go, which its owner needs to
// replace or close it.
func TestLiveStateIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sites := cluster(t, newNetwork(), "north")
		north := sites["north"]
		north.apply(t, "one")
		_, r, err := north.snapshots.Open(north.snapshotOnly(t).ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(stallMost + time.Second)
		north.stop(t) // would wait for the state
		if _, err := io.ReadAll(r); err == nil {
			t.Error("it was read to its end")
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
	})
}

// A crash between a snapshot's last octet and its installation: the restart
// installs it, and keeps a mark in its place. What was cut short is cleared
// away.
func TestReceivedIsInstalledAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		sites := cluster(t, net, "north", "south")
		lead := leaderOf(t, sites)
		lead.apply(t, "one")
		agree(t, sites, 1)
		south := sites["south"]
		behind := south.stopped(t)
		sites["south"] = start(t, net, "south", south.dir)
		lead = leaderOf(t, sites)
		for i := range 9 {
			lead.apply(t, fmt.Sprint(i))
		}
		agree(t, sites, 10)
		north := sites["north"]
		meta, r, err := north.snapshots.Open(north.snapshotOnly(t).ID)
		if err != nil {
			t.Fatal(err)
		}
		sites["south"].stop(t)
		store, err := raft.NewFileSnapshotStoreWithLogger(filepath.Join(behind, "raft"), 1, &logger{log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		for _, whole := range []bool{true, false} {
			w, err := store.Create(meta.Version, meta.Index, meta.Term, meta.Configuration, meta.ConfigurationIndex, north.transport)
			if err != nil {
				t.Fatal(err)
			}
			if whole {
				if _, err := io.Copy(w, r); err != nil {
					t.Fatal(err)
				}
				if err := errors.Join(w.Close(), r.Close()); err != nil {
					t.Fatal(err)
				}
			}
		}
		again := start(t, net, "south", behind)
		sites["south"] = again
		if applied, _ := again.ledger.Applied(); applied != meta.Index {
			t.Errorf("after the restart it is at %d, the snapshot at %d", applied, meta.Index)
		}
		m, err := again.snapshots.standing()
		if names := again.received(t); err != nil || m == nil || m.Index != meta.Index || m.Applied != meta.Index || len(names) > 0 {
			t.Errorf("mark %+v, %v, and files %q", m, err, names)
		}
		leaderOf(t, sites).apply(t, "after")
		agree(t, sites, 11)
		stopAll(t, sites)
		sites["south"] = start(t, net, "south", behind)
		if members, err := sites["south"].Members(); err != nil || len(members) != 2 {
			t.Errorf("from the mark: members %v, %v", members, err)
		}
		sites["south"].stop(t)
		time.Sleep(time.Minute)
	})
}
