package consensus

import (
	"errors"
	"io"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
)

// logStore is what raft keeps on disk: the log, its term and its vote.
type logStore interface {
	raft.LogStore
	raft.StableStore
	io.Closer
}

// disk is a logStore under guard. The first call that fails or hangs is the
// last that reaches the file.
type disk struct {
	store  logStore
	guard  *guard
	growth *growth
}

// notFound are the errors with which a store in order answers.
func notFound(err error) bool {
	return errors.Is(err, raft.ErrLogNotFound) || errors.Is(err, raftboltdb.ErrKeyNotFound)
}

// read is a guarded call with a result. A call that was given up may still
// write to its own value, never to what the caller has got.
func read[T any](d *disk, what string, call func() (T, error)) (T, error) {
	var value, none T
	err := d.guard.do(what, notFound, func() (err error) {
		value, err = call()
		return err
	})
	if err != nil {
		return none, err
	}
	return value, nil
}

func (d *disk) FirstIndex() (uint64, error) {
	return read(d, "read the log's first index", d.store.FirstIndex)
}

func (d *disk) LastIndex() (uint64, error) {
	return read(d, "read the log's last index", d.store.LastIndex)
}

func (d *disk) GetLog(index uint64, entry *raft.Log) error {
	got, err := read(d, "read the log", func() (e raft.Log, err error) {
		err = d.store.GetLog(index, &e)
		return e, err
	})
	if err == nil {
		*entry = got
	}
	return err
}

func (d *disk) StoreLog(entry *raft.Log) error { return d.StoreLogs([]*raft.Log{entry}) }

func (d *disk) StoreLogs(entries []*raft.Log) error {
	err := d.guard.do("write the log", never, func() error { return d.store.StoreLogs(entries) })
	if err == nil {
		d.growth.stored(entries)
	}
	return err
}

func (d *disk) DeleteRange(first, last uint64) error {
	return d.guard.do("shorten the log", never, func() error { return d.store.DeleteRange(first, last) })
}

func (d *disk) Get(key []byte) ([]byte, error) {
	return read(d, "read the vote", func() ([]byte, error) { return d.store.Get(key) })
}

func (d *disk) GetUint64(key []byte) (uint64, error) {
	return read(d, "read the term", func() (uint64, error) { return d.store.GetUint64(key) })
}

func (d *disk) Set(key, value []byte) error {
	return d.guard.do("write the vote", never, func() error { return d.store.Set(key, value) })
}

// SetUint64 hides its error: raft panics when it cannot save its term, which
// would take the whole process down without a reason. It does no harm that the
// term is not saved, because the fence is shut and nobody hears of it. A vote
// is still not cast, because Set says that it failed.
func (d *disk) SetUint64(key []byte, value uint64) error {
	_ = d.guard.do("write the term", never, func() error { return d.store.SetUint64(key, value) })
	return nil
}

// Close leaves the file to the end of the process while a call hangs in it:
// closing would hang as well.
func (d *disk) Close() error {
	if d.guard.left.Load() > 0 {
		return errors.New("the log is left open, because the disk does not answer")
	}
	return d.store.Close()
}
