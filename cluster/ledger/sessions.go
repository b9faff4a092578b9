package ledger

import "github.com/faxmesh/faxmesh/clientlib/fax"

// Limits on ended sessions.
const (
	MaxEnded       = 200_000                       // kept at a time
	MaxSessionLife = fax.Millis(7 * 24 * 3600_000) // from the command's At to Expires
	maxDropped     = 256                           // ended sessions dropped by one command
)

// endedRecord is a session that has ended, as stored under its id.
type endedRecord struct {
	Account string     `msgpack:"a"`
	Expires fax.Millis `msgpack:"e"`
}

func (c EndSession) apply(d *draft) (*fax.Job, error) {
	if err := checkID("session", c.ID); err != nil {
		return nil, err
	}
	if err := fax.CheckName("account", c.Account); err != nil {
		return nil, err
	}
	if c.Expires <= c.At || c.Expires > c.At+MaxSessionLife || c.At < 0 {
		return nil, fax.Errorf(fax.Invalid, "the end of session %s would be kept for %d ms; 1 to %d are allowed", c.ID, c.Expires-c.At, MaxSessionLife)
	}
	if d.has(inEnded, c.ID) {
		return nil, nil
	}
	kept := d.number(inMeta, keyEnded) - d.dropEnded(c.At)
	if kept >= MaxEnded {
		return nil, fax.Errorf(fax.Busy, "%d ended sessions are kept already; try again later", kept)
	}
	d.store(inEnded, c.ID, endedRecord{c.Account, c.Expires})
	d.mark(inEndings, endingKey(c.Expires, c.ID))
	d.put(inMeta, keyEnded, []byte(number64(kept+1)))
	d.record(fax.Activity{At: c.At, Who: c.Account, Node: c.Node, What: "logout", Object: c.ID})
	return nil, nil
}

// dropEnded forgets sessions whose tokens have expired by then, the first of
// them first, and returns how many.
func (d *draft) dropEnded(then fax.Millis) (dropped uint64) {
	c := d.state.cursor(inEndings)
	past := endingKey(then+1, "")
	for k, _ := c.Seek(nil); k != nil && string(k) < past && dropped < maxDropped; k, _ = c.Next() {
		if !d.has(inEndings, string(k)) {
			continue // one of the same batch has dropped it
		}
		d.delete(inEndings, string(k))
		d.delete(inEnded, string(k[len(past):]))
		dropped++
	}
	return dropped
}

func endingKey(expires fax.Millis, id string) string { return number64(uint64(expires)) + id }

// SessionEnded reports whether a session has been ended on purpose. The answer
// holds for as long as its tokens could be valid.
func (l *Ledger) SessionEnded(id string) (ended bool, err error) {
	err = l.view(func(st state) error {
		ended = id != "" && st.has(inEnded, id)
		return nil
	})
	return ended, err
}
