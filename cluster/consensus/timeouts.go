package consensus

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// Timeouts of the protocol. Zero values mean those of defaults.
type Timeouts struct {
	Heartbeat time.Duration // silence after which a follower looks for a leader
	Election  time.Duration // length of one election
	Lease     time.Duration // time without a majority after which a leader steps down
	Commit    time.Duration // longest quiet time before a follower is told what is committed
	Stream    time.Duration // to dial a node and to move one message
	Apply     time.Duration // to take a command into the queue
}

// defaults are for nodes in one building: a leader that is gone is missed
// after one to three Heartbeat, and elections rarely take longer than one
// Election. Shorter ones would take a disk that pauses for a dead leader.
var defaults = Timeouts{
	Heartbeat: 500 * time.Millisecond,
	Election:  500 * time.Millisecond,
	Lease:     500 * time.Millisecond,
	Commit:    50 * time.Millisecond,
	Stream:    10 * time.Second,
	Apply:     5 * time.Second,
}

func (t Timeouts) orDefaults() Timeouts {
	for _, p := range []struct {
		to   *time.Duration
		from time.Duration
	}{
		{&t.Heartbeat, defaults.Heartbeat}, {&t.Election, defaults.Election}, {&t.Lease, defaults.Lease},
		{&t.Commit, defaults.Commit}, {&t.Stream, defaults.Stream}, {&t.Apply, defaults.Apply},
	} {
		if *p.to == 0 {
			*p.to = p.from
		}
	}
	return t
}

// How timeouts grow with the distance of nodes.
const (
	// heartbeatTrips round trips without a heartbeat are more than a lost
	// packet explains, whose repetition takes two or three.
	heartbeatTrips = 10
	// leaseTrips is the same for answers to a leader, which hears from each
	// follower every Commit and a round trip.
	leaseTrips = 6
	// maxHeartbeat bounds Heartbeat and Election however far the nodes are.
	maxHeartbeat = 5 * time.Second
)

// Over gives the timeouts for nodes that are a round trip apart, none of them
// shorter than it is in t.
func (t Timeouts) Over(roundTrip time.Duration) Timeouts {
	roundTrip = min(max(roundTrip, 0), maxHeartbeat)
	t.Heartbeat = max(t.Heartbeat, min(heartbeatTrips*roundTrip, maxHeartbeat))
	t.Election = max(t.Election, t.Heartbeat)
	t.Lease = min(max(t.Lease, leaseTrips*roundTrip), t.Heartbeat)
	return t
}

// near says whether a timeout is close enough to what it should be: round
// trips vary, and a change has its price.
func near(is, should time.Duration) bool {
	return is-should <= is/4 && should-is <= is/4
}

// towards gives the timeouts to change to when those in force are t. Raft
// cannot change its lease while it runs, and no other timeout may be shorter
// than the lease, so a change of the lease needs a restart of raft. Only a node
// that follows can afford one; another one keeps its lease until it does.
func (t Timeouts) towards(want Timeouts, follows bool) (next Timeouts, restart bool) {
	if near(t.Heartbeat, want.Heartbeat) && near(t.Lease, want.Lease) {
		return t, false
	}
	if follows {
		return want, !near(t.Lease, want.Lease)
	}
	want.Lease = t.Lease
	want.Heartbeat = max(want.Heartbeat, t.Lease)
	want.Election = max(want.Election, want.Heartbeat)
	return want, false
}

// Pace fits the timeouts to the longest round trip to another voter. To be
// called again as it changes.
func (n *Node) Pace(roundTrip time.Duration) error {
	n.life.mu.Lock()
	defer n.life.mu.Unlock()
	if n.life.ended {
		return nil
	}
	next, restart := n.life.inForce.towards(n.cfg.Timeouts.Over(roundTrip), n.raft().State() == raft.Follower)
	if next == n.life.inForce {
		return nil
	}
	n.log.log.Info("the agreement's timeouts follow the round trips", "roundtrip", roundTrip, "heartbeat", next.Heartbeat, "lease", next.Lease)
	if !restart {
		next.Lease = n.life.inForce.Lease
	}
	n.life.inForce = next
	if restart {
		n.reopenLocked(func() error { return nil })
		return nil
	}
	if err := n.reload(next.Heartbeat, next.Election); err != nil {
		return fmt.Errorf("change the timeouts: %w", err)
	}
	return nil
}

// reload changes what raft can change while it runs.
func (n *Node) reload(heartbeat, election time.Duration) error {
	c := n.raft().ReloadableConfig()
	c.HeartbeatTimeout, c.ElectionTimeout = heartbeat, election
	return n.raft().ReloadConfig(c)
}

// leadAloneLocked has a node that alone votes elect itself at once: there is
// nobody whose heartbeat it could wait for. No other node can have got a vote
// without it, so it does not matter how old what it knows is.
func (n *Node) leadAloneLocked() error {
	if votes, others := n.votes(); !votes || others > 0 {
		return nil
	}
	// Raft looks at the clock when the timeout becomes shorter.
	heartbeat, election := n.life.inForce.Heartbeat, n.life.inForce.Election
	if err := errors.Join(n.reload(heartbeat+1, election+1), n.reload(heartbeat, election)); err != nil {
		return fmt.Errorf("hasten the election: %w", err)
	}
	return nil
}
