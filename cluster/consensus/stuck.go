package consensus

import (
	"fmt"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// maxIdleInstalls is how many snapshots may be installed one after the other
// without bringing the state further. A lost answer explains one or two.
const maxIdleInstalls = 3

// installs notices that a follower is sent the same snapshot without end. It is
// when an entry of its own, never agreed on, stands at the snapshot's last
// index with another term: raft keeps the entry, finds that it does not fit
// what the leader sends next, and asks for the snapshot again
// (hashicorp/raft#697).
type installs struct {
	idle  atomic.Int32
	stuck chan struct{} // rings
}

func newInstalls() *installs { return &installs{stuck: make(chan struct{}, 1)} }

// moved is told of commands applied.
func (i *installs) moved() { i.idle.Store(0) }

// installed is told of each snapshot and of the applied index around it.
func (i *installs) installed(before, after uint64) {
	if after > before {
		i.idle.Store(0)
		return
	}
	if i.idle.Add(1) <= maxIdleInstalls {
		return
	}
	i.idle.Store(0)
	select {
	case i.stuck <- struct{}{}:
	default:
	}
}

// reopen stops raft and starts it again from what the files hold, between the
// two with change. What others send meanwhile waits.
func (n *Node) reopen(change func() error) {
	n.life.mu.Lock()
	defer n.life.mu.Unlock()
	if !n.life.ended {
		n.reopenLocked(change)
	}
}

func (n *Node) reopenLocked(change func() error) {
	n.shutdown()
	err := change()
	if err == nil {
		err = n.startLocked()
	}
	if err != nil {
		n.fence.fail(fmt.Errorf("go on after a pause: %w", err))
	}
	select {
	case n.restarted <- struct{}{}:
	default:
	}
}

// getUnstuck takes the log away whose end keeps snapshots from being
// installed.
func (n *Node) getUnstuck() {
	n.log.log.Warn("the same snapshot is installed again and again; the agreement is started anew")
	n.reopen(func() error {
		snapshots, err := n.snapshots.List()
		if err != nil || len(snapshots) == 0 {
			return err
		}
		dropped, err := dropStale(n.disk, snapshots[0])
		if dropped > 0 {
			n.log.log.Warn("the log was another one than the cluster's and is dropped", "entries", dropped, "snapshot", snapshots[0].Index)
		}
		return err
	})
}

// dropStale empties a log that contradicts a snapshot, and says how many
// entries it had; term and vote are kept. What the snapshot holds was agreed
// on, so a log with another term at its last index was not, from there on, and
// up to there the snapshot stands for it. A log that agrees is left alone: the
// cluster may count on its entries.
func dropStale(log raft.LogStore, snapshot *raft.SnapshotMeta) (dropped uint64, err error) {
	first, err := log.FirstIndex()
	if err != nil {
		return 0, err
	}
	last, err := log.LastIndex()
	if err != nil {
		return 0, err
	}
	if first == 0 || snapshot.Index < first || snapshot.Index > last {
		return 0, nil
	}
	var entry raft.Log
	if err := log.GetLog(snapshot.Index, &entry); notFound(err) {
		return 0, nil // a hole, which contradicts nothing
	} else if err != nil {
		return 0, err
	}
	if entry.Term == snapshot.Term {
		return 0, nil
	}
	return last - first + 1, log.DeleteRange(first, last)
}
