package consensus

import (
	"errors"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// markEvery is how many octets the log grows until the state is marked, however
// few entries they are: what is behind the mark is read when a node starts, and
// stays in its memory. Entries of usual size are fewer octets than that when
// there are snapshotEvery of them.
const markEvery = 32 << 20

// growth is how many octets the log has grown since it was last long.
type growth struct {
	octets atomic.Int64
	long   chan struct{} // rings
}

func newGrowth() *growth { return &growth{long: make(chan struct{}, 1)} }

// stored is told of entries that have been written.
func (g *growth) stored(entries []*raft.Log) {
	var octets int64
	for _, e := range entries {
		octets += int64(len(e.Data) + len(e.Extensions))
	}
	if g.octets.Add(octets) < markEvery {
		return
	}
	g.octets.Store(0)
	select {
	case g.long <- struct{}{}:
	default:
	}
}

// markLongLog has the state marked when the log has grown long, without
// waiting until it has many entries.
func (n *Node) markLongLog() {
	for {
		select {
		case <-n.disk.growth.long:
			n.markNow()
		case <-n.fence.shut:
			return
		case <-n.life.closing:
			return
		}
	}
}

// markNow returns when the state is marked, or raft has ended. A mark that
// fails is made up for by the next.
func (n *Node) markNow() {
	r := n.raft()
	made := make(chan error, 1)
	go func() { made <- r.Snapshot().Error() }()
	select {
	case err := <-made:
		if err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) && !errors.Is(err, raft.ErrRaftShutdown) {
			n.log.log.Warn("the state could not be marked; the next start takes more memory", "err", err)
		}
	case <-r.over:
	}
}
