package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/peer"
)

// MethodRenew is asked by Control: the node changes its key now. The answer is
// a Renewed.
const MethodRenew = "renew"

// Times of renewing a node's key.
const (
	renewEvery  = time.Minute            // between looks whether it is time
	renewStep   = 100 * time.Millisecond // between looks whether the members know the next key
	spreadTime  = 15 * time.Second       // for the members that are up to hear of it, after it is agreed on
	renewWithin = 7 * 24 * time.Hour     // after which a renewal that does not come about is warned of
	orderWithin = 25 * time.Second       // for a renewal that was ordered
)

// Renewed is what a renewal that was ordered has come to.
type Renewed struct {
	Fingerprint string     `json:"fingerprint"` // of the new key
	Until       fax.Millis `json:"until"`       // its certificate is good
}

// renewing is the state of this node's renewal.
type renewing struct {
	one sync.Mutex // renewal at a time

	mu  sync.Mutex
	err error // why the last try has failed
}

func (r *renewing) end(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
	return err
}

func (r *renewing) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

func (c *Cluster) identityDir() string { return filepath.Join(c.opt.Dir, ownDir, identityDir) }

// signInTime signs this node's certificate again if it has ended or is about
// to. That needs nobody: what lets the node in is that the members know its key.
func (c *Cluster) signInTime() error {
	if c.id.Due(time.Now()) != peer.SignAgain {
		return nil
	}
	until := c.id.Certificate().Leaf.NotAfter
	if err := c.id.SignAgain(c.identityDir()); err != nil {
		return fmt.Errorf("the node's certificate ends, or has ended, on %s and cannot be renewed: %w", until.Format(time.DateOnly), err)
	}
	c.opt.Logger.Warn("the node's certificate was signed again for the key that it has", "ended", until, "until", c.id.Certificate().Leaf.NotAfter)
	return nil
}

// renewInTime renews this node's certificate when that is due, or goes on with
// a renewal that was cut short.
func (c *Cluster) renewInTime() {
	for wait := renewStep; pause(c.life.ctx, wait) == nil; wait = renewEvery {
		if err := c.signInTime(); err != nil {
			c.renewing.end(err)
			c.opt.Logger.Error("the certificate cannot be renewed", "err", err)
			continue
		}
		if c.id.Due(time.Now()) == peer.KeepIt && c.id.Next() == "" || c.Leader() == "" {
			continue
		}
		if err := c.renew(c.life.ctx); err != nil && c.life.ctx.Err() == nil {
			c.opt.Logger.Warn("this node's key could not be changed yet; it is tried again", "until", c.id.Certificate().Leaf.NotAfter, "err", err)
		}
	}
}

// renew changes this node's key: the members hear of the next one, then it is
// used. Those who have not heard yet go on meeting the node by the old one.
func (c *Cluster) renew(ctx context.Context) error {
	c.renewing.one.Lock()
	defer c.renewing.one.Unlock()
	ctx, cancel := context.WithTimeout(ctx, orderWithin)
	defer cancel()
	return c.renewing.end(c.renewOnce(ctx))
}

func (c *Cluster) renewOnce(ctx context.Context) error {
	if err := c.id.Prepare(c.identityDir()); err != nil {
		return err
	}
	next := c.id.Next()
	for { // attend tells the members
		if n, err := c.ledger.Node(c.id.Name); err == nil && n.Next == next {
			break
		}
		if err := pause(ctx, renewStep); err != nil {
			return fmt.Errorf("the members do not agree on the new key: %w", err)
		}
	}
	c.spread(ctx)
	if err := c.id.Switch(c.identityDir()); err != nil {
		return err
	}
	c.opt.Logger.Info("this node has a new key", "fingerprint", next, "until", c.id.Certificate().Leaf.NotAfter)
	return nil
}

// spread waits until the members that are up have what this node's ledger has,
// but not for long.
func (c *Cluster) spread(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, spreadTime)
	defer cancel()
	index, _ := c.ledger.Applied()
	for behind := c.others(); ; {
		told := c.positions(ctx, behind, positionWait)
		var left []string
		for _, name := range behind {
			if told[name].Index < index {
				left = append(left, name)
			}
		}
		if behind = left; len(behind) == 0 || pause(ctx, renewStep) != nil {
			return
		}
	}
}

// handleRenew changes the key by order.
func (c *Cluster) handleRenew(ctx context.Context, _ []byte) ([]byte, error) {
	if c.Leader() == "" {
		return nil, fax.Errorf(fax.Unavailable, "node %s is cut off from the majority, which has to know its new key; try again when it is not", c.id.Name)
	}
	if err := c.renew(ctx); err != nil {
		return nil, fax.Errorf(fax.Unavailable, "the key is not changed yet (%v); the node goes on trying", err)
	}
	return json.Marshal(Renewed{Fingerprint: c.id.Fingerprint(), Until: fax.At(c.id.Certificate().Leaf.NotAfter)})
}

// renewalWarnings are what an administrator should know of the certificate.
func (c *Cluster) renewalWarnings(now time.Time) (warnings []string) {
	until, due := c.id.Certificate().Leaf.NotAfter, c.id.ChangeTime()
	if now.Sub(due) < renewWithin && until.Sub(now) >= certificateSoon {
		return nil
	}
	why := c.renewing.failure()
	if why == nil {
		why = errNoLeader
	}
	return []string{fmt.Sprintf("the certificate of node %s ends on %s and should have been renewed on %s: %v",
		c.id.Name, until.Format(time.DateOnly), due.Format(time.DateOnly), why)}
}
