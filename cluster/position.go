package cluster

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
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
	Ring   uint64 `json:"ring"`   // index of the entry with the gossip keys that it has
	// Yours is what it says of the asker's position.
	Yours agreement     `json:"yours,omitempty"`
	took  time.Duration // to ask
}

// Position is this node's.
func (c *Cluster) Position() Position {
	index, chain := c.ledger.Applied()
	logged, term := c.raft.Logged()
	return Position{Index: index, Chain: hex.EncodeToString(chain[:]), Logged: max(logged, index), Term: term, Leader: c.Leader(), Ring: c.keys.index.Load()}
}

// handlePosition answers a node that tells where it stands itself.
func (c *Cluster) handlePosition(_ context.Context, from string, body []byte) ([]byte, error) {
	own := c.Position()
	if len(body) > 0 {
		var theirs Position
		if err := json.Unmarshal(body, &theirs); err != nil {
			return nil, fax.Errorf(fax.Invalid, "the position of %s is not well-formed", from)
		}
		own.Yours = c.compare(theirs)
	}
	return json.Marshal(own)
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
	body, err := json.Marshal(c.Position())
	if err != nil {
		return p, err
	}
	begun := time.Now()
	answer, err := c.client.Call(ctx, node, methodPosition, body)
	if err != nil {
		return p, err
	}
	p.took = time.Since(begun)
	if err := json.Unmarshal(answer, &p); err != nil {
		return p, fmt.Errorf("the answer of %s: %w", node, err)
	}
	return p, nil
}
