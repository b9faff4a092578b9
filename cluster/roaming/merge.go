package roaming

import (
	"bytes"
	"maps"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"go.etcd.io/bbolt"
)

// Merged says what a page has changed here.
type Merged struct {
	Changed []Key
	// Held are the lowest numbers of writes whose stamps are too far ahead.
	// Their logs go on from there when the time has come.
	Held Vector
	// Renewed reports that others knew more of this node's log than it did: its
	// disk was put back, and it has begun another log.
	Renewed bool
}

// Merge takes in a page, durably, in any order and any number of times. A page
// that brings nothing, as when two nodes that are alike compare notes, costs no
// write.
func (s *Store) Merge(now time.Time, p Page) (m Merged, err error) {
	if brings, err := s.brings(p); err != nil || !brings {
		return Merged{Held: Vector{}}, err
	}
	err = s.db.Update(func(tx *bbolt.Tx) error {
		m = Merged{Held: Vector{}}
		if err := s.take(tx, now, p, &m); err != nil {
			return err
		}
		return advance(tx, p.Covered, m.Held)
	})
	return m, err
}

// brings reports whether there is anything in a page that this node may lack.
func (s *Store) brings(p Page) (is bool, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		v, err := vectorIn(tx, inVector)
		own := s.origin(tx)
		is = len(p.Records) > 0 || v.Behind(p.Covered) || p.Vector[own] > v[own]
		return err
	})
	return is, err
}

// Hear takes in news if this node knows all that the writer had written before.
// Otherwise nothing is changed and fits is false: what is lacking has to be
// asked for. News that is known already fits.
func (s *Store) Hear(now time.Time, news Page) (fits bool, m Merged, err error) {
	if v, err := s.Vector(); err != nil || news.More || v.Behind(news.Vector) {
		return err == nil && !v.Behind(news.Covered), m, err
	} else if !v.Behind(news.Covered) {
		return true, m, nil
	}
	err = s.db.Update(func(tx *bbolt.Tx) error {
		m = Merged{Held: Vector{}}
		v, err := vectorIn(tx, inVector)
		if fits = err == nil && !v.Behind(news.Vector); !fits { // Settle has been quicker
			return err
		}
		if err := s.take(tx, now, news, &m); err != nil {
			return err
		}
		return advance(tx, news.Covered, m.Held)
	})
	return fits && err == nil && len(m.Held) == 0, m, err
}

// advance notes what is known now.
func advance(tx *bbolt.Tx, covered, held Vector) error {
	for _, o := range covered.origins() {
		seq := covered[o]
		if h := held[o]; h > 0 {
			seq = min(seq, h-1)
		}
		if err := raise(tx, inVector, o, seq); err != nil {
			return err
		}
	}
	return nil
}

// take joins the records of a page into those here.
func (s *Store) take(tx *bbolt.Tx, now time.Time, p Page, m *Merged) error {
	vector, err := vectorIn(tx, inVector)
	if err != nil {
		return err
	}
	horizon, err := vectorIn(tx, inHorizon)
	if err != nil {
		return err
	}
	if own := s.origin(tx); p.Vector[own] > vector[own] {
		m.Renewed = true
		if err := renew(tx); err != nil {
			return err
		}
	}
	stale := p.Vector.Behind(horizon) // it may bring what was deleted here and forgotten
	for _, r := range p.Records {
		old, err := read(tx, r.Key)
		if err != nil {
			return err
		}
		r = r.without(func(field string, mark Mark) bool {
			if ahead(mark.Stamp, now) {
				if h := m.Held[mark.Origin]; h == 0 || mark.Seq < h {
					m.Held[mark.Origin] = mark.Seq
				}
				return true
			}
			return stale && vector.Covers(mark) && !old.has(field, mark)
		})
		changed, err := change(tx, old, join(old, r))
		if err != nil {
			return err
		}
		if changed {
			m.Changed = append(m.Changed, r.Key)
		}
	}
	return nil
}

// has reports whether a write is seen in the record; "" is the deletion.
func (r Record) has(field string, m Mark) bool {
	if field == "" {
		return r.Gone == m
	}
	return r.Cells[field].Mark == m
}

