package ledger

import (
	"encoding/binary"
	"errors"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// EventsKept is how many events of an account are kept; each new one above it
// pushes the oldest out.
const EventsKept = 1000

// tell appends an event to an account's stream. One who has no account is
// told nothing.
func (d *draft) tell(account string, e fax.Event) {
	key := fax.Fold(account)
	r := load[accountRecord](d, inAccounts, key)
	if r == nil {
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

func (d *draft) lastEvent(key string) uint64 {
	value := d.get(inEventSeq, key)
	if value == nil {
		return 0
	}
	if len(value) != 8 {
		d.fail(inEventSeq, key, errors.New("not 8 octets long"))
		return 0
	}
	return binary.BigEndian.Uint64(value)
}

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
