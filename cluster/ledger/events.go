package ledger

import (
	"slices"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// EventsKept is how many events of an account are kept; each new one above it
// pushes the oldest out.
const EventsKept = 1000

// tell appends an event to an account's stream. One who has no account (any
// more) is told nothing.
func (d *draft) tell(o owner, e fax.Event) {
	key := fax.Fold(o.Name)
	r := load[accountRecord](d, inAccounts, key)
	if r == nil || r.Born != o.Born {
		return
	}
	if d.tentative != 0 {
		e.Account, e.Seq = r.Account.Name, d.tentative
		d.tentative++
		d.store(inEvents, eventKey(key, e.Seq), e)
		return
	}
	seq := d.lastEvent(key) + 1
	e.Account, e.Seq = r.Account.Name, seq
	d.store(inEvents, eventKey(key, seq), e)
	d.put(inEventSeq, key, []byte(number64(seq)))
	if seq > EventsKept {
		d.delete(inEvents, eventKey(key, seq-EventsKept))
	}
}

func (d *draft) lastEvent(key string) uint64 { return d.number(inEventSeq, key) }

// forget takes an account's events away. The count stays: should somebody
// else get the name, no number is used twice.
func (d *draft) forget(account string) {
	key := fax.Fold(account)
	last := d.lastEvent(key)
	first := uint64(1)
	if last > EventsKept {
		first = last - EventsKept + 1
	}
	for seq := first; seq <= last; seq++ {
		if d.has(inEvents, eventKey(key, seq)) {
			d.delete(inEvents, eventKey(key, seq))
		}
	}
}

// Events returns an account's events after the one numbered after, the oldest
// first. The first may be later than after+1: EventsKept are kept. Those of the
// tail come last, and if there are too many, the newest of them.
func (l *Ledger) Events(account string, after uint64, limit int) (events []fax.Event, err error) {
	prefix := fax.Fold(account) + "\x00"
	err = l.view(func(st state) error {
		c := st.cursor(inEvents)
		end := prefix + number64(fax.Tentative)
		from := prefix + number64(after)
		for k, v := c.Seek([]byte(from)); k != nil && string(k) < end && len(events) < listLimit(limit); k, v = c.Next() {
			if string(k) == from {
				continue
			}
			var e fax.Event
			if err := unmarshal(v, &e); err != nil {
				return damaged(inEvents, string(k), err)
			}
			events = append(events, e)
		}
		if st.over == nil {
			return nil
		}
		tail, err := newest(st, prefix, max(after, fax.Tentative), listLimit(limit)-len(events))
		events = append(events, tail...)
		return err
	})
	return events, err
}

// newest are the last events of an account behind a number, at most limit.
func newest(st state, prefix string, after uint64, limit int) (events []fax.Event, err error) {
	c := st.cursor(inEvents)
	var k, v []byte
	if behind, _ := c.Seek([]byte(prefix[:len(prefix)-1] + "\x01")); behind == nil {
		k, v = c.Last()
	} else {
		k, v = c.Prev()
	}
	for ; len(events) < limit && hasPrefix(k, prefix) && string(k) > prefix+number64(after); k, v = c.Prev() {
		var e fax.Event
		if err := unmarshal(v, &e); err != nil {
			return nil, damaged(inEvents, string(k), err)
		}
		events = append(events, e)
	}
	slices.Reverse(events)
	return events, nil
}

// Tentative returns an account's events of the tail after the one numbered
// after, at most limit of the newest. A number of another tail is before all.
func (l *Ledger) Tentative(account string, after uint64, limit int) (events []fax.Event, err error) {
	err = l.view(func(st state) error {
		if st.over != nil {
			if own := (fax.Event{Seq: tentative(l.tail.era, 0)}); !own.SameTail(after) {
				after = 0
			}
			events, err = newest(st, fax.Fold(account)+"\x00", max(after, fax.Tentative), listLimit(limit))
		}
		return err
	})
	return events, err
}

// LastTentative is the number of an account's last event of the tail, 0 if it
// has none.
func (l *Ledger) LastTentative(account string) (uint64, error) {
	events, err := l.Tentative(account, 0, 1)
	if err != nil || len(events) == 0 {
		return 0, err
	}
	return events[0].Seq, nil
}
