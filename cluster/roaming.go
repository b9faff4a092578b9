package cluster

import (
	"path/filepath"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/roaming"
	"github.com/faxmesh/faxmesh/cluster/roaming/courier"
)

const roamingFile = "roaming.db"

// roamers is this node's copy of the profiles and address books, and who
// carries it.
type roamers struct {
	store   *roaming.Store
	courier *courier.Courier
}

// openRoaming opens the copy and begins to carry. What gossip and the other
// nodes bring may come from then on.
func (c *Cluster) openRoaming(dir string) (err error) {
	if c.roamers.store, err = roaming.Open(filepath.Join(dir, roamingFile), c.id.Name); err != nil {
		return err
	}
	c.life.opened(c.roamers.store.Close)
	c.roamers.courier = courier.Open(courier.Config{
		Name: c.id.Name, Store: c.roamers.store, Others: c.others, Members: c.otherMembers, Call: c.client.Call,
		Broadcast: func(name string, message []byte) error { return c.gossip.Broadcast(name, message) },
		Changed:   func([]roaming.Key) { c.bells.ring() },
		Alarm:     c.note, Logger: c.opt.Logger,
	})
	c.life.opened(c.roamers.courier.Close)
	return nil
}

// Roaming is the profiles and address books, for reading; they are changed with
// EditRoaming. The bell of Changed rings when another node has changed some.
func (c *Cluster) Roaming() *roaming.Store { return c.roamers.store }

// EditRoaming changes profiles and address books: all of the edits or none. They
// are on this node's disk when it returns, and on the others' soon, or when a
// node that is cut off has its link back.
func (c *Cluster) EditRoaming(edits ...roaming.Edit) error {
	if err := c.roamers.courier.Write(edits...); err != nil {
		return err
	}
	c.bells.ring()
	return nil
}

// EraseRoaming deletes an account's profile and its own address book on every
// node.
func (c *Cluster) EraseRoaming(account string) error {
	for _, kind := range []roaming.Kind{roaming.Profile, roaming.Personal} {
		if err := c.roamers.courier.Erase(kind, fax.Fold(account)); err != nil {
			return err
		}
	}
	c.bells.ring()
	return nil
}
