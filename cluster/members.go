package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/cluster/presence"
	"github.com/faxmesh/faxmesh/cluster/roaming/courier"
)

// Times of the loops that keep a node's place.
const (
	attendEvery = 250 * time.Millisecond // between looks whether this node has its place; a look is cheap
	attendLater = 2 * time.Second        // between calls to a cluster that does not give it one
)

const methodAttend = "attend"

// MemberStatus is a member and what this node sees of it.
type MemberStatus struct {
	fax.Node
	Alive   bool
	Voter   bool
	Standby bool // it has the log without a vote
	Leader  bool
}

// Members lists the members by name.
func (c *Cluster) Members() []MemberStatus {
	nodes, err := c.book.nodes()
	if err != nil {
		c.opt.Logger.Warn("the members cannot be listed", "err", err)
		return nil
	}
	alive, leader, voters := c.table.Alive(), c.Leader(), c.parts()
	status := make([]MemberStatus, 0, len(nodes))
	for _, n := range nodes {
		votes, known := voters[n.Name]
		status = append(status, MemberStatus{Node: n, Alive: slices.Contains(alive, n.Name), Voter: votes, Standby: known && !votes, Leader: n.Name == leader})
	}
	return status
}

// IsLeader reports whether this node leads now.
func (c *Cluster) IsLeader() bool { return c.raft.IsLeader() }

// Leader is the node that leads, as far as this one knows; "" if none.
func (c *Cluster) Leader() string {
	if leader := c.raft.Leader(); leader != "" {
		return leader
	}
	told, fresh := c.fed.now()
	if !fresh {
		return ""
	}
	return told.Leader
}

// Presence is who is logged in where and what each line does.
func (c *Cluster) Presence() *presence.Table { return c.table }

// PutSession shows a session of this node to all nodes.
func (c *Cluster) PutSession(s presence.Session) error {
	change, err := c.table.PutSession(s)
	return c.publish("session "+s.ID, change, err)
}

// DropSession ends a session of this node.
func (c *Cluster) DropSession(id string) error {
	return c.publish("session "+id, c.table.DropSession(id), nil)
}

// SetLine shows what a line of this node does.
func (c *Cluster) SetLine(l fax.LineState) error {
	change, err := c.table.PutLine(l)
	return c.publish("line "+l.Name, change, err)
}

// DropLine takes a line of this node out of sight.
func (c *Cluster) DropLine(name string) error {
	return c.publish("line "+name, c.table.DropLine(name), nil)
}

// SetLoad shows how busy this node is.
func (c *Cluster) SetLoad(l presence.Load) error {
	change, err := c.table.PutLoad(l)
	return c.publish("load", change, err)
}

func (c *Cluster) publish(what string, change []byte, err error) error {
	if err != nil || change == nil {
		return err
	}
	c.bells.ring()
	return c.gossip.Broadcast(what, change)
}

// Changed returns a bell that rings when the ledger or presence may have
// changed, leadership included. Stop takes it down.
func (c *Cluster) Changed() (bell <-chan struct{}, stop func()) { return c.bells.hang() }

// merge takes in what gossip brings.
func (c *Cluster) merge(message []byte) {
	if len(message) > 0 && message[0] == courier.First {
		c.roamers.courier.Hear(message)
		return
	}
	changed, err := c.table.Merge(message)
	if err != nil {
		c.opt.Logger.Debug("a gossip message was refused", "err", err)
	}
	if changed {
		c.bells.ring()
	}
}

// alive hears from gossip who has come and gone. It does not block.
func (c *Cluster) alive(node string, alive bool) {
	if c.table.SetAlive(node, alive) {
		c.seen.changed(node)
		c.opt.Logger.Info("a node has come or gone", "peer", node, "alive", alive)
		c.bells.ring()
		c.documents.replica.Repair()
		if alive {
			c.roamers.courier.Alive(node)
		}
	}
}

// others lists the live nodes but this one.
func (c *Cluster) others() []string {
	return slices.DeleteFunc(c.table.Alive(), func(n string) bool { return n == c.id.Name })
}

// peers gives the other members' addresses.
func (c *Cluster) peers() map[string]string {
	nodes, err := c.book.nodes()
	if err != nil {
		return nil
	}
	peers := make(map[string]string, len(nodes))
	for _, n := range nodes {
		if n.Name != c.id.Name {
			peers[n.Name] = n.PeerAddr
		}
	}
	return peers
}

// watch passes the ledger's bell on and closes the connections of nodes that
// are members no more.
func (c *Cluster) watch() {
	bell, stop := c.ledger.Watch()
	defer stop()
	var members []fax.Node
	for {
		select {
		case <-bell:
		case <-c.life.ctx.Done():
			return
		}
		c.bells.ring()
		if err := c.installKeys(); err != nil {
			c.opt.Logger.Warn("the gossip keys cannot be changed", "err", err)
		}
		nodes, err := c.book.nodes()
		if err == nil && !slices.Equal(nodes, members) {
			c.port.mux.Expel()
			members = slices.Clone(nodes)
		}
	}
}

