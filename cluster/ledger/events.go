package ledger

import "github.com/faxmesh/faxmesh/clientlib/fax"

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
