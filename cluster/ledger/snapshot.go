package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/faxmesh/faxmesh/cluster/durable"
	"go.etcd.io/bbolt"
)

// A snapshot stream is snapshotMagic, the length of the state as eight octets,
// high octet first, the state, and the SHA-256 of all before it.
const (
	snapshotMagic = "faxmesh ledger 1"
	MaxSnapshot   = 64 << 30 // octets of state that Restore accepts
)

// Snapshot is the state at one moment. It keeps the ledger's file from being
// replaced or closed until Release.
type Snapshot struct {
	tx      *bbolt.Tx
	at      position
	release func()
}

// Snapshot takes the state as it is now, at no cost that grows with it.
// Commands go on being applied meanwhile.
func (l *Ledger) Snapshot() (*Snapshot, error) {
	l.file.RLock()
	if l.db == nil {
		l.file.RUnlock()
		return nil, ErrClosed
	}
	tx, err := l.db.Begin(false)
	if err != nil {
		l.file.RUnlock()
		return nil, fmt.Errorf("take a snapshot: %w", err)
	}
	s := &Snapshot{tx: tx, release: sync.OnceFunc(func() {
		_ = tx.Rollback() // ends a read; there is nothing to undo
		l.file.RUnlock()
	})}
	if s.at, err = positionOf(tx); err != nil {
		s.Release()
		return nil, fmt.Errorf("take a snapshot: %w", err)
	}
	return s, nil
}

// Applied is the log index of the last entry in the snapshot.
func (s *Snapshot) Applied() uint64 { return s.at.applied }

// Sync makes sure that all that is applied is durable, and says how far that
// is, and the hash over it.
func (l *Ledger) Sync() (index uint64, chain [32]byte, err error) {
	l.applying.Lock()
	defer l.applying.Unlock()
	l.file.RLock()
	defer l.file.RUnlock()
	if l.db == nil {
		return 0, chain, ErrClosed
	}
	if err := l.db.Sync(); err != nil {
		return 0, chain, fmt.Errorf("flush the ledger: %w", err)
	}
	index, chain = l.Applied()
	return index, chain, nil
}

// SnapshotMark says which state a snapshot is of.
type SnapshotMark struct {
	Index    uint64 `json:"index"`    // of the last entry applied
	Activity uint64 `json:"activity"` // number of the last entry of the activity record
	End      string `json:"end"`      // and its chain value
}

// Mark is which state the snapshot is of. Not after Release.
func (s *Snapshot) Mark() (m SnapshotMark, err error) {
	p, err := positionOf(s.tx)
	d := newDraft(state{base: s.tx}, 0)
	head := d.activityHead()
	return SnapshotMark{p.applied, head.seq, hex.EncodeToString(head.chain[:])}, errors.Join(err, d.fault)
}

// Size is how many octets WriteTo writes. Not after Release.
func (s *Snapshot) Size() int64 {
	return int64(len(snapshotMagic)) + 8 + s.tx.Size() + sha256.Size
}

// WriteTo writes the snapshot as Restore reads it. Not after Release.
func (s *Snapshot) WriteTo(w io.Writer) (int64, error) {
	sum := sha256.New()
	both := io.MultiWriter(w, sum)
	head := binary.BigEndian.AppendUint64([]byte(snapshotMagic), uint64(s.tx.Size()))
	n, err := both.Write(head)
	written := int64(n)
	if err == nil {
		var m int64
		m, err = s.tx.WriteTo(both)
		written += m
		if err == nil && m != s.tx.Size() {
			err = fmt.Errorf("%d octets instead of %d", m, s.tx.Size())
		}
	}
	if err == nil {
		n, err = w.Write(sum.Sum(nil))
		written += int64(n)
	}
	if err != nil {
		return written, fmt.Errorf("write a snapshot: %w", err)
	}
	return written, nil
}

// Release ends the snapshot. It may be called again.
func (s *Snapshot) Release() { s.release() }

// Restore replaces the state by a snapshot. The present one stays until the
// new one has been received whole, checked, and flushed to the disk; an error
// before that leaves it as it was. It waits for running reads and open
// snapshots.
func (l *Ledger) Restore(r io.Reader) error { return l.restore(r, false) }

// RestoreAhead is Restore, but leaves a state that is as far as the snapshot or
// farther: both are of one history, so the snapshot has nothing to add.
func (l *Ledger) RestoreAhead(r io.Reader) error { return l.restore(r, true) }

func (l *Ledger) restore(r io.Reader, ahead bool) error {
	temp := l.path + ".restore"
	defer os.Remove(temp)
	if err := receive(temp, r); err != nil {
		return fmt.Errorf("receive a snapshot: %w", err)
	}
	p, err := check(temp)
	if err != nil {
		return fmt.Errorf("check the snapshot received: %w", err)
	}
	l.applying.Lock()
	defer l.applying.Unlock()
	if index, _ := l.Applied(); ahead && p.applied <= index {
		return nil
	}
	l.file.Lock()
	defer l.file.Unlock()
	if l.db == nil {
		return ErrClosed
	}
	// Closed first: an open file cannot be replaced on every system.
	err = l.db.Close()
	l.db = nil
	l.at.Lock()
	l.trail = trail{}
	l.at.Unlock()
	if err == nil {
		err = durable.Rename(temp, l.path)
	}
	if err := errors.Join(err, l.openLocked()); err != nil {
		return fmt.Errorf("take over a snapshot: %w", err)
	}
	index, _ := l.Applied()
	l.log.Info("the ledger was replaced by a snapshot", "index", index)
	return nil
}

// receive writes the state in a snapshot stream to a file and flushes it.
func receive(path string, r io.Reader) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err := CheckSnapshot(r, f); err != nil {
		return errors.Join(err, f.Close())
	}
	return errors.Join(f.Sync(), f.Close())
}

// CheckSnapshot reads a snapshot stream to its end, gives w the state that is in
// it, and then says whether that is undamaged.
func CheckSnapshot(r io.Reader, w io.Writer) error {
	sum := sha256.New()
	head := make([]byte, len(snapshotMagic)+8)
	if _, err := io.ReadFull(io.TeeReader(r, sum), head); err != nil {
		return err
	}
	if string(head[:len(snapshotMagic)]) != snapshotMagic {
		return errors.New("it does not begin as a snapshot of a ledger")
	}
	size := binary.BigEndian.Uint64(head[len(snapshotMagic):])
	if size > MaxSnapshot {
		return fmt.Errorf("it says it is %d octets long; at most %d are allowed", size, int64(MaxSnapshot))
	}
	if _, err := io.CopyN(io.MultiWriter(w, sum), r, int64(size)); err != nil {
		return err
	}
	var want [sha256.Size]byte
	if _, err := io.ReadFull(r, want[:]); err != nil {
		return err
	}
	if [sha256.Size]byte(sum.Sum(nil)) != want {
		return errors.New("its SHA-256 is wrong")
	}
	return nil
}

// check opens a received state and looks at every page of it.
func check(path string) (p position, err error) {
	db, err := openFile(path)
	if err != nil {
		return p, err
	}
	err = db.View(func(tx *bbolt.Tx) error {
		var first error
		for err := range tx.Check() { // to its end: it reads until then
			if first == nil {
				first = err
			}
		}
		at, err := positionOf(tx)
		p = at
		return errors.Join(first, err)
	})
	return p, errors.Join(err, db.Close())
}
