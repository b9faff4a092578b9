package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// remainWait is how long a node that leaves waits for what it alone has to be
// told the others, unless it was told to wait for as long as that takes.
const remainWait = time.Minute

// Remains sets what says, in words for people, what else this node has that the
// others do not know of yet: as faxes that it has received and not filed. It
// does not leave while there is something; "" means nothing.
func (c *Cluster) Remains(what func() string) {
	c.leaving.mu.Lock()
	defer c.leaving.mu.Unlock()
	c.leaving.remains = what
}

// remaining is what only this node has besides documents, "" if nothing.
func (c *Cluster) remaining() string {
	c.leaving.mu.Lock()
	what := c.leaving.remains
	c.leaving.mu.Unlock()
	if what != nil {
		if has := what(); has != "" {
			return has
		}
	}
	if _, pending := c.island.kept.Pending(); len(pending) > 0 {
		return fmt.Sprintf("%d records that the others do not have yet", len(pending))
	}
	return ""
}

// tellRemains waits until the others have what only this node had, or does not
// when that is forced.
func (c *Cluster) tellRemains(ctx context.Context) error {
	for begun := time.Now(); ; {
		what := c.remaining()
		order, _ := c.leaving.look()
		switch {
		case what == "" || order.Force:
			return nil
		case !order.WhenDone && time.Since(begun) > remainWait:
			return fax.Errorf(fax.Conflict, "node %s still has %s; wait with --when-done, or leave them behind with --force", c.id.Name, what)
		}
		c.leaving.waits(what)
		if err := pause(ctx, leaveStep); err != nil {
			return err
		}
	}
}
