package cluster

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

// numbering gives the commands of this node the numbers by which the ledger
// takes each once, however often it is sent (ledger.Once).
type numbering struct {
	mu    sync.Mutex
	run   uint64
	last  uint64              // number given
	low   uint64              // all below are settled
	open  map[uint64]struct{} // that are not
	freed chan struct{}       // closed when low has risen
}

// number is that of one command of a run.
type number struct{ run, seq, low uint64 }

// runBits are those of a run that are drawn by lot; the milliseconds since 1970
// are above them. So a run is higher than those before, unless the clock goes
// back, and never the same.
const runBits = 20

// newRun is a run that comes after another.
func newRun(after uint64, now time.Time) uint64 {
	return max(uint64(max(fax.At(now), 0)), after>>runBits+1)<<runBits | rand.Uint64N(1<<runBits)
}

// begin starts a new run, if the present one does not come after another.
func (n *numbering) begin(after uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.run > after {
		return
	}
	n.run, n.last, n.low, n.open = newRun(after, time.Now()), 0, 1, map[uint64]struct{}{}
	n.freeLocked()
}

func (n *numbering) freeLocked() {
	if n.freed != nil {
		close(n.freed)
	}
	n.freed = make(chan struct{})
}

// next gives a number, which is open until it is settled. It waits while one is
// open that was given ledger.MaxOpen numbers ago.
func (n *numbering) next(ctx context.Context) (number, error) {
	for {
		n.mu.Lock()
		if n.last+1-n.low < ledger.MaxOpen {
			defer n.mu.Unlock()
			n.last++
			n.open[n.last] = struct{}{}
			return number{n.run, n.last, n.low}, nil
		}
		freed := n.freed
		n.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return number{}, fax.Errorf(fax.Busy, "%d changes are under way; try again", ledger.MaxOpen)
		}
	}
}

// settle says that a command will not be sent again.
func (n *numbering) settle(d number) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if d.run != n.run {
		return
	}
	delete(n.open, d.seq)
	before := n.low
	for n.low <= n.last {
		if _, open := n.open[n.low]; open {
			break
		}
		n.low++
	}
	if n.low > before {
		n.freeLocked()
	}
}
