package ledger

import (
	"encoding/binary"
	"encoding/hex"
	"iter"
	"strings"

	"github.com/faxmesh/faxmesh/clientlib/activity"
	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// MaxSearch is how many entries of the activity record one search looks at.
const MaxSearch = 20_000

// Activity returns the entries of the activity record after the one numbered
// after, the oldest first.
func (l *Ledger) Activity(after uint64, limit int) ([]fax.Activity, error) {
	return readAfter[fax.Activity](l, inActivity, "", after, limit)
}

// WholeActivity goes through the activity record from its start, as
// VerifyActivity wants it. It holds no transaction between entries.
func (l *Ledger) WholeActivity() iter.Seq2[fax.Activity, error] {
	return func(yield func(fax.Activity, error) bool) {
		after := uint64(0)
		for {
			page, err := l.Activity(after, MaxList)
			if err != nil {
				yield(fax.Activity{}, err)
				return
			}
			for _, a := range page {
				if !yield(a, nil) {
					return
				}
				after = a.Seq
			}
			if len(page) < MaxList {
				return
			}
		}
	}
}

// ActivityEnd is the number of the last entry of the activity record and its
// chain value, 64 hexadecimal digits; 0 and activity.Start without an entry.
func (l *Ledger) ActivityEnd() (seq uint64, chain string, err error) {
	err = l.view(func(st state) error {
		d := newDraft(st, 0)
		head := d.activityHead()
		seq, chain = head.seq, hex.EncodeToString(head.chain[:])
		return d.fault
	})
	return seq, chain, err
}

// ActivityUpTo is the chain value of an entry, that before the first for 0;
// NotFound for one that is not there.
func (l *Ledger) ActivityUpTo(seq uint64) (chain string, err error) {
	if seq == 0 {
		return activity.Start, nil
	}
	a, err := read[fax.Activity](l, inActivity, number64(seq), "entry", number64(seq))
	if err != nil && fax.KindOf(err) == fax.NotFound {
		err = fax.Errorf(fax.NotFound, "the activity record has no entry %d", seq)
	}
	return a.Chain, err
}

// FindActivity returns the entries that a filter chooses. After MaxSearch looked
// at, or f.Limit found, it stops: more is then the number to go on from, as
// After or with Newest as Before, and 0 at the end of the record.
func (l *Ledger) FindActivity(f fax.ActivityFilter) (entries []fax.Activity, more uint64, err error) {
	err = l.view(func(st state) error {
		c := st.cursor(inActivity)
		step := c.Next
		k, v := c.Seek([]byte(number64(f.After + 1)))
		if f.Newest {
			step = c.Prev
			k, v = c.below(f.Before)
		}
		for looked := 0; within(f, k); k, v = step() {
			var a fax.Activity
			if err := unmarshal(v, &a); err != nil {
				return damaged(inActivity, string(k), err)
			}
			if chosen(f, a) {
				entries = append(entries, a)
			}
			if looked++; looked == MaxSearch || len(entries) == listLimit(f.Limit) {
				more = a.Seq
				return nil
			}
		}
		return nil
	})
	return entries, more, err
}

// below goes to the last number under another, 0 for the last of all.
func (c *cursor) below(number uint64) (k, v []byte) {
	if number == 0 {
		return c.Last()
	}
	if k, _ := c.Seek([]byte(number64(number))); k == nil {
		return c.Last()
	}
	return c.Prev()
}

// within reports whether a key is between After and Before.
func within(f fax.ActivityFilter, key []byte) bool {
	if len(key) != 8 {
		return false
	}
	seq := binary.BigEndian.Uint64(key)
	return seq > f.After && (f.Before == 0 || seq < f.Before)
}

// chosen reports whether a filter chooses an entry by what it says.
func chosen(f fax.ActivityFilter, a fax.Activity) bool {
	switch {
	case f.Account != "" && fax.Fold(a.Who) != fax.Fold(f.Account) && fax.Fold(a.Object) != fax.Fold(f.Account):
		return false
	case f.What != "" && a.What != f.What, !strings.HasPrefix(a.Object, f.Object):
		return false
	}
	return a.At >= f.From && (f.Until == 0 || a.At < f.Until)
}
