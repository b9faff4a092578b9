package ledger

import (
	"fmt"
	"slices"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Turn is a step of turning the keys of gossip. They are not in the ledger, but
// what each member makes its keys of, together with a secret that it has had
// since it joined: a removed node learns no new one.
type Turn int

// The turns, in their order. Each is taken when all members that are up have
// done the one before.
const (
	AskTurn  Turn = iota + 1 // somebody wants a new key
	AddTurn                  // it is known: what it encrypts can be read
	UseTurn                  // it encrypts
	DropTurn                 // the one before is forgotten
)

// SaltLen is the length of a key's salt in octets.
const SaltLen = 32

// GossipKey is one key of gossip.
type GossipKey struct {
	Serial uint64 `msgpack:"s" json:"serial"`
	Salt   []byte `msgpack:"x" json:"salt"` // none for the key of the cluster's first day
}

// Ring is the keys of gossip at one time: one, or two while they are turned.
type Ring struct {
	Keys  []GossipKey `msgpack:"k" json:"keys"` // the older first
	InUse uint64      `msgpack:"u" json:"in_use"`
	Asked bool        `msgpack:"a" json:"asked"` // another one is wanted
	Index uint64      `msgpack:"i" json:"index"` // of the entry that has changed it last
}

// Whole is the ring with the first day's key if there is none other.
func (r Ring) Whole() Ring {
	if len(r.Keys) == 0 {
		r.Keys = []GossipKey{{}}
	}
	return r
}

func (r Ring) place(serial uint64) int {
	return slices.IndexFunc(r.Keys, func(k GossipKey) bool { return k.Serial == serial })
}

func (c TurnKeys) apply(d *draft) (*fax.Job, error) {
	r := d.ring()
	at, last := r.place(c.Serial), r.Keys[len(r.Keys)-1].Serial
	var what string
	switch {
	case c.Turn == AskTurn:
		if r.Asked {
			return nil, nil
		}
		what, r.Asked = "ask-keys", true
	case c.Turn == AddTurn:
		if len(c.Salt) != SaltLen {
			return nil, fax.Errorf(fax.Invalid, "the salt of a gossip key has %d octets, not %d", SaltLen, len(c.Salt))
		}
		if len(r.Keys) > 1 || c.Serial != last+1 {
			return nil, fax.Errorf(fax.Conflict, "gossip key %d cannot be added after %d", c.Serial, last)
		}
		what, r.Asked = "add-keys", false
		r.Keys = append(r.Keys, GossipKey{c.Serial, c.Salt})
	case c.Turn < AskTurn || c.Turn > DropTurn:
		return nil, fax.Errorf(fax.Invalid, "keys are not turned by %d", c.Turn)
	case at < 0 || r.InUse == c.Serial || c.Turn == DropTurn && c.Serial > r.InUse:
		return nil, fax.Errorf(fax.Conflict, "gossip key %d is not there to be used, or dropped, now", c.Serial)
	case c.Turn == UseTurn:
		what, r.InUse = "use-keys", c.Serial
	default:
		what = "drop-keys"
		r.Keys = slices.Delete(r.Keys, at, at+1)
	}
	d.keepRing(r)
	d.record(fax.Activity{At: c.At, Who: who(c.By, c.Node), Node: c.Node, What: what, Object: "gossip", Detail: fmt.Sprintf("key %d", c.Serial)})
	return nil, nil
}

func (d *draft) ring() Ring {
	r := load[Ring](d, inMeta, keyRing)
	if r == nil {
		r = &Ring{}
	}
	return r.Whole()
}

func (d *draft) keepRing(r Ring) {
	r.Index = d.index
	d.store(inMeta, keyRing, r)
}

// askTurn wants a new key, for a node that knew the ones there are is gone.
func (d *draft) askTurn() {
	if r := d.ring(); !r.Asked {
		r.Asked = true
		d.keepRing(r)
	}
}

// Ring returns the keys of gossip.
func (l *Ledger) Ring() (r Ring, err error) {
	err = l.view(func(st state) error {
		d := newDraft(st, 0)
		r = d.ring()
		return d.fault
	})
	return r, err
}
