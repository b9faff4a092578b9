package cluster

import (
	"context"
	"math"
	"slices"
	"time"
)

// Times of the leader's watch over the voters.
const (
	votersEvery = time.Second
	votersAgain = 100 * time.Millisecond // after a change, which may be one of several
	changeTime  = 10 * time.Second       // one change of Raft's configuration
	lagWait     = 500 * time.Millisecond // for a node to say how far it is
)

// seeToVoters is the leader's: nodes that have come get the log, as many as
// there should be get a vote, one step at a time.
func (c *Cluster) seeToVoters() {
	seen := sightings{}
	for wait := votersEvery; pause(c.life.ctx, wait) == nil; {
		wait = votersEvery
		if !c.raft.IsLeader() {
			clear(seen)
			continue
		}
		what, name := nextChange(c.standings(seen, time.Now()))
		if what == nothing {
			continue
		}
		if err := c.carryOut(what, name); err != nil {
			c.opt.Logger.Warn("a node's part in the voting could not be changed", "peer", name, "change", what, "err", err)
			continue
		}
		wait = votersAgain
	}
}

func (c *Cluster) carryOut(what change, name string) error {
	ctx, cancel := context.WithTimeout(c.life.ctx, changeTime)
	defer cancel()
	c.opt.Logger.Info("a node's part in the voting changes", "peer", name, "change", what)
	switch what {
	case follow:
		return c.raft.AddNonvoter(ctx, name)
	case promote:
		return c.raft.AddVoter(ctx, name)
	case demote:
		return c.raft.Demote(ctx, name)
	case withdraw:
		return c.raft.Remove(ctx, name)
	case handOver:
		return c.raft.Transfer()
	}
	return nil
}

// sightings are since when nodes are alive or away, as far as this leader has
// seen.
type sightings map[string]sighting

type sighting struct {
	alive bool
	at    time.Time
}

// since is how long a node has been as it is.
func (s sightings) since(name string, alive bool, now time.Time) time.Duration {
	before, ok := s[name]
	if !ok || before.alive != alive {
		before = sighting{alive, now}
		s[name] = before
	}
	return now.Sub(before.at)
}

// standings is what the leader knows; nothing if it cannot know itself a
// member, lest it take everyone for a stranger.
func (c *Cluster) standings(seen sightings, now time.Time) []standing {
	members := c.Members()
	parts, err := c.raft.Members()
	if err != nil || !slices.ContainsFunc(members, func(m MemberStatus) bool { return m.Name == c.id.Name }) {
		return nil
	}
	known := map[string]standing{}
	var following []string
	for _, m := range parts {
		known[m.Name] = standing{name: m.Name, known: true, voter: m.Voter, leader: m.Name == c.id.Name}
		if !m.Voter {
			following = append(following, m.Name)
		}
	}
	end, _ := c.raft.Logged()
	told := c.positions(c.life.ctx, slices.DeleteFunc(following, func(n string) bool { return !slices.Contains(c.others(), n) }), lagWait)
	for _, m := range members {
		s := known[m.Name]
		s.name, s.site, s.member, s.barred, s.leaving, s.alive = m.Name, m.Site, true, m.NoVote, m.Leaving, m.Alive
		s.since = seen.since(m.Name, m.Alive, now)
		s.lag = math.MaxUint64
		if p, ok := told[m.Name]; ok {
			s.lag = end - min(p.Logged, end)
		}
		known[m.Name] = s
	}
	nodes := make([]standing, 0, len(known))
	for _, s := range known {
		nodes = append(nodes, s)
	}
	return nodes
}
