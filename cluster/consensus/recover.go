package consensus

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"
)

// Recover makes a node that does not run the only voter of its cluster, with
// all that its log and its state hold. It is for a majority that is lost for
// good: what only the lost nodes knew is lost, and what this node's log holds
// counts as agreed on, be it so or not. It may be repeated. The other nodes
// must never come back with what they have.
func Recover(cfg Config) (err error) {
	cfg.Timeouts = cfg.Timeouts.orDefaults()
	log := &logger{log: cfg.Logger}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("make the directory of the log: %w", err)
	}
	store, err := openStore(filepath.Join(cfg.Dir, "raft.db"))
	if err != nil {
		return fmt.Errorf("open the log in %s: %w", cfg.Dir, err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	snapshots, err := openMarks(cfg.Dir, cfg.Machine, store, log)
	if err != nil {
		return fmt.Errorf("open the snapshots in %s: %w", cfg.Dir, err)
	}
	guard := &guard{fence: newFence(), patience: func() time.Duration { return hangFollowing }}
	m := &machine{state: cfg.Machine, marks: snapshots, guard: guard, installs: newInstalls()}
	alone := raft.Configuration{Servers: []raft.Server{
		{Suffrage: raft.Voter, ID: raft.ServerID(cfg.Name), Address: raft.ServerAddress(cfg.Name)},
	}}
	_, nowhere := raft.NewInmemTransport(raft.ServerAddress(cfg.Name))
	defer nowhere.Close()
	if err := logState(m, store, snapshots, alone, nowhere); err != nil {
		return fmt.Errorf("bring the log up to the state: %w", err)
	}
	if err := raft.RecoverCluster(raftConfig(cfg.Name, cfg.Timeouts.Over(0), log, false), m, store, store, snapshots, nowhere, alone); err != nil {
		return fmt.Errorf("make this node the only voter: %w", err)
	}
	return guard.fence.err()
}

// logState makes a snapshot of a state that is ahead of log and snapshots, as
// that of a node that was fed, and drops the log: what it holds is in the
// snapshot, or was never agreed on.
func logState(m *machine, store logStore, snapshots raft.SnapshotStore, alone raft.Configuration, t raft.Transport) error {
	last, err := store.LastIndex()
	if err != nil {
		return err
	}
	metas, err := snapshots.List()
	if err != nil {
		return err
	}
	applied := m.state.Applied()
	term := uint64(1)
	if len(metas) > 0 {
		last, term = max(last, metas[0].Index), max(term, metas[0].Term)
	}
	if applied <= last {
		return nil
	}
	if at, err := store.GetUint64([]byte("CurrentTerm")); err == nil {
		term = max(term, at)
	} else if !notFound(err) {
		return err
	}
	snapshot, err := m.Snapshot()
	if err != nil {
		return err
	}
	sink, err := snapshots.Create(raft.SnapshotVersionMax, applied, term, alone, 1, t)
	if err != nil {
		return err
	}
	if err := errors.Join(snapshot.Persist(sink), sink.Close()); err != nil {
		return err
	}
	first, err := store.FirstIndex()
	if err != nil || first == 0 {
		return err
	}
	end, err := store.LastIndex()
	if err != nil {
		return err
	}
	return store.DeleteRange(first, end)
}
