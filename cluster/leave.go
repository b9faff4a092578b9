package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

// MethodLeave is asked of a node by Control, with a LeaveOrder, again and again
// until the LeaveProgress says that it is done or stuck.
const MethodLeave = "leave"

// Times of leaving.
const (
	leaveStep  = 500 * time.Millisecond // between looks at what a node still has
	partWait   = time.Minute            // for the others to take the vote; then it goes with it
	dropTime   = 3 * time.Second        // for an answer that may never come; see dropMyself
	handUpTime = time.Hour              // one round of copying documents away
)

// LeaveOrder says how a node is to leave.
type LeaveOrder struct {
	// WhenDone waits for calls and copies, however long they take.
	WhenDone bool `json:"when_done"`
	// Force leaves now: calls are ended, the only copies of documents stay here.
	Force bool `json:"force"`
}

// LeaveProgress is how far a node has come with leaving.
type LeaveProgress struct {
	Waits []string `json:"waits"` // what it waits for, in words for people
	Done  bool     `json:"done"`  // it is no member any more
	Error string   `json:"error"` // why it has given up; it stays a member
}

// ErrLeft is why a node ends that has left its cluster.
var ErrLeft = errors.New("the node has left its cluster")

// leaving is this node on its way out of the cluster.
type leaving struct {
	mu       sync.Mutex
	under    bool // way
	gone     bool // another node has said that it is no member any more
	order    LeaveOrder
	progress LeaveProgress
	remains  func() string // see Remains
}

func (l *leaving) underWay() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.under
}

// over takes in that this node is no member any more, and says whether it was
// leaving.
func (l *leaving) over() (left bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = true
	return l.under
}

func (l *leaving) isOver() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gone
}

func (l *leaving) look() (LeaveOrder, LeaveProgress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.order, l.progress
}

func (l *leaving) waits(what ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.progress.Waits = what
}

// end says how it came out. A node that has given up may try again.
func (l *leaving) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.progress = LeaveProgress{Done: err == nil}
	if err != nil {
		l.under = false
		l.progress.Error = err.Error()
	}
}

// handleLeave begins to leave, or says how far it is.
func (c *Cluster) handleLeave(ctx context.Context, body []byte) ([]byte, error) {
	var order LeaveOrder
	if err := json.Unmarshal(body, &order); err != nil {
		return nil, fax.Errorf(fax.Invalid, "the order to leave is not well-formed")
	}
	if !c.leaving.underWay() {
		if err := c.mayLeave(order); err != nil {
			return nil, err
		}
	}
	c.leaving.mu.Lock()
	begin := !c.leaving.under
	if begin {
		c.leaving.progress = LeaveProgress{Waits: []string{"the others to know that it leaves"}}
	}
	c.leaving.under = true
	c.leaving.order = LeaveOrder{WhenDone: c.leaving.order.WhenDone || order.WhenDone, Force: c.leaving.order.Force || order.Force}
	c.leaving.mu.Unlock()
	if begin {
		c.opt.Logger.Info("this node leaves the cluster", "when_done", order.WhenDone, "force", order.Force)
		c.life.work.Go(func() { c.leave() })
	}
	_, progress := c.leaving.look()
	return json.Marshal(progress)
}

// mayLeave says why a node cannot leave as things are.
func (c *Cluster) mayLeave(order LeaveOrder) error {
	members := c.Members()
	alive := 0
	for _, m := range members {
		if m.Alive && !m.Leaving && m.Name != c.id.Name {
			alive++
		}
	}
	_, alone := c.Alone()
	switch {
	case len(members) < 2:
		return fax.Errorf(fax.Conflict, "%s is the last node of its cluster and cannot leave it", c.id.Name)
	case alone || c.Leader() == "":
		return fax.Errorf(fax.Unavailable, "node %s is cut off from the majority: nobody would hear that it leaves; try again when it is not", c.id.Name)
	case alive == 0:
		return fax.Errorf(fax.Conflict, "no other node is up to take over what %s has", c.id.Name)
	case order.WhenDone || order.Force:
		return nil
	}
	calls, err := c.calls()
	if err == nil && len(calls) > 0 {
		err = fax.Errorf(fax.Conflict, "%s; wait for the end with --when-done, or end them with --force", strings.Join(calls, ", "))
	}
	return err
}

// calls are the calls that this node makes or takes now.
func (c *Cluster) calls() (calls []string, err error) {
	for _, l := range c.table.Lines() {
		if l.Node == c.id.Name && l.State != "free" && l.State != "down" {
			calls = append(calls, fmt.Sprintf("line %s is %s", l.Name, l.State))
		}
	}
	jobs, err := c.running(c.id.Name)
	if len(calls) == 0 && len(jobs) > 0 {
		calls = append(calls, fmt.Sprintf("%d jobs are leased to it", len(jobs)))
	}
	return calls, err
}

