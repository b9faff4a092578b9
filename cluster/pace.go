package cluster

import (
	"context"
	"slices"
	"time"
)

// How the distance of the voters is measured.
const (
	paceEvery  = 3 * time.Second
	paceWait   = 2 * time.Second // for one answer
	paceTries  = 3               // calls in a row; the first may have to dial, which is several trips
	paceMemory = 8               // measurements of a node that count
)

const methodEcho = "echo"

// handleEcho answers at once.
func (c *Cluster) handleEcho(context.Context, string, []byte) ([]byte, error) { return nil, nil }

// Answers reports whether a node can be reached before ctx ends; this one can.
func (c *Cluster) Answers(ctx context.Context, node string) bool {
	if node == c.id.Name {
		return true
	}
	_, err := c.client.Call(ctx, node, methodEcho, nil)
	return err == nil
}

// keepPace has the agreement's timeouts follow the round trips to the other
// voters.
func (c *Cluster) keepPace() {
	measured := trips{}
	for pause(c.life.ctx, paceEvery) == nil {
		voters := c.otherVoters()
		measured.keep(voters)
		for _, name := range voters {
			if trip, ok := c.measure(name); ok {
				measured.add(name, trip)
			}
		}
		longest, ok := measured.longest()
		if !ok {
			continue
		}
		if err := c.raft.Pace(longest); err != nil {
			c.opt.Logger.Warn("the agreement's timeouts do not follow the round trips", "err", err)
		}
	}
}

func (c *Cluster) otherVoters() []string {
	parts, err := c.raft.Members()
	if err != nil {
		return nil
	}
	var names []string
	for _, m := range parts {
		if m.Voter && m.Name != c.id.Name {
			names = append(names, m.Name)
		}
	}
	return names
}

// measure is the shortest of a few round trips to a node, if it answers.
func (c *Cluster) measure(node string) (shortest time.Duration, ok bool) {
	for range paceTries {
		ctx, cancel := context.WithTimeout(c.life.ctx, paceWait)
		begun := time.Now()
		_, err := c.client.Call(ctx, node, methodEcho, nil)
		took := time.Since(begun)
		cancel()
		if err != nil {
			return 0, false
		}
		if !ok || took < shortest {
			shortest, ok = took, true
		}
	}
	return shortest, ok
}

// trips are the last measured round trips to each node.
type trips map[string][]time.Duration

func (t trips) add(node string, trip time.Duration) {
	all := append(t[node], trip)
	t[node] = all[max(0, len(all)-paceMemory):]
}

// keep forgets all nodes but these.
func (t trips) keep(nodes []string) {
	for node := range t {
		if !slices.Contains(nodes, node) {
			delete(t, node)
		}
	}
}

// longest is the distance of the farthest node. The distance of a node is the
// shortest of its round trips: what makes one of them longer than another is
// no distance.
func (t trips) longest() (farthest time.Duration, ok bool) {
	for _, all := range t {
		farthest, ok = max(farthest, slices.Min(all)), true
	}
	return farthest, ok
}
