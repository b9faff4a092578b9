package consensus

import (
	"errors"
	"time"
)

// When to warn that the disk of the log fills up: a node fails when it is full.
// There is little room when both limits are passed; a twentieth of a big disk
// is much.
const (
	lowSpacePart = 20      // the free part of the disk, one in so many: 5 %
	lowSpaceSize = 4 << 30 // octets
	spaceEvery   = 30 * time.Second
)

// lowSpace says whether there is little room.
func lowSpace(free, total uint64) bool {
	return free < lowSpaceSize && free < total/lowSpacePart
}

// watchSpace says when the room on the disk of the log becomes little, and
// when there is enough again.
func (n *Node) watchSpace() {
	tick := time.NewTicker(spaceEvery)
	defer tick.Stop()
	low := false
	for {
		switch free, total, err := n.cfg.space(n.cfg.Dir); {
		case errors.Is(err, errors.ErrUnsupported):
			return
		case err != nil:
			n.log.log.Warn("the free space cannot be read", "dir", n.cfg.Dir, "err", err)
		case lowSpace(free, total) && !low:
			low = true
			n.log.log.Error("the disk is nearly full; make room, or this node will fail when it is", "dir", n.cfg.Dir, "free_mib", free>>20, "total_mib", total>>20)
		case !lowSpace(free, total) && low:
			low = false
			n.log.log.Info("the disk has room again", "dir", n.cfg.Dir, "free_mib", free>>20)
		}
		select {
		case <-tick.C:
		case <-n.fence.shut:
			return
		case <-n.life.closing:
			return
		}
	}
}