// running are the jobs of which a node makes an attempt.
func (c *Cluster) running(node string) (ids []string, err error) {
	f := ledger.JobFilter{States: []fax.State{fax.Assigned, fax.Dialing, fax.Sending}, Oldest: true}
	for {
		page, err := c.ledger.Jobs(f)
		if err != nil {
			return nil, err
		}
		for i := range page {
			if page[i].Last != nil && page[i].Last.Node == node {
				ids = append(ids, page[i].ID)
			}
		}
		if len(page) < ledger.MaxList {
			return ids, nil
		}
		f.After = ledger.PlaceOf(page[len(page)-1])
	}
}

// leave is the way out: no new work, the end of the calls, what only this node
// knows told, copies of all documents elsewhere, the vote given up, then the end of membership.
func (c *Cluster) leave() {
	err := c.leaveInOrder(c.life.ctx)
	c.leaving.end(err)
	if err != nil {
		c.opt.Logger.Warn("this node does not leave after all", "err", err)
		return
	}
	c.stopFor(ErrLeft, fmt.Sprintf("node %s has left its cluster; to use this machine again join with a new directory", c.id.Name))
}

func (c *Cluster) leaveInOrder(ctx context.Context) error {
	if err := c.until(ctx, "the others to know that it leaves", func(LeaveOrder) (bool, error) {
		n, err := c.ledger.Node(c.id.Name)
		return n.Leaving, err
	}); err != nil {
		return err
	}
	if err := c.endCalls(ctx); err != nil {
		return err
	}
	if err := c.tellRemains(ctx); err != nil { // received faxes become documents
		return err
	}
	if err := c.handOverDocuments(ctx); err != nil {
		return err
	}
	if err := c.tellRemains(ctx); err != nil { // what was noted meanwhile
		return err
	}
	begun := time.Now()
	if err := c.until(ctx, "another node to take its vote", func(LeaveOrder) (bool, error) {
		votes := false
		for _, m := range c.Members() {
			votes = votes || m.Name == c.id.Name && m.Voter
		}
		return !votes || time.Since(begun) > partWait && !c.IsLeader(), nil
	}); err != nil {
		return err
	}
	return c.dropMyself(ctx)
}

// until waits for what is; waiting is told to those who ask.
func (c *Cluster) until(ctx context.Context, what string, is func(LeaveOrder) (bool, error)) error {
	for {
		order, _ := c.leaving.look()
		ok, err := is(order)
		if ok || err != nil {
			return err
		}
		c.leaving.waits(what)
		if err := pause(ctx, leaveStep); err != nil {
			return err
		}
	}
}

// endCalls waits for the calls to end, or does not when that is forced.
func (c *Cluster) endCalls(ctx context.Context) error {
	for {
		calls, err := c.calls()
		order, _ := c.leaving.look()
		if err != nil || len(calls) == 0 || order.Force {
			return err
		}
		c.leaving.waits(calls...)
		if err := pause(ctx, leaveStep); err != nil {
			return err
		}
	}
}

// handOverDocuments sees to it that other nodes have all documents that this
// one has.
func (c *Cluster) handOverDocuments(ctx context.Context) error {
	for {
		c.leaving.waits("the documents that it has to be on other nodes")
		round, cancel := context.WithTimeout(ctx, handUpTime)
		alone, err := c.documents.replica.HandOver(round)
		cancel()
		order, _ := c.leaving.look()
		switch {
		case err == nil && alone == 0, order.Force:
			return nil
		case !order.WhenDone && err != nil:
			return fmt.Errorf("the documents could not be given to other nodes: %w", err)
		case !order.WhenDone:
			return fax.Errorf(fax.Conflict, "%d documents are on this node alone and no other could take them; wait with --when-done, or leave them behind with --force", alone)
		}
		c.leaving.waits(fmt.Sprintf("%d documents that no other node could take yet", alone))
		if err := pause(ctx, attendLater); err != nil {
			return err
		}
	}
}

// dropMyself ends this node's membership. Once that is agreed on, the others
// do not speak with it any more: so it may not hear the answer.
func (c *Cluster) dropMyself(ctx context.Context) error {
	c.leaving.waits("the others to take it off the list of members")
	for !c.leaving.isOver() {
		try, cancel := context.WithTimeout(ctx, dropTime)
		_, err := c.agree(try, ledger.DropNode{Name: c.id.Name, By: c.id.Name, At: fax.At(time.Now())})
		cancel()
		if _, gone := c.ledger.Node(c.id.Name); err == nil || fax.KindOf(err) == fax.NotFound || fax.KindOf(gone) == fax.NotFound && gone != nil {
			return nil
		}
		if fax.KindOf(err) == fax.Conflict {
			return err
		}
		if c.strangers(ctx) {
			return nil
		}
		if err := pause(ctx, attendLater); err != nil {
			return err
		}
	}
	return nil
}

// strangers says whether no other node speaks with this one any more though
// some are up: they have taken it off the list. Who has not found out before the
// gossip keys are changed sees nobody up; then it is told (handleGone).
func (c *Cluster) strangers(ctx context.Context) bool {
	others := c.others()
	return len(others) > 0 && len(c.positions(ctx, others, positionWait)) == 0
}
