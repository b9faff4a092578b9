package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// FreshTime bounds how long Fresh asks and waits.
const FreshTime = 2 * time.Second

const methodFresh = "fresh"

// ErrStale means that this node's ledger may lack what others know.
var ErrStale = errors.New("the majority of the servers has not been heard, so this server goes by what it knows itself")

// rounds lets those who ask meanwhile share the next question to the leader: a
// thousand logins in one moment are two questions.
type rounds struct {
	bell chan struct{} // rings when next is set
	mu   sync.Mutex
	next *round // that is not asked yet; nil if nobody waits for one
}

// round is one question and its answer.
type round struct {
	over chan struct{}
	err  error
}

// join is the round that begins after the call.
func (s *rounds) join() *round {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		s.next = &round{over: make(chan struct{})}
		s.bell <- struct{}{} // there is room: begin has emptied it
	}
	return s.next
}

// begin takes the round that is to be asked now.
func (s *rounds) begin() *round {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.next
	s.next = nil
	return r
}

// Fresh returns when this node's ledger shows everything that was agreed on,
// anywhere, before the call. ErrStale, after FreshTime at most, and at once on
// an island that hears of no leader: what the ledger shows is then what this
// node alone knows.
func (c *Cluster) Fresh(ctx context.Context) error {
	r := c.fresh.join()
	select {
	case <-r.over:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	case <-c.life.ctx.Done():
		return fmt.Errorf("%w: node %s is stopping", ErrStale, c.id.Name)
	}
}

// keepFresh asks round after round.
func (c *Cluster) keepFresh() {
	for {
		select {
		case <-c.fresh.bell:
			r := c.fresh.begin()
			r.err = c.askFresh()
			close(r.over)
		case <-c.life.ctx.Done():
			return
		}
	}
}

// askFresh asks until the leader has answered and its answer is applied here.
func (c *Cluster) askFresh() error {
	ctx, cancel := context.WithTimeout(c.life.ctx, FreshTime)
	defer cancel()
	for step := firstStep; ; step = min(2*step, electionStep) {
		index, err := c.verified(ctx)
		if err == nil {
			err = c.caughtUp(ctx, index)
		}
		if err == nil {
			return nil
		}
		if _, alone := c.Alone(); alone && c.Leader() == "" || pause(ctx, step) != nil {
			return fmt.Errorf("%w: %w", ErrStale, err)
		}
	}
}

// verified asks the leader, which may be this node.
func (c *Cluster) verified(ctx context.Context) (uint64, error) {
	leader := c.Leader()
	switch {
	case c.raft.IsLeader():
		return c.raft.Verified(ctx)
	case leader == "" || leader == c.id.Name:
		return 0, errNoLeader
	}
	answer, err := c.client.Call(ctx, leader, methodFresh, nil)
	switch {
	case err != nil:
		return 0, err
	case len(answer) != 8:
		return 0, fmt.Errorf("%s answers with %d octets instead of an index", leader, len(answer))
	}
	return binary.BigEndian.Uint64(answer), nil
}

// handleFresh tells another node up to where it must have the ledger.
func (c *Cluster) handleFresh(ctx context.Context, from string, _ []byte) ([]byte, error) {
	index, err := c.raft.Verified(ctx)
	if err != nil {
		return nil, fax.Errorf(fax.Unavailable, "node %s cannot tell %s what is agreed on: %v", c.id.Name, from, err)
	}
	return binary.BigEndian.AppendUint64(nil, index), nil
}
