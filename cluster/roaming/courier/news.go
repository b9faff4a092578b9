package courier

import (
	"time"

	"github.com/faxmesh/faxmesh/cluster/roaming"
)

// maxHeard is of how many logs the last news is remembered.
const maxHeard = roaming.MaxOrigins

// tell broadcasts news of this node, with the records if they fit.
func (c *Courier) tell(news roaming.Page) {
	if !news.Vector.Behind(news.Covered) {
		return
	}
	c.spread(news)
	select {
	case c.told <- struct{}{}:
	default:
	}
}

// spread broadcasts news, of this node or another, if it was not before.
func (c *Courier) spread(news roaming.Page) {
	name, fresh := c.fresh(news)
	if !fresh {
		return
	}
	message := append([]byte{First}, news.Encode()...)
	if len(message) > MaxNews {
		news.More, news.Records = true, nil
		message = append([]byte{First}, news.Encode()...)
	}
	if err := c.cfg.Broadcast("roaming "+name, message); err != nil {
		c.cfg.Logger.Warn("a changed profile or address book is not told at once; the other nodes will find it", "err", err)
	}
}

// fresh reports whether news goes further than any of the same log before, or
// tells the same for the second time.
func (c *Courier) fresh(news roaming.Page) (node string, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for o, seq := range news.Covered { // of news, one
		rank := 2 * seq
		if news.Again {
			rank++
		}
		last, known := c.heard[o]
		if rank > last && (known || len(c.heard) < maxHeard) {
			c.heard[o] = rank
			return o.Node, true
		}
	}
	return "", false
}

// repeat tells the last number of this node a second time.
func (c *Courier) repeat() {
	for {
		select {
		case <-c.told:
		case <-c.ctx.Done():
			return
		}
		if !pause(c.ctx, tellAgain) {
			return
		}
		c.mu.Lock()
		last := roaming.Page{Again: true, More: true}
		for o, rank := range c.heard {
			if o.Node == c.cfg.Name && rank%2 == 0 {
				last.Covered = roaming.Vector{o: rank / 2}
			}
		}
		c.mu.Unlock()
		c.spread(last)
	}
}

// Hear takes a broadcast that begins with First. It does not block.
func (c *Courier) Hear(message []byte) {
	if len(message) == 0 || len(message) > MaxNews {
		return
	}
	news, err := roaming.DecodePage(message[1:])
	if err != nil || len(news.Covered) != 1 {
		c.cfg.Logger.Debug("news of profiles and address books was refused", "err", err)
		return
	}
	select {
	case c.inbox <- news:
	default:
	}
}

// hear takes in news that fits, has the rest asked for, passes all of it on.
func (c *Courier) hear() {
	for {
		select {
		case news := <-c.inbox:
			c.spread(news)
			fits, m, err := c.cfg.Store.Hear(time.Now(), news)
			if err != nil {
				c.cfg.Logger.Error("news of profiles and address books could not be stored", "err", err)
				continue
			}
			c.merged(m)
			if !fits && len(m.Held) == 0 {
				c.want(news.Covered)
			}
		case <-c.ctx.Done():
			return
		}
	}
}

// want has a log asked for, of the node that writes it.
func (c *Courier) want(covered roaming.Vector) {
	c.mu.Lock()
	for o := range covered {
		if o.Node != c.cfg.Name && (c.wanted[o.Node] != nil || len(c.wanted) < maxWanted) {
			c.wanted[o.Node] = covered
		}
	}
	c.mu.Unlock()
	c.ring()
}
