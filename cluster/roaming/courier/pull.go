package courier

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/roaming"
)

// The methods that nodes call on one another.
const (
	methodAsk     = "roaming-ask"
	methodCopy    = "roaming-copy"
	methodDigests = "roaming-digests"
)

var errNoProgress = errors.New("its pages bring nothing new and do not end")

// Handle gives handle what answers the other nodes.
func (c *Courier) Handle(handle func(method string, f func(ctx context.Context, from string, body []byte) ([]byte, error))) {
	handle(methodAsk, c.serveAsk)
	handle(methodCopy, c.serveCopy)
	handle(methodDigests, c.serveDigests)
}

func (c *Courier) serveAsk(_ context.Context, from string, body []byte) ([]byte, error) {
	ask, err := roaming.DecodeAsk(body)
	if err != nil {
		return nil, fax.Errorf(fax.Invalid, "%v", err)
	}
	now := time.Now()
	c.note(from, ask.Vector)
	c.measure(from, now, now, ask.Wall)
	p, err := c.cfg.Store.Page(now, ask)
	if err != nil {
		return nil, err
	}
	return p.Encode(), nil
}

func (c *Courier) serveCopy(_ context.Context, _ string, body []byte) ([]byte, error) {
	want, err := roaming.DecodeWant(body)
	if err != nil {
		return nil, fax.Errorf(fax.Invalid, "%v", err)
	}
	p, err := c.cfg.Store.Copy(time.Now(), want)
	if err != nil {
		return nil, err
	}
	return p.Encode(), nil
}

// note keeps what a node knows, for the deletions.
func (c *Courier) note(node string, v roaming.Vector) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen[node] != nil || len(c.seen) < maxWanted {
		c.seen[node] = v
	}
}

// carry asks for what is wanted, soon, and compares notes with some node now
// and then. Who does not answer, as one that has just begun to run, is asked
// again a few times.
func (c *Courier) carry() {
	failed := map[string]int{} // how often, of those to ask again
	for {
		var again <-chan time.Time
		if len(failed) > 0 {
			again = time.After(askAgain)
		}
		select {
		case <-c.wake:
			if !pause(c.ctx, rand.N(askWithin)) {
				return
			}
			for _, node := range c.due() {
				c.try(node, failed)
			}
		case <-again:
			others := c.cfg.Others()
			for node := range maps.Clone(failed) {
				if slices.Contains(others, node) {
					c.try(node, failed)
				} else {
					delete(failed, node)
				}
			}
		case <-time.After(compareEvery*3/4 + rand.N(compareEvery/2)):
			if others := c.cfg.Others(); len(others) > 0 {
				c.try(others[rand.N(len(others))], failed)
			}
		case <-c.ctx.Done():
			return
		}
	}
}

// try asks a node and counts how often it has not answered.
func (c *Courier) try(node string, failed map[string]int) {
	err := c.ask(node)
	if err == nil || c.ctx.Err() != nil {
		delete(failed, node)
		return
	}
	c.cfg.Logger.Debug("a node did not say what has changed in profiles and address books", "peer", node, "err", err)
	if failed[node]++; failed[node] >= askTimes {
		delete(failed, node)
	}
}

// pause waits, and reports false if ctx ended before.
func pause(ctx context.Context, wait time.Duration) bool {
	select {
	case <-time.After(wait):
		return true
	case <-ctx.Done():
		return false
	}
}

// due are the nodes to ask now: those whose changes are still lacking, some of
// those that have come back.
func (c *Courier) due() []string {
	v, err := c.cfg.Store.Vector()
	if err != nil {
		c.cfg.Logger.Error("profiles and address books cannot be read", "err", err)
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var due []string
	for node, covered := range c.wanted {
		if v.Behind(covered) {
			due = append(due, node)
		}
	}
	rand.Shuffle(len(c.risen), func(i, j int) { c.risen[i], c.risen[j] = c.risen[j], c.risen[i] })
	due = append(due, c.risen[:min(askRisen, len(c.risen))]...)
	clear(c.wanted)
	c.risen = nil
	slices.Sort(due)
	return slices.Compact(due)
}

// ask gets from a node all that it knows and this one does not.
func (c *Courier) ask(node string) error {
	ask := roaming.Ask{Skip: roaming.Vector{}}
	copied := false
	for c.ctx.Err() == nil {
		v, err := c.cfg.Store.Vector()
		if err != nil {
			return err
		}
		ask.Wall, ask.Vector = fax.At(time.Now()), v
		p, err := c.page(node, methodAsk, ask.Encode())
		if err != nil {
			return err
		}
		c.note(node, p.Vector)
		if p.Cut && !copied {
			if err := c.copy(node); err != nil {
				return err
			}
			copied = true
			continue
		}
		m, err := c.cfg.Store.Merge(time.Now(), p)
		if err != nil {
			return err
		}
		c.merged(m)
		maps.Copy(ask.Skip, m.Held)
		if !p.More {
			return nil
		}
		if len(m.Held) == 0 && !v.Behind(p.Covered) {
			return errNoProgress
		}
	}
	return c.ctx.Err()
}

// page asks for a page and notes how far the other node's clock is from ours.
func (c *Courier) page(node, method string, body []byte) (roaming.Page, error) {
	ctx, cancel := context.WithTimeout(c.ctx, callTime)
	defer cancel()
	asked := time.Now()
	answer, err := c.cfg.Call(ctx, node, method, body)
	if err != nil {
		return roaming.Page{}, err
	}
	p, err := roaming.DecodePage(answer)
	if err == nil {
		c.measure(node, asked, time.Now(), p.Wall)
	}
	return p, err
}

// copy takes a fresh copy of all records from a node, because it has forgotten
// deletions that this one lacks, or because this node has nothing yet.
func (c *Courier) copy(node string) error {
	var first roaming.Vector
	held, after := roaming.Vector{}, ""
	for c.ctx.Err() == nil {
		p, err := c.page(node, methodCopy, roaming.Want{After: after}.Encode())
		if err != nil {
			return err
		}
		if first == nil {
			first = p.Vector
		}
		m, err := c.cfg.Store.MergeCopy(time.Now(), after, p)
		if err != nil {
			return err
		}
		c.merged(m)
		for o, seq := range m.Held {
			if h := held[o]; h == 0 || seq < h {
				held[o] = seq
			}
		}
		if !p.More {
			c.cfg.Logger.Info("this node has taken a fresh copy of all profiles and address books", "peer", node)
			return c.cfg.Store.EndCopy(first, held)
		}
		if p.Last <= after {
			return errNoProgress
		}
		after = p.Last
	}
	return c.ctx.Err()
}
