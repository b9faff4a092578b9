package consensus

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/faxmesh/faxmesh/cluster/durable"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
)

// lockWait bounds how long Open waits for another process to let the log go.
const lockWait = 2 * time.Second

// openStore opens the log, or makes an empty one whose existence is durable
// before it is used: bbolt's first writes do not survive a power failure
// otherwise.
func openStore(path string) (logStore, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		temp := path + ".new"
		if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		store, err := openBolt(temp)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(store.Close(), durable.Rename(temp, path)); err != nil {
			return nil, err
		}
	}
	return openBolt(path)
}

func openBolt(path string) (*raftboltdb.BoltStore, error) {
	return raftboltdb.New(raftboltdb.Options{Path: path, BoltOptions: &bbolt.Options{
		Timeout:        lockWait,
		NoFreelistSync: true, // the free list of a log grows without bound
		FreelistType:   bbolt.FreelistMapType,
	}})
}

// recovery compares the state with what log and snapshots hold.
func recovery(applied uint64, logs raft.LogStore, snapshots raft.SnapshotStore, fed bool) (restore bool, err error) {
	first, err := logs.FirstIndex()
	if err != nil {
		return false, fmt.Errorf("read the first index: %w", err)
	}
	last, err := logs.LastIndex()
	if err != nil {
		return false, fmt.Errorf("read the last index: %w", err)
	}
	metas, err := snapshots.List()
	if err != nil {
		return false, fmt.Errorf("list the snapshots: %w", err)
	}
	var snapshot uint64
	if len(metas) > 0 {
		snapshot = metas[0].Index // the newest
	}
	return mustRestore(applied, first, last, snapshot, fed)
}

// mustRestore says whether a state at index applied has to be replaced by the
// snapshot at index snapshot before a log from first to last goes on. Zero
// means none.
//
// The log is flushed before the state follows it, so a state ahead of both is
// the state of another log: its commands would be taken for applied. Unless it
// was fed with what others had agreed on.
func mustRestore(applied, first, last, snapshot uint64, fed bool) (bool, error) {
	switch {
	case !fed && applied > max(last, snapshot):
		return false, fmt.Errorf("the state is at index %d and the log ends at %d: they do not belong together; remove both and join again", applied, max(last, snapshot))
	case applied < snapshot:
		return true, nil
	case first > applied+1:
		return false, fmt.Errorf("the state is at index %d, the log begins at %d and no snapshot fills the gap; remove both and join again", applied, first)
	}
	return false, nil
}
