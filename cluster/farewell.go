package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/cluster/peer"
)

const (
	// MethodRemove is asked by Control, with a RemoveOrder; the answer is a
	// Removal.
	MethodRemove = "remove"
	methodGone   = "gone"
)

// How removed nodes are told.
const (
	tellFirst = time.Second // between looks whether one has been removed, or this node leads now
	tellEvery = 15 * time.Second
	tellWait  = 3 * time.Second     // for one answer
	tellFor   = 90 * 24 * time.Hour // after the removal
	tellMost  = 16                  // nodes in one round
	checkTime = 20 * time.Second    // to find out which documents would be lost
	upWithin  = 2 * time.Second     // a node that is up answers
)

// RemoveOrder says which node is to be removed.
type RemoveOrder struct {
	Node string `json:"node"`
	// Force removes a node that runs, or that may have the only copies of
	// documents.
	Force bool `json:"force"`
}

// Removal is what a removal has done.
type Removal struct {
	Node      string   `json:"node"`
	Jobs      []string `json:"jobs"`      // that were leased to it: tried again once no call under the lease can be running
	Rules     int      `json:"rules"`     // dial rules that named it, removed with it
	Documents int      `json:"documents"` // of which no node that is up has a copy
	Checked   bool     `json:"checked"`   // all documents have been looked for
}

// handleRemove removes a node that does not come back.
func (c *Cluster) handleRemove(ctx context.Context, body []byte) ([]byte, error) {
	var order RemoveOrder
	if err := json.Unmarshal(body, &order); err != nil {
		return nil, fax.Errorf(fax.Invalid, "the order to remove a node is not well-formed")
	}
	r, err := c.Remove(ctx, order)
	if err != nil {
		return nil, err
	}
	return json.Marshal(r)
}

// isUp asks a node itself: gossip notices only after seconds that one has fallen,
// or that a name belongs to another one now.
func (c *Cluster) isUp(ctx context.Context, node string) bool {
	ctx, cancel := context.WithTimeout(ctx, upWithin)
	defer cancel()
	return c.Answers(ctx, node)
}

// Remove takes a node off the list of members for good, by order of whoever
// holds this node's directory.
func (c *Cluster) Remove(ctx context.Context, order RemoveOrder) (r Removal, err error) {
	r.Node = order.Node
	if order.Node == c.id.Name {
		return r, fax.Errorf(fax.Conflict, "%s is this node; it leaves with faxmeshd leave", order.Node)
	}
	if _, err := c.ledger.Node(order.Node); err != nil {
		return r, err
	}
	for _, m := range c.Members() {
		if m.Name == order.Node && m.Alive && !order.Force && c.isUp(ctx, m.Name) {
			return r, fax.Errorf(fax.Conflict, "node %s is up; let it leave with faxmeshd leave there, or remove it as it is with --force", order.Node)
		}
	}
	if r.Jobs, err = c.running(order.Node); err != nil {
		return r, err
	}
	rules, err := c.ledger.DialRules()
	if err != nil {
		return r, err
	}
	for _, rule := range rules {
		if rule.Node == order.Node {
			r.Rules++
		}
	}
	checking, cancel := context.WithTimeout(ctx, checkTime)
	r.Documents, err = c.documents.replica.Lost(checking, order.Node)
	cancel()
	r.Checked = err == nil
	if !order.Force && (r.Documents > 0 || !r.Checked) {
		return r, fax.Errorf(fax.Conflict, "%d documents that faxes need are on no other node that is up (%s); bring %s back and let it leave, or give them up with --force",
			r.Documents, map[bool]string{true: "all were looked for", false: "not all could be looked for"}[r.Checked], order.Node)
	}
	_, err = c.agree(ctx, ledger.DropNode{Name: order.Node, By: c.id.Name, At: fax.At(time.Now())})
	return r, err
}

// tellGone is the leader's: nodes that have been removed and do not know it
// are told, lest they go on by themselves as what they were.
func (c *Cluster) tellGone() {
	told := map[string]bool{}
	var last time.Time
	for members := 0; pause(c.life.ctx, tellFirst) == nil; {
		nodes, err := c.book.nodes()
		if err != nil || !c.raft.IsLeader() || len(nodes) >= members && time.Since(last) < tellEvery {
			members = max(members, len(nodes))
			continue
		}
		members, last = len(nodes), time.Now()
		removed, err := c.ledger.Removed()
		if err != nil {
			c.opt.Logger.Warn("the removed nodes cannot be listed", "err", err)
			continue
		}
		tried := 0
		for _, r := range removed {
			if told[r.Fingerprint] || r.PeerAddr == "" || time.Since(r.At.Time()) > tellFor || tried == tellMost {
				continue
			}
			tried++
			if err := c.tell(r); err != nil {
				c.opt.Logger.Debug("a removed node was not told", "peer", r.Name, "err", err)
				continue
			}
			told[r.Fingerprint] = true
			c.opt.Logger.Info("a removed node was told that it is one", "peer", r.Name)
		}
	}
}

// tell speaks with a node that is no member, but was.
func (c *Cluster) tell(r ledger.Removed) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.life.ctx, tellWait)
	defer cancel()
	client := peer.NewClient(func(ctx context.Context, node string) (net.Conn, error) {
		return peer.DialNode(ctx, c.id, r.PeerAddr, node, r.Fingerprint, peer.Request)
	})
	defer client.Close()
	_, err = client.CallOnce(ctx, r.Name, methodGone, body)
	return err
}

// handleGone hears that this node has been removed. That is for good: a
// certificate is never made valid again.
func (c *Cluster) handleGone(_ context.Context, from string, body []byte) ([]byte, error) {
	var r ledger.Removed
	if err := json.Unmarshal(body, &r); err != nil || !c.id.Holds(r.Fingerprint) {
		return nil, fax.Errorf(fax.Invalid, "this is not node %s", r.Name)
	}
	if c.leaving.over() {
		return nil, nil // it knows
	}
	why := fmt.Sprintf("was removed from the cluster by %s on %s", r.By, r.At.Time().Format("2006-01-02 15:04 MST"))
	if r.Era > 0 {
		why = fmt.Sprintf("was given up when the cluster was recovered on %s (recovery %d)", r.At.Time().Format("2006-01-02 15:04 MST"), r.Era)
	}
	c.life.work.Go(func() {
		c.stop(fmt.Sprintf("node %s %s, says %s; to use this machine again join with a new directory. What it alone knew is still in this one; faxmeshd records prints it", c.id.Name, why, from))
	})
	return nil, nil
}
