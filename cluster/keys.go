package cluster

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

// MethodRotate is asked by Control, with a RotateOrder, until the
// RotateProgress says that it is done.
const MethodRotate = "rotate-keys"

// turnEvery is the time between looks whether the next step may be taken.
const turnEvery = time.Second

// RotateOrder asks for new gossip keys, or only how far that is.
type RotateOrder struct {
	Look bool `json:"look"`
}

// RotateProgress is how far the change of the gossip keys is.
type RotateProgress struct {
	Serial uint64   `json:"serial"` // of the key in use
	Done   bool     `json:"done"`   // none is being changed
	Waits  []string `json:"waits"`  // for these nodes, which are up but have not taken the last step
}

// keys is which ones gossip has.
type keys struct {
	mu    sync.Mutex // for one change at a time
	index atomic.Uint64
}

func (k *keys) installed(index uint64) { k.index.Store(index) }

// gossipKeys are the keys as the ledger, or who was asked, has them, the one
// that encrypts first; and the index of the entry that made them so.
func (c *Cluster) gossipKeys() (all [][]byte, index uint64, err error) {
	ring, err := c.book.ring()
	if err != nil {
		return nil, 0, err
	}
	for _, k := range ring.Keys {
		key, err := c.id.GossipKeyOf(k.Salt)
		if err != nil {
			return nil, 0, err
		}
		if k.Serial == ring.InUse {
			all = slices.Insert(all, 0, key)
		} else {
			all = append(all, key)
		}
	}
	return all, ring.Index, nil
}

// installKeys gives gossip the keys that there are now.
func (c *Cluster) installKeys() error {
	c.keys.mu.Lock()
	defer c.keys.mu.Unlock()
	all, index, err := c.gossipKeys()
	if err != nil || index == c.keys.index.Load() {
		return err
	}
	if err := c.gossip.SetKeys(all); err != nil {
		return err
	}
	c.keys.installed(index)
	c.opt.Logger.Info("gossip has other keys", "keys", len(all))
	return nil
}

// nextTurn is the next step to take, 0 for none now, and the nodes that are up
// of which it is not known that they have taken the last.
func nextTurn(ring ledger.Ring, up []string, have map[string]uint64) (step ledger.TurnKeys, waits []string) {
	ring = ring.Whole()
	older, newer := ring.Keys[0].Serial, ring.Keys[len(ring.Keys)-1].Serial
	if older == newer {
		if ring.Asked {
			step = ledger.TurnKeys{Turn: ledger.AddTurn, Serial: newer + 1}
		}
		return step, nil
	}
	for _, name := range up {
		if index, known := have[name]; !known || index < ring.Index {
			waits = append(waits, name)
		}
	}
	switch {
	case len(waits) > 0:
	case ring.InUse == older:
		step = ledger.TurnKeys{Turn: ledger.UseTurn, Serial: newer}
	default:
		step = ledger.TurnKeys{Turn: ledger.DropTurn, Serial: older}
	}
	return step, waits
}

// lookAtKeys is nextTurn as things are.
func (c *Cluster) lookAtKeys(ctx context.Context) (ring ledger.Ring, step ledger.TurnKeys, waits []string, err error) {
	if ring, err = c.ledger.Ring(); err != nil || len(ring.Keys) == 1 && !ring.Asked {
		return ring, step, nil, err
	}
	have := map[string]uint64{c.id.Name: c.keys.index.Load()}
	for name, p := range c.positions(ctx, c.others(), positionWait) {
		have[name] = p.Ring
	}
	up := slices.DeleteFunc(c.table.Alive(), func(name string) bool { // a removed node may still be seen, for it has a key
		_, member := c.book.find(name)
		return !member
	})
	step, waits = nextTurn(ring, up, have)
	return ring, step, waits, nil
}

// turnKeys is the leader's: it changes the gossip keys when that was asked for,
// or a node was removed that knew them.
func (c *Cluster) turnKeys() {
	for pause(c.life.ctx, turnEvery) == nil {
		if !c.raft.IsLeader() {
			continue
		}
		_, step, waits, err := c.lookAtKeys(c.life.ctx)
		if err == nil && step.Turn != 0 {
			if step.Turn == ledger.AddTurn {
				step.Salt = make([]byte, ledger.SaltLen)
				rand.Read(step.Salt)
			}
			step.Node, step.At = c.id.Name, fax.At(time.Now())
			_, err = c.agree(c.life.ctx, step)
		}
		switch {
		case err != nil && c.life.ctx.Err() == nil:
			c.opt.Logger.Warn("the gossip keys cannot be changed now; it is tried again", "err", err)
		case len(waits) > 0:
			c.opt.Logger.Debug("the change of the gossip keys waits", "for", strings.Join(waits, ", "))
		}
	}
}

// handleRotate asks for new keys, or tells how far they are.
func (c *Cluster) handleRotate(ctx context.Context, body []byte) ([]byte, error) {
	var order RotateOrder
	if err := json.Unmarshal(body, &order); err != nil {
		return nil, fax.Errorf(fax.Invalid, "the order to change the keys is not well-formed")
	}
	if !order.Look {
		if _, err := c.agree(ctx, ledger.TurnKeys{Turn: ledger.AskTurn, By: c.id.Name, Node: c.id.Name, At: fax.At(time.Now())}); err != nil {
			return nil, err
		}
	}
	ring, _, waits, err := c.lookAtKeys(ctx)
	if err != nil {
		return nil, err
	}
	if waits == nil {
		waits = []string{}
	}
	return json.Marshal(RotateProgress{Serial: ring.InUse, Done: len(ring.Keys) == 1 && !ring.Asked, Waits: waits})
}
