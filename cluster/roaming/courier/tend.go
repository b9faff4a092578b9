package courier

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/roaming"
)

// Times of what is looked after now and then.
const (
	tendEvery  = time.Minute // a quarter more or less
	checkEvery = time.Hour   // digests are compared
	sweepEvery = time.Hour   // deletions are forgotten
	tooFar     = roaming.MaxAhead / 2
)

var errDigests = errors.New("the digests are not well-formed")

// tend looks after the clock, the digests and old deletions.
func (c *Courier) tend() {
	var checked, swept time.Time
	for pause(c.ctx, tendEvery*3/4+rand.N(tendEvery/2)) {
		now := time.Now()
		if err := c.settle(now); err != nil {
			c.cfg.Logger.Error("stamps of a wrong clock could not be corrected", "err", err)
		}
		c.mu.Lock()
		soon := c.recheck
		c.mu.Unlock()
		if others := c.cfg.Others(); len(others) > 0 && (soon || now.Sub(checked) >= checkEvery) {
			alike, err := c.check(others[rand.N(len(others))])
			if err != nil && c.ctx.Err() == nil {
				c.cfg.Logger.Debug("profiles and address books could not be compared", "err", err)
			}
			if alike {
				checked = now
			}
		}
		if now.Sub(swept) >= sweepEvery {
			swept = now
			if n, err := c.cfg.Store.Sweep(now, c.knownToAll()); err != nil {
				c.cfg.Logger.Error("old deletions could not be removed from profiles and address books", "err", err)
			} else if n > 0 {
				c.cfg.Logger.Info("old deletions are forgotten", "count", n)
			}
		}
	}
}

// measure notes how far a node's clock is from ours.
func (c *Courier) measure(node string, asked, answered time.Time, wall fax.Millis) {
	middle := asked.Add(answered.Sub(asked) / 2)
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.offsets[node]; known || len(c.offsets) < maxWanted {
		c.offsets[node] = wall.Time().Sub(middle)
	}
}

// offset is how far the other nodes' clocks are ahead of ours, by the median of
// those heard since it was last asked; known is false if none was.
func (c *Courier) offset() (off time.Duration, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.offsets) == 0 {
		return 0, false
	}
	all := make([]time.Duration, 0, len(c.offsets))
	for _, o := range c.offsets {
		all = append(all, o)
	}
	clear(c.offsets)
	slices.Sort(all)
	return all[len(all)/2], true
}

// settle corrects what a clock that ran ahead has stamped, once the others say
// that it is right again.
func (c *Courier) settle(now time.Time) error {
	off, known := c.offset()
	if !known {
		return nil
	}
	before := time.Duration(c.off.Swap(int64(off)))
	if off.Abs() > tooFar {
		if before.Abs() <= tooFar {
			c.cfg.Alarm("clock-wrong", c.cfg.Name, fmt.Sprintf("the other nodes' clocks are %v ahead of this node's; changes of profiles and address books wait until it is set right", off.Round(time.Second)))
		}
		return nil
	}
	is, err := c.cfg.Store.Ahead(now)
	if err != nil || !is {
		return err
	}
	c.cfg.Alarm("clock-corrected", c.cfg.Name, "this node's clock was ahead; what it has stamped meanwhile is stamped anew")
	return c.cfg.Store.Settle(now)
}

// knownToAll reports of a write whether every member is known to have it.
func (c *Courier) knownToAll() func(roaming.Mark) bool {
	members := c.cfg.Members()
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []roaming.Vector
	for _, node := range members {
		all = append(all, c.seen[node]) // nil covers nothing
	}
	return func(m roaming.Mark) bool {
		return !slices.ContainsFunc(all, func(v roaming.Vector) bool { return !v.Covers(m) })
	}
}

func (c *Courier) serveDigests(context.Context, string, []byte) ([]byte, error) {
	all, v, err := c.cfg.Store.Digests()
	if err != nil {
		return nil, err
	}
	return append(all, roaming.Page{Wall: fax.At(time.Now()), Vector: v}.Encode()...), nil
}

// check compares digests with a node that knows the same writes, and repairs
// what differs: then a disk has lost something, or there is a fault. It reports
// whether the two could be compared.
func (c *Courier) check(node string) (compared bool, err error) {
	ctx, cancel := context.WithTimeout(c.ctx, callTime)
	defer cancel()
	answer, err := c.cfg.Call(ctx, node, methodDigests, nil)
	if err != nil {
		return false, err
	}
	if len(answer) < roaming.MaxDigests {
		return false, errDigests
	}
	p, err := roaming.DecodePage(answer[roaming.MaxDigests:])
	if err != nil {
		return false, err
	}
	own, v, err := c.cfg.Store.Digests()
	if err != nil || v.Behind(p.Vector) || p.Vector.Behind(v) {
		return false, err
	}
	which, n := roaming.Differing(own, answer[:roaming.MaxDigests])
	c.mu.Lock()
	c.recheck = false
	c.mu.Unlock()
	if n == 0 {
		return true, nil
	}
	c.cfg.Alarm("roaming-repaired", node, fmt.Sprintf("profiles and address books here and there differed in %d of %d parts, and are joined; look after both disks", n, 8*len(which)))
	return true, c.repair(node, which)
}

// repair joins the records in some buckets with another node's.
func (c *Courier) repair(node string, which *roaming.Buckets) error {
	after := ""
	for c.ctx.Err() == nil {
		p, err := c.page(node, methodCopy, roaming.Want{Buckets: which, After: after}.Encode())
		if err != nil {
			return err
		}
		m, err := c.cfg.Store.Merge(time.Now(), p)
		if err != nil {
			return err
		}
		c.merged(m)
		if !p.More {
			return nil
		}
		if p.Last <= after {
			return errNoProgress
		}
		after = p.Last
	}
	return c.ctx.Err()
}