// Advertise says at which host:port clients reach this node, when that is
// known only after Open.
func (c *Cluster) Advertise(clientAddr string) {
	c.port.mu.Lock()
	defer c.port.mu.Unlock()
	c.port.clientAddr = clientAddr
}

// self is this node as the members should know it.
func (c *Cluster) self() fax.Node {
	n, _ := c.book.find(c.id.Name)
	n.Name, n.Fingerprint, n.PeerAddr = c.id.Name, c.id.Fingerprint(), c.port.advertise
	n.Site, n.NoVote, n.Leaving = c.opt.Site, c.opt.NoVote, c.leaving.underWay()
	n.Next, n.Knows = c.id.Next(), ledger.Newest
	c.port.mu.Lock()
	defer c.port.mu.Unlock()
	if c.port.clientAddr != "" {
		n.ClientAddr = c.port.clientAddr
	}
	return n
}

// roll is the members as this node tells them to another: its own addresses
// are right in it even before the ledger has them.
func (c *Cluster) roll() (roll, error) {
	r, err := c.book.current()
	r.Nodes = slices.Clone(r.Nodes)
	for i, n := range r.Nodes {
		if n.Name == c.id.Name {
			r.Nodes[i] = c.self()
		}
	}
	return r, err
}

// attend keeps this node's place in the cluster: it sees to it that the members
// know its addresses, and that it knows them, even when all it has is the list
// of members of the day it joined.
func (c *Cluster) attend() {
	leader := ""
	for wait := attendEvery; pause(c.life.ctx, wait) == nil; {
		current := c.Leader()
		if current != leader {
			leader = current
			c.opt.Logger.Info("the leader has changed", "leader", leader)
			c.bells.ring()
		}
		self := c.self()
		if n, err := c.ledger.Node(c.id.Name); err == nil && n == self && leader != "" {
			wait = attendEvery
			continue
		}
		if err := c.attendOnce(self); err != nil {
			c.opt.Logger.Debug("the cluster does not answer", "err", err)
			wait = min(2*wait, attendLater)
			continue
		}
		wait = attendEvery
	}
}

// notice is what attending nodes tell, and are told in return.
type notice struct {
	Node   fax.Node `json:"node"`
	Leader string   `json:"leader"`
	// Parts are the nodes in Raft, from any of which one may follow.
	Parts map[string]bool `json:"parts,omitempty"`
	roll
}

// attendOnce tells the leader, or who can say who leads, about this node.
func (c *Cluster) attendOnce(self fax.Node) error {
	ctx, cancel := context.WithTimeout(c.life.ctx, ProposeTime)
	defer cancel()
	if c.raft.IsLeader() {
		_, err := c.Propose(ctx, ledger.PutNode{Node: self})
		return err
	}
	body, err := json.Marshal(notice{Node: self})
	if err != nil {
		return err
	}
	ask := []string{c.Leader()}
	for name := range c.peers() {
		ask = append(ask, name)
	}
	asked, failure := map[string]bool{"": true, c.id.Name: true}, errNoLeader
	for i := 0; i < len(ask); i++ {
		if asked[ask[i]] {
			continue
		}
		asked[ask[i]] = true
		answer, err := c.client.Call(ctx, ask[i], methodAttend, body)
		if err != nil {
			failure = err
			continue
		}
		var told notice
		if err := json.Unmarshal(answer, &told); err != nil {
			failure = fmt.Errorf("the answer of %s: %w", ask[i], err)
			continue
		}
		if err := errors.Join(c.book.learn(told.roll), c.installKeys()); err != nil {
			return err
		}
		if told.Leader == ask[i] {
			c.fed.learn(told.Parts)
			return nil
		}
		ask = slices.Insert(ask, i+1, told.Leader)
	}
	return failure
}

// handleAttend hears of another node's addresses, which the leader enters, and
// tells it who the members are.
func (c *Cluster) handleAttend(ctx context.Context, from string, body []byte) ([]byte, error) {
	var told notice
	if err := json.Unmarshal(body, &told); err != nil {
		return nil, fax.Errorf(fax.Invalid, "the notice of %s is not well-formed", from)
	}
	have, ok := c.book.find(from)
	if !ok || told.Node.Name != from {
		return nil, fax.Errorf(fax.NotAllowed, "node %s cannot speak for %q", from, told.Node.Name)
	}
	if told.Node.Fingerprint != have.Next {
		told.Node.Fingerprint = have.Fingerprint
	}
	told.Node.Joined, told.Node.Was = have.Joined, have.Was
	if c.raft.IsLeader() && told.Node != have {
		if _, err := c.Propose(ctx, ledger.PutNode{Node: told.Node}); err != nil {
			return nil, err
		}
	}
	current, err := c.roll()
	if err != nil {
		return nil, err
	}
	return json.Marshal(notice{Leader: c.Leader(), Parts: c.parts(), roll: current})
}
