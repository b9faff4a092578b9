package consensus

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// How long the disk may take over one call before it counts as failed.
const (
	// hangLeading is for a leader: while its disk hangs the cluster takes no
	// command, and its heartbeats, which need no disk, keep the others from
	// electing another one (hashicorp/raft#503).
	hangLeading = 2500 * time.Millisecond
	// hangFollowing is for nodes that hold nobody up.
	hangFollowing = 30 * time.Second
	// hangStep is how often the wait is looked at. A look counts for one step
	// however late it comes: a process that was stopped has not waited.
	hangStep = 100 * time.Millisecond
)

// errHung is why a node has failed whose disk did not answer.
var errHung = errors.New("the disk does not answer")

// fence parts a node that has failed from the others, for good: what its disk
// holds is not known any more, so it must neither lead nor vote nor answer.
type fence struct {
	shut chan struct{} // closed when it has failed
	cut  func()        // ends all traffic; set before use

	mu    sync.Mutex
	cause error
}

func newFence() *fence { return &fence{shut: make(chan struct{}), cut: func() {}} }

// fail cuts the node off before it returns. Only the first cause counts.
func (f *fence) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cause == nil {
		f.cause = err
		f.cut()
		close(f.shut)
	}
}

func (f *fence) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cause
}

// guard stands between raft and what may hang with the disk. It gives raft an
// answer in any case, so that raft can be ended.
type guard struct {
	fence    *fence
	patience func() time.Duration // for the call that runs, asked at each step
	left     atomic.Int32         // calls that were given up and still run
}

// do runs a call that touches the disk, unless one has failed before: nothing
// may follow a failed flush on the same file, because the kernel may since
// take the lost pages for written. An error for which ordinary is true is none
// of the disk's.
func (g *guard) do(what string, ordinary func(error) bool, call func() error) error {
	if err := g.fence.err(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- call() }()
	err, answered := g.await(done)
	if !answered {
		g.left.Add(1)
		go func() {
			<-done
			g.left.Add(-1)
		}()
	}
	if err == nil || ordinary(err) {
		return err
	}
	err = fmt.Errorf("%s: %w", what, err)
	g.fence.fail(err)
	return err
}

// await waits for a call as long as patience lasts.
func (g *guard) await(done <-chan error) (err error, answered bool) {
	tick := time.NewTicker(hangStep)
	defer tick.Stop()
	for waited := time.Duration(0); ; {
		select {
		case err := <-done:
			return err, true
		case <-tick.C:
			if waited += hangStep; waited >= g.patience() {
				return fmt.Errorf("%w for %v", errHung, waited), false
			}
		}
	}
}

// never says that every error is the disk's.
func never(error) bool { return false }