// MergeCopy takes in a page of a fresh copy, which goes from after one key to
// another: what the other node knew of and does not have any longer is deleted
// here too. What it did not know of stays.
func (s *Store) MergeCopy(now time.Time, after string, p Page) (m Merged, err error) {
	there := make(map[Key]Record, len(p.Records))
	for _, r := range p.Records {
		there[r.Key] = r
	}
	err = s.db.Update(func(tx *bbolt.Tx) error {
		m = Merged{Held: Vector{}}
		var thinned [][2]Record
		c := tx.Bucket(inRecords).Cursor()
		for k, v := c.Seek([]byte(after)); k != nil && (p.Last == "" || bytes.Compare(k, []byte(p.Last)) <= 0); k, v = c.Next() {
			if string(k) == after {
				continue
			}
			old, err := decodeRecord(v)
			if err != nil {
				return err
			}
			other := there[old.Key]
			left := old.without(func(field string, mark Mark) bool {
				_, known := other.Cells[field]
				return p.Vector.Covers(mark) && !known && !other.has(field, mark)
			})
			if len(left.Cells) != len(old.Cells) || left.Gone != old.Gone {
				thinned = append(thinned, [2]Record{old, left})
			}
		}
		for _, t := range thinned {
			if _, err := change(tx, t[0], t[1]); err != nil {
				return err
			}
			m.Changed = append(m.Changed, t[0].Key)
		}
		return s.take(tx, now, p, &m)
	})
	return m, err
}

// EndCopy notes that a fresh copy is complete: the vector is that of its first
// page, held is what was held back on the way.
func (s *Store) EndCopy(vector, held Vector) error {
	return s.db.Update(func(tx *bbolt.Tx) error { return advance(tx, vector, held) })
}

// Page gives what the asker lacks, as much as goes into one page.
func (s *Store) Page(now time.Time, ask Ask) (p Page, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		if p, err = begin(tx, now); err != nil {
			return err
		}
		horizon, err := vectorIn(tx, inHorizon)
		if err != nil {
			return err
		}
		if p.Cut = ask.Vector.Behind(horizon); p.Cut {
			return nil
		}
		return p.fill(tx, ask)
	})
	return p, err
}

// fill adds what the asker lacks, log by log.
func (p *Page) fill(tx *bbolt.Tx, ask Ask) error {
	size, added := 0, map[string]bool{}
	c := tx.Bucket(inLog).Cursor()
	for _, o := range p.Vector.origins() {
		if _, skip := ask.Skip[o]; skip || ask.Vector[o] >= p.Vector[o] {
			continue
		}
		p.Covered[o] = p.Vector[o]
		prefix := o.octets()
		for k, key := c.Seek(Mark{Origin: o, Seq: ask.Vector[o] + 1}.octets()); bytes.HasPrefix(k, prefix); k, key = c.Next() {
			if size >= PageSize {
				p.More = true
				p.Covered[o] = number(k[len(prefix):]) - 1
				return nil
			}
			if added[string(key)] {
				continue
			}
			added[string(key)] = true
			data := tx.Bucket(inRecords).Get(key)
			r, err := decodeRecord(data)
			if err != nil {
				return err
			}
			p.Records, size = append(p.Records, r), size+len(data)
		}
	}
	return nil
}

func begin(tx *bbolt.Tx, now time.Time) (Page, error) {
	v, err := vectorIn(tx, inVector)
	return Page{Wall: fax.At(now), Vector: v, Covered: Vector{}}, err
}

// Copy gives records in the order of keys.
func (s *Store) Copy(now time.Time, want Want) (p Page, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		if p, err = begin(tx, now); err != nil {
			return err
		}
		size := 0
		c := tx.Bucket(inRecords).Cursor()
		for k, v := c.Seek([]byte(want.After)); k != nil; k, v = c.Next() {
			if string(k) == want.After || want.Buckets != nil && !want.Buckets.has(bucketOf(k)) {
				continue
			}
			if size >= PageSize {
				p.More = true
				return nil
			}
			r, err := decodeRecord(v)
			if err != nil {
				return err
			}
			p.Records, size, p.Last = append(p.Records, r), size+len(v), string(k)
		}
		p.Last = ""
		return nil
	})
	return p, err
}

// Sweep forgets up to MaxEdits deletions: those older than KeepGone that all
// members have, as seen reports, and those older than MaxGone.
func (s *Store) Sweep(now time.Time, seen func(Mark) bool) (n int, err error) {
	err = s.db.Update(func(tx *bbolt.Tx) error {
		n = 0
		horizon := Vector{}
		var old []Record
		c := tx.Bucket(inGone).Cursor()
		for k, _ := c.First(); len(k) > 8 && len(old) < MaxEdits; k, _ = c.Next() {
			if Stamp(number(k[:8])) > stampAt(now.Add(-KeepGone)) {
				break
			}
			r, err := decodeRecord(tx.Bucket(inRecords).Get(k[8:]))
			if err != nil {
				return err
			}
			if r.Gone.Stamp <= stampAt(now.Add(-MaxGone)) || seen(r.Gone) {
				old = append(old, r)
			}
		}
		for _, r := range old {
			horizon[r.Gone.Origin] = max(horizon[r.Gone.Origin], r.Gone.Seq)
			kept := Record{Key: r.Key, Cells: maps.Clone(r.Cells)}
			if _, err := change(tx, r, kept); err != nil {
				return err
			}
			n++
		}
		for o, seq := range horizon {
			if err := raise(tx, inHorizon, o, seq); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}
