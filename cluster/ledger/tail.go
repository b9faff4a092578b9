package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"go.etcd.io/bbolt"
)

// tail is what this node has taken while it was cut off: commands that will be
// appended to the log when the link is back, applied already for whoever reads
// here. Its file is a second layer over the agreed state and no more than a
// convenience: the commands themselves are kept elsewhere, and Rebase makes the
// layer anew from them.
//
// Only reading goes through it. What is agreed meanwhile is applied below, so
// the layer may be out of date until the next Rebase.
type tail struct {
	node string
	era  uint64 // see tentative
	db   *bbolt.DB
}

// ErrNoTail is returned by Try and Rebase when no tail is open.
var ErrNoTail = errors.New("the ledger has no tail")

// OpenTail begins an empty tail of a node, with path as its file. Whatever the
// file holds is lost. An open tail is closed first.
func (l *Ledger) OpenTail(path, node, era string) error {
	if err := l.CloseTail(); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("clear the ledger's tail: %w", err)
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait, NoSync: true, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err == nil {
		err = db.Update(empty)
	}
	if err != nil {
		return fmt.Errorf("open the ledger's tail: %w", err)
	}
	l.top.Lock()
	l.tail = &tail{node: node, era: eraBits(era), db: db}
	l.top.Unlock()
	l.ring()
	return nil
}

// CloseTail ends the tail: what is agreed is all there is again. It waits for
// readers, and may be called without a tail.
func (l *Ledger) CloseTail() error {
	l.top.Lock()
	t := l.tail
	l.tail = nil
	l.top.Unlock()
	if t == nil {
		return nil
	}
	path := t.db.Path()
	if err := errors.Join(t.db.Close(), os.Remove(path)); err != nil {
		return fmt.Errorf("close the ledger's tail: %w", err)
	}
	l.ring()
	return nil
}

// empty leaves a tail with nothing in it.
func empty(tx *bbolt.Tx) error {
	for _, b := range buckets {
		if err := tx.DeleteBucket([]byte(b)); err != nil && tx.Bucket([]byte(b)) != nil {
			return err
		}
		if _, err := tx.CreateBucket([]byte(b)); err != nil {
			return err
		}
	}
	return nil
}

// Try judges a command as its node may take it alone, and by the state as it
// is here. If it is good, keep makes it durable; only then it shows. What is
// refused, with Result.Err, is not kept. Nor is a command that would change
// nothing that matters, as one that renews a lease. The numbers of a tail's
// commands are 1, 2, 3…
func (l *Ledger) Try(number uint64, c Command, keep func() error) (r Result, kept bool, err error) {
	err = l.layer(func(t *tail, base, over *bbolt.Tx) error {
		d := t.draft(base, over, number)
		if err := mayAlone(d, c); err != nil {
			return refusal(&r, err)
		}
		if j := renewed(d, c); j != nil {
			r.Job = &j.Job
			return nil
		}
		if r.Job, err = c.apply(d); d.fault != nil || err != nil {
			return errors.Join(d.fault, refusal(&r, err))
		}
		if err := errors.Join(d.commit(), keep()); err != nil {
			return err
		}
		kept = true
		return nil
	})
	if kept && err == nil {
		l.ring()
	}
	return r, kept && err == nil, err
}

// refusal notes why a command is refused; other errors are passed on.
func refusal(r *Result, err error) error {
	if errors.As(err, &r.Err) {
		return nil
	}
	return err
}

// Rebase makes the tail anew over the state as it is now: commands, as Encode
// writes them, the first of which has a number. Those that do not fit the state
// any more do not show.
func (l *Ledger) Rebase(first uint64, commands [][]byte) error {
	err := l.layer(func(t *tail, base, over *bbolt.Tx) error {
		if err := empty(over); err != nil {
			return err
		}
		for i, data := range commands {
			c, err := Decode(data)
			if err != nil {
				return err
			}
			d := t.draft(base, over, first+uint64(i))
			if _, err := c.apply(d); err != nil && d.fault == nil {
				continue
			}
			if d.fault != nil {
				return d.fault
			}
			if err := d.commit(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("make the ledger's tail anew: %w", err)
	}
	l.ring()
	return nil
}

func (t *tail) draft(base, over *bbolt.Tx, number uint64) *draft {
	d := newDraft(state{base, over}, 0)
	d.alone, d.tentative = t.node, tentative(t.era, number)
	return d
}

// layer runs change with the agreed state to read and the tail to write. What
// it has written is dropped if it fails.
func (l *Ledger) layer(change func(t *tail, base, over *bbolt.Tx) error) error {
	l.file.RLock()
	defer l.file.RUnlock()
	l.top.RLock()
	defer l.top.RUnlock()
	switch {
	case l.db == nil:
		return ErrClosed
	case l.tail == nil:
		return ErrNoTail
	}
	return l.db.View(func(base *bbolt.Tx) error {
		return l.tail.db.Update(func(over *bbolt.Tx) error { return change(l.tail, base, over) })
	})
}

// The number of an event that has no number of its account's stream yet, since
// it is known to one node alone: the mark, 22 bits of the tail's era, 36 of
// the command's number, 4 that tell the events of one command apart. It is the
// same after each Rebase, and higher than any number that is agreed.
const (
	numberBits = 36
	eventBits  = 4
	eraMask    = 1<<22 - 1
)

func eraBits(era string) uint64 {
	sum := sha256.Sum256([]byte(era))
	return binary.BigEndian.Uint64(sum[:]) & eraMask
}

func tentative(era, number uint64) uint64 {
	return fax.Tentative | era<<(numberBits+eventBits) | number&(1<<numberBits-1)<<eventBits
}
