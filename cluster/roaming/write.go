package roaming

import (
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"go.etcd.io/bbolt"
)

// MaxEdits is how many records are written in one step.
const MaxEdits = 5000

// Edit is what a person changes in one record.
type Edit struct {
	Key  Key
	Set  map[string]string // fields that change; "" clears one
	Drop bool              // the record is deleted; then Set is empty
}

func (e Edit) check() error {
	if err := e.Key.check(); err != nil || e.Drop {
		return err
	}
	return checkSet(e.Set)
}

// Write makes changes of this node: all of them, durable when it returns, or
// none. A stamp follows the clock and all stamps seen. The news is for the
// other nodes: a page that brings the change to those who know all that this
// node has written before.
func (s *Store) Write(now time.Time, edits ...Edit) (news Page, err error) {
	if len(edits) == 0 || len(edits) > MaxEdits {
		return news, fax.Errorf(fax.TooLarge, "%d entries are to be changed at once; 1 to %d are allowed", len(edits), MaxEdits)
	}
	for _, e := range edits {
		if err := e.check(); err != nil {
			return news, err
		}
	}
	err = s.db.Update(func(tx *bbolt.Tx) error {
		o := s.origin(tx)
		before := number(tx.Bucket(inVector).Get(o.octets()))
		news = Page{Wall: fax.At(now), Vector: Vector{o: before}, Covered: Vector{}}
		for _, e := range edits {
			r, err := s.edit(tx, now, e)
			if err != nil {
				return err
			}
			news.Records = append(news.Records, r)
		}
		news.Covered[o] = number(tx.Bucket(inVector).Get(o.octets()))
		return nil
	})
	return news, err
}

// edit makes one change and gives the record as it is then.
func (s *Store) edit(tx *bbolt.Tx, now time.Time, e Edit) (Record, error) {
	old, err := read(tx, e.Key)
	if err != nil || e.Drop && !old.Live() {
		return old, err
	}
	m, err := s.mark(tx, now)
	if err != nil {
		return old, err
	}
	written := Record{Key: e.Key, Cells: map[string]Cell{}}
	if e.Drop {
		written.Gone = m
	}
	for name, value := range e.Set {
		written.Cells[name] = Cell{value, m}
	}
	if fields := fieldsOf(old, written); fields > MaxFields {
		return old, fax.Errorf(fax.TooLarge, "the entry would have %d fields; at most %d are allowed", fields, MaxFields)
	}
	if !old.Live() && !e.Drop && number(tx.Bucket(inCounts).Get(ownerKey(e.Key.Kind, e.Key.Owner))) >= uint64(most[e.Key.Kind]) {
		return old, errTooMany(e.Key)
	}
	r := join(old, written)
	_, err = change(tx, old, r)
	return r, err
}

func fieldsOf(a, b Record) int {
	n := len(a.Cells)
	for name := range b.Cells {
		if _, known := a.Cells[name]; !known {
			n++
		}
	}
	return n
}

// mark is that of the next write of this node.
func (s *Store) mark(tx *bbolt.Tx, now time.Time) (Mark, error) {
	clock := Stamp(number(tx.Bucket(inMeta).Get(keyClock)))
	m := Mark{Stamp: max(clock+1, stampAt(now)), Origin: s.origin(tx)}
	m.Seq = number(tx.Bucket(inVector).Get(m.Origin.octets())) + 1
	return m, raise(tx, inVector, m.Origin, m.Seq)
}

// Erase deletes up to MaxEdits records of an owner and reports how many are
// left, as when an account is gone for good.
func (s *Store) Erase(now time.Time, kind Kind, owner string) (news Page, left int, err error) {
	var edits []Edit
	for after := ""; len(edits) < MaxEdits; {
		records, err := s.List(kind, owner, after, min(MaxList, MaxEdits-len(edits)))
		if err != nil {
			return news, 0, err
		}
		if len(records) == 0 {
			break
		}
		for _, r := range records {
			edits = append(edits, Edit{Key: r.Key, Drop: true})
		}
		after = records[len(records)-1].Key.ID
	}
	if len(edits) > 0 {
		if news, err = s.Write(now, edits...); err != nil {
			return news, 0, err
		}
	}
	left, err = s.Count(kind, owner)
	return news, left, err
}

// Ahead reports whether a stamp here is so far ahead of the clock that other
// nodes would not take it in: the clock is wrong, or was.
func (s *Store) Ahead(now time.Time) (is bool, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		is = ahead(Stamp(number(tx.Bucket(inMeta).Get(keyClock))), now)
		return nil
	})
	return is, err
}

// Settle undoes what a clock that ran ahead has done here: what this node wrote
// meanwhile gets stamps of the right time in the same order, what it took from
// others is forgotten until they send it anew. The clock must be known to be
// right now: with one that is behind, everything would be ahead.
func (s *Store) Settle(now time.Time) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		far, clock, err := farAhead(tx, now)
		if err != nil {
			return err
		}
		if err := tx.Bucket(inMeta).Put(keyClock, octets(uint64(clock))); err != nil {
			return err
		}
		for _, r := range far {
			if err := s.restamp(tx, now, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// farAhead gives the records with stamps too far ahead, and the highest stamp
// that is not.
func farAhead(tx *bbolt.Tx, now time.Time) (far []Record, clock Stamp, err error) {
	err = tx.Bucket(inRecords).ForEach(func(_, data []byte) error {
		r, err := decodeRecord(data)
		if err != nil {
			return err
		}
		isFar := false
		for _, m := range r.marks() {
			if ahead(m.Stamp, now) {
				isFar = true
			} else {
				clock = max(clock, m.Stamp)
			}
		}
		if isFar {
			far = append(far, r)
		}
		return nil
	})
	return far, clock, err
}

func (s *Store) restamp(tx *bbolt.Tx, now time.Time, old Record) error {
	fresh := map[Mark]Mark{}
	for _, m := range old.marks() {
		switch {
		case !ahead(m.Stamp, now):
			fresh[m] = m
		case m.Origin.Node == s.node:
			next, err := s.mark(tx, now)
			if err != nil {
				return err
			}
			fresh[m] = next
			if err := tx.Bucket(inMeta).Put(keyClock, octets(uint64(next.Stamp))); err != nil {
				return err
			}
		default: // to be pulled again
			v := tx.Bucket(inVector)
			if number(v.Get(m.Origin.octets())) >= m.Seq {
				if err := v.Put(m.Origin.octets(), octets(m.Seq-1)); err != nil {
					return err
				}
			}
		}
	}
	r := old.without(func(_ string, m Mark) bool { return fresh[m] == Mark{} })
	r.Gone = fresh[r.Gone]
	for name, c := range r.Cells {
		r.Cells[name] = Cell{c.Value, fresh[c.Mark]}
	}
	_, err := change(tx, old, r)
	return err
}
