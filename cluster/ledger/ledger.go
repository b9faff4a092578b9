package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/cluster/durable"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// formatNumber is that of the file. A file of a higher one is not opened.
const formatNumber = 1

// lockWait bounds how long Open waits for another process to let the file go.
const lockWait = 2 * time.Second

// mapAhead is the address space taken for the file in advance. Growing past it
// makes a command wait until no snapshot is open.
const mapAhead = 1 << 30

// ErrClosed is returned by everything after Close.
var ErrClosed = errors.New("the ledger is closed")

// Ledger is the state in one file. Its methods may be called from any
// goroutine; what they return are copies.
type Ledger struct {
	path string
	log  *slog.Logger

	// file guards the handle: readers, appliers and open snapshots hold it for
	// reading, Restore and Close for writing.
	file sync.RWMutex
	db   *bbolt.DB // nil once closed

	applying sync.Mutex // held from the start of a batch until its position is noted

	at      sync.Mutex
	applied uint64
	chain   [32]byte
	trail   trail
	bells   map[chan struct{}]struct{}

	// top guards what lies over the agreed state: who reads or writes it holds
	// it for reading, who opens or closes it for writing. Taken after file.
	top  sync.RWMutex
	tail *tail // nil while this node is not cut off
}

// Open opens the state at path, or makes an empty one whose existence is
// durable before it is used.
func Open(path string, log *slog.Logger) (*Ledger, error) {
	l := &Ledger{path: path, log: log, bells: make(map[chan struct{}]struct{})}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := create(path); err != nil {
			return nil, fmt.Errorf("make the ledger %s: %w", path, err)
		}
	}
	if err := l.openLocked(); err != nil {
		return nil, fmt.Errorf("open the ledger %s: %w", path, err)
	}
	return l, nil
}

// create makes an empty state beside path and moves it there: a file that a
// power failure has cut short never has the name.
func create(path string) error {
	temp := path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := openFile(temp)
	if err != nil {
		return err
	}
	return errors.Join(db.Close(), durable.Rename(temp, path))
}

// openFile opens a bbolt file and sees to its buckets.
func openFile(path string) (*bbolt.DB, error) {
	options := bbolt.Options{Timeout: lockWait, FreelistType: bbolt.FreelistMapType, InitialMmapSize: mapAhead}
	if runtime.GOOS == "windows" {
		options.InitialMmapSize = 0 // there the file would grow with the map
	}
	db, err := bbolt.Open(path, 0o600, &options)
	if err != nil {
		if errors.Is(err, bolterrors.ErrTimeout) {
			return nil, fmt.Errorf("another process has it open: %w", err)
		}
		return nil, err
	}
	if err := db.Update(prepare); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func prepare(tx *bbolt.Tx) error {
	for _, b := range buckets {
		if _, err := tx.CreateBucketIfNotExists([]byte(b)); err != nil {
			return err
		}
	}
	meta := tx.Bucket([]byte(inMeta))
	switch format := meta.Get([]byte(keyFormat)); {
	case format == nil:
		return meta.Put([]byte(keyFormat), binary.BigEndian.AppendUint16(nil, formatNumber))
	case len(format) != 2:
		return fmt.Errorf("its format number is %d octets long, so this is no ledger", len(format))
	case binary.BigEndian.Uint16(format) > formatNumber:
		return fmt.Errorf("its format is %d and this program knows up to %d; use a newer program",
			binary.BigEndian.Uint16(format), formatNumber)
	}
	return nil
}

// openLocked opens the file and takes over where it stands.
func (l *Ledger) openLocked() error {
	db, err := openFile(l.path)
	if err != nil {
		return err
	}
	var p position
	if err := db.View(func(tx *bbolt.Tx) (err error) {
		p, err = positionOf(tx)
		return err
	}); err != nil {
		return errors.Join(err, db.Close())
	}
	l.db = db
	l.moveTo(p)
	return nil
}

// trailLength is of how many entries back the chain value is remembered, most
// of the time: one in a slot pushes another out.
const trailLength = 4096

// trail is the last positions, each in the slot that its index gives.
type trail [trailLength]position

// position is how far the log has been applied.
type position struct {
	applied uint64
	chain   [32]byte
}

func positionOf(tx *bbolt.Tx) (position, error) {
	var p position
	meta := tx.Bucket([]byte(inMeta))
	applied, chain := meta.Get([]byte(keyApplied)), meta.Get([]byte(keyChain))
	if applied == nil && chain == nil {
		return p, nil
	}
	if len(applied) != 8 || len(chain) != 32 {
		return p, errors.New("its applied index is damaged; restore a backup or join again")
	}
	p.applied = binary.BigEndian.Uint64(applied)
	copy(p.chain[:], chain)
	return p, nil
}

// moveTo notes the position for Applied, with those on the way there, and
// rings the bells.
func (l *Ledger) moveTo(p position, way ...position) {
	l.at.Lock()
	defer l.at.Unlock()
	l.applied, l.chain = p.applied, p.chain
	for _, w := range append(way, p) {
		l.trail[w.applied%trailLength] = w
	}
	l.ringLocked()
}

func (l *Ledger) ring() {
	l.at.Lock()
	defer l.at.Unlock()
	l.ringLocked()
}

func (l *Ledger) ringLocked() {
	for bell := range l.bells {
		select {
		case bell <- struct{}{}:
		default: // it rings already
		}
	}
}

// Applied is the log index of the last applied entry, and the hash over all
// applied entries: nodes at the same index have the same one.
func (l *Ledger) Applied() (index uint64, chain [32]byte) {
	l.at.Lock()
	defer l.at.Unlock()
	return l.applied, l.chain
}

// ChainAt is the hash over all entries up to one, if that is remembered. What
// was remembered before a snapshot replaced the state is forgotten.
func (l *Ledger) ChainAt(index uint64) (chain [32]byte, ok bool) {
	l.at.Lock()
	defer l.at.Unlock()
	p := l.trail[index%trailLength]
	return p.chain, p.applied == index
}

// Watch returns a bell that rings after the state may have changed. Rings that
// nobody has heard are one. Stop takes it down.
func (l *Ledger) Watch() (bell <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	l.at.Lock()
	defer l.at.Unlock()
	l.bells[c] = struct{}{}
	return c, func() {
		l.at.Lock()
		defer l.at.Unlock()
		delete(l.bells, c)
	}
}

// Close waits for running readers, closes the file and stops the bells.
func (l *Ledger) Close() error {
	tail := l.CloseTail()
	l.file.Lock()
	defer l.file.Unlock()
	if l.db == nil {
		return tail
	}
	db := l.db
	l.db = nil
	if err := errors.Join(tail, db.Close()); err != nil {
		return fmt.Errorf("close the ledger: %w", err)
	}
	return nil
}

// view runs read in a consistent read transaction, over the tail if there is
// one.
func (l *Ledger) view(read func(state) error) error {
	l.file.RLock()
	defer l.file.RUnlock()
	if l.db == nil {
		return ErrClosed
	}
	l.top.RLock()
	defer l.top.RUnlock()
	return l.db.View(func(base *bbolt.Tx) error {
		if l.tail == nil {
			return read(state{base: base})
		}
		return l.tail.db.View(func(over *bbolt.Tx) error { return read(state{base, over}) })
	})
}
