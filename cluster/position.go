package cluster

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

const (
	methodPosition = "position"
	positionWait   = 2 * time.Second // for one answer
)

// Position is how far a node has come, as it says itself.
type Position struct {
	Index  uint64 `json:"index"`  // of the last entry in its ledger
	Chain  string `json:"chain"`  // hex SHA-256 over all entries up to there
	Logged uint64 `json:"logged"` // index of the last entry in its log
	Term   uint64 `json:"term"`
	Leader string `json:"leader"` // as far as it knows
}

// Position is this node's.
func (c *Cluster) Position() Position {
	index, chain := c.ledger.Applied()
	logged, term := c.raft.Logged()
	return Position{Index: index, Chain: hex.EncodeToString(chain[:]), Logged: max(logged, index), Term: term, Leader: c.Leader()}
}

func (c *Cluster) handlePosition(context.Context, string, []byte) ([]byte, error) {
	return json.Marshal(c.Position())
}

// positions asks nodes, all at once. Those that do not answer in time are
// missing in what it returns.
func (c *Cluster) positions(ctx context.Context, nodes []string, wait time.Duration) map[string]Position {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var asking sync.WaitGroup
	var mu sync.Mutex
	found := map[string]Position{}
	for _, name := range nodes {
		asking.Go(func() {
			p, err := c.positionOf(ctx, name)
			if err != nil {
				c.opt.Logger.Debug("a node does not say how far it has come", "peer", name, "err", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			found[name] = p
		})
	}
	asking.Wait()
	return found
}

func (c *Cluster) positionOf(ctx context.Context, node string) (p Position, err error) {
	answer, err := c.client.Call(ctx, node, methodPosition, nil)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(answer, &p); err != nil {
		return p, fmt.Errorf("the answer of %s: %w", node, err)
	}
	return p, nil
}
