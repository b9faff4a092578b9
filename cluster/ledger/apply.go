package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"go.etcd.io/bbolt"
)

// Entry is a command as the log holds it.
type Entry struct {
	Index uint64
	Data  []byte // as Encode wrote it
}

// ApplyBatch applies entries in their order, in one transaction with the
// applied index, and returns a result for each. An entry at or below the
// applied index has been applied before: it changes nothing and its result is
// empty but for the index.
//
// An error means that nothing of the batch was applied and that this node
// cannot go on: its disk fails, its state is damaged, or the log holds a
// command of a newer program (ErrUnknownCommand).
func (l *Ledger) ApplyBatch(entries []Entry) ([]Result, error) {
	l.applying.Lock()
	defer l.applying.Unlock()
	l.file.RLock()
	defer l.file.RUnlock()
	if l.db == nil {
		return nil, ErrClosed
	}
	results := make([]Result, len(entries))
	if known, _ := l.Applied(); len(entries) == 0 || entries[len(entries)-1].Index <= known {
		for i, e := range entries {
			results[i].Index = e.Index
		}
		return results, nil // no need to write anything
	}
	var p position
	var way []position
	err := l.db.Update(func(tx *bbolt.Tx) (err error) {
		if p, err = positionOf(tx); err != nil {
			return err
		}
		before := p.applied
		way = way[:0]
		for i, e := range entries {
			results[i].Index = e.Index
			if e.Index <= p.applied {
				continue
			}
			if results[i], err = applyOne(tx, e); err != nil {
				return fmt.Errorf("apply entry %d: %w", e.Index, err)
			}
			p = p.after(e)
			way = append(way, p)
		}
		if p.applied == before {
			return nil
		}
		meta := tx.Bucket([]byte(inMeta))
		return errors.Join(
			meta.Put([]byte(keyApplied), binary.BigEndian.AppendUint64(nil, p.applied)),
			meta.Put([]byte(keyChain), p.chain[:]))
	})
	if err != nil {
		return nil, err
	}
	l.moveTo(p, way...)
	return results, nil
}

// after is the position once e has been applied.
func (p position) after(e Entry) position {
	h := sha256.New()
	h.Write(p.chain[:])
	h.Write(binary.BigEndian.AppendUint64(nil, e.Index))
	h.Write(e.Data)
	next := position{applied: e.Index}
	h.Sum(next.chain[:0])
	return next
}

// applyOne judges one command and writes what it changes.
func applyOne(tx *bbolt.Tx, e Entry) (Result, error) {
	r := Result{Index: e.Index}
	c, err := Decode(e.Data)
	if errors.Is(err, ErrUnknownCommand) {
		return r, err
	}
	if err != nil { // damaged before it got into the log: so it is on every node
		r.Err = &fax.Error{Kind: fax.Invalid, Text: "the command cannot be read: " + err.Error()}
		return r, nil
	}
	if once, ok := c.(Once); ok {
		return once.judge(tx, e.Index)
	}
	d := newDraft(state{base: tx}, e.Index)
	r, err = judge(d, c)
	if err != nil || r.Err != nil {
		return r, err
	}
	return r, d.commit()
}

// judge applies a command to a draft. An error is a fault of the state, with
// which this node cannot go on.
func judge(d *draft, c Command) (r Result, err error) {
	r.Index = d.index
	r.Job, err = c.apply(d)
	if d.fault != nil {
		return r, d.fault
	}
	return r, refusal(&r, err)
}
