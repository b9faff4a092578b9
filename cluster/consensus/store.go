package consensus

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/faxmesh/faxmesh/cluster/durable"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
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
	} else if err := listFree(path); errors.Is(err, bolterrors.ErrTimeout) {
		return nil, err // otherwise openBolt finds the pages, or says what is wrong
	}
	return openBolt(path)
}

// listFree writes down which pages of the log are free. bbolt finds that out by
// a look at all others, and those would stay mapped for as long as the log is
// open: as much memory as the log is long. This closes it again; openBolt then
// reads the list, which its first write drops.
func listFree(path string) error {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return err
	}
	return db.Close()
}

func openBolt(path string) (*raftboltdb.BoltStore, error) {
	return raftboltdb.New(raftboltdb.Options{Path: path, BoltOptions: &bbolt.Options{
		Timeout:        lockWait,
		NoFreelistSync: true, // each write would repeat it, and of a log it grows without bound
		FreelistType:   bbolt.FreelistMapType,
	}})
}

// recovery compares the state with what log and snapshots hold.
func recovery(logs raft.LogStore, snapshots *marks, fed bool) (restore bool, err error) {
	first, err := logs.FirstIndex()
	if err != nil {
		return false, fmt.Errorf("read the first index: %w", err)
	}
	last, err := logs.LastIndex()
	if err != nil {
		return false, fmt.Errorf("read the last index: %w", err)
	}
	applied, chain, err := snapshots.state.Sync()
	if err != nil {
		return false, fmt.Errorf("flush the state: %w", err)
	}
	m, file, err := snapshots.newest()
	if err != nil {
		return false, err
	}
	var newest held
	switch {
	case m != nil:
		newest = held{index: m.Index, applied: m.Applied}
		if applied == m.Applied && !bytes.Equal(chain[:], m.Chain) {
			return false, fmt.Errorf("the state at index %d is another one than the log was shortened for; remove both and join again", applied)
		}
	case file != nil:
		newest = held{index: file.Index, file: true}
	}
	return mustRestore(applied, first, last, newest, fed)
}

// held is the newest snapshot that a node has; the zero value is none.
type held struct {
	index   uint64
	file    bool   // its octets are there
	applied uint64 // else: how far the state has been
}

// mustRestore says whether a state at index applied has to be replaced by a
// snapshot before a log from first to last, zero for an empty one, goes on.
//
// The log is flushed before the state follows it, so a state ahead of both is
// the state of another log: its commands would be taken for applied. Unless it
// was fed with what others had agreed on.
func mustRestore(applied, first, last uint64, newest held, fed bool) (bool, error) {
	switch {
	case !fed && applied > max(last, newest.index):
		return false, fmt.Errorf("the state is at index %d and the log ends at %d: they do not belong together; remove both and join again", applied, max(last, newest.index))
	case newest.file && applied < newest.index:
		return true, nil
	case applied < newest.applied:
		return false, fmt.Errorf("the state is at index %d and has been at %d: it is an old copy, and the log does not go back so far; remove both and join again", applied, newest.applied)
	case first > newest.index+1: // raft reads on from there
		return false, fmt.Errorf("the log begins at %d and the newest snapshot or mark is of %d: one is lost; remove log and state and join again", first, newest.index)
	}
	return false, nil
}
