// Package courier carries roaming records between nodes: a change is news that
// goes by gossip, what a node lacks it asks another for.
//
// Who hears news for the first time passes it on, and the writer tells its last
// number a second time: gossip alone misses some node of a hundred now and then.
// News that is lost, or too large for a packet, costs nothing but time: who
// hears of a number that it lacks asks for what is behind it, and every node
// compares notes with another now and then. An island is no special case.
package courier

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/roaming"
)

// Limits.
const (
	MaxNews   = 1200 // octets of a broadcast
	maxInbox  = 1024 // news waiting; further news is dropped, which comparing notes makes good
	maxWanted = 256  // nodes of whom something is wanted
	askTimes  = 10   // without an answer; comparing notes comes round to the node again
	askRisen  = 3    // nodes asked of those that have come back at once
)

// Times.
const (
	compareEvery = 15 * time.Second       // a quarter more or less
	askWithin    = 200 * time.Millisecond // so that not all ask the writer at once
	tellAgain    = time.Second            // the last number; what was missed is there within three seconds
	askAgain     = 500 * time.Millisecond // after no answer
	callTime     = 10 * time.Second
)

// First is the first octet of a broadcast.
const First = 'R'

// Config says what is carried and over what.
type Config struct {
	Name  string
	Store *roaming.Store
	// Others gives the live nodes but this one; Members all but this one.
	Others  func() []string
	Members func() []string
	// Call asks a live node.
	Call func(ctx context.Context, node, method string, body []byte) ([]byte, error)
	// Broadcast tells all nodes. A later broadcast of the same name takes the
	// place of one still waiting.
	Broadcast func(name string, message []byte) error
	// Changed is told which records other nodes have changed. It does not block.
	Changed func(keys []roaming.Key)
	// Alarm puts on record what an administrator should know. It does not block.
	Alarm  func(what, object, detail string)
	Logger *slog.Logger
}

// Courier is one node's. It is safe for concurrent use.
type Courier struct {
	cfg    Config
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
	inbox  chan roaming.Page
	wake   chan struct{}
	told   chan struct{} // news was told, to be told again
	off    atomic.Int64  // of the other nodes' clocks from ours, nanoseconds

	mu      sync.Mutex
	heard   map[roaming.Origin]uint64 // rank of the last news of each log
	wanted  map[string]roaming.Vector // of whom, what
	risen   []string                  // came back since they were last asked
	seen    map[string]roaming.Vector // what each node knows at least
	offsets map[string]time.Duration  // of clocks from ours, as heard lately
	recheck bool                      // digests are to be compared soon
}

// Open starts to carry until Close.
func Open(cfg Config) *Courier {
	c := &Courier{cfg: cfg, inbox: make(chan roaming.Page, maxInbox), wake: make(chan struct{}, 1), told: make(chan struct{}, 1),
		heard: map[roaming.Origin]uint64{}, wanted: map[string]roaming.Vector{}, seen: map[string]roaming.Vector{}, offsets: map[string]time.Duration{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.work.Go(c.hear)
	c.work.Go(c.repeat)
	c.work.Go(c.carry)
	c.work.Go(c.tend)
	return c
}

// Close stops carrying. The store stays open.
func (c *Courier) Close() error {
	c.cancel()
	c.work.Wait()
	return nil
}

// Write makes changes of this node, all or none, durable here when it returns,
// and tells the others. It is refused while this node's clock runs so far ahead
// that the others would not take its stamps.
func (c *Courier) Write(edits ...roaming.Edit) error {
	if off := time.Duration(c.off.Load()); off < -tooFar {
		return fax.Errorf(fax.Unavailable, "the clock of node %s is %v ahead of the others'; have it set right, or log in at another node", c.cfg.Name, -off.Round(time.Second))
	}
	news, err := c.cfg.Store.Write(time.Now(), edits...)
	if err != nil {
		return err
	}
	c.tell(news)
	return nil
}

// Erase deletes all records of an owner, as when the account is gone.
func (c *Courier) Erase(kind roaming.Kind, owner string) error {
	for {
		news, left, err := c.cfg.Store.Erase(time.Now(), kind, owner)
		if err != nil {
			return err
		}
		c.tell(news)
		if left == 0 {
			return nil
		}
	}
}

// Alive is told that a node has come back.
func (c *Courier) Alive(node string) {
	c.mu.Lock()
	if len(c.risen) < maxWanted {
		c.risen = append(c.risen, node)
	}
	c.mu.Unlock()
	c.ring()
}

func (c *Courier) ring() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// merged sees to what a page has brought.
func (c *Courier) merged(m roaming.Merged) {
	if len(m.Changed) > 0 {
		c.cfg.Changed(m.Changed)
	}
	for o, seq := range m.Held {
		c.cfg.Logger.Warn("changes of profiles and address books are held back: a clock is wrong", "peer", o.Node, "change", seq)
	}
	if m.Renewed {
		c.cfg.Alarm("roaming-renewed", c.cfg.Name, "other nodes knew more of this node's changes than it did: its disk is an old copy. It goes on under a new number")
		c.mu.Lock()
		c.recheck = true
		c.mu.Unlock()
	}
}
