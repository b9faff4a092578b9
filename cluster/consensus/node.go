// Package consensus carries commands to every node in one order.
//
// It is hashicorp/raft with what that library leaves to its user: durable
// files, one stream seam instead of addresses, errors that say whether a
// command may have been taken, and the leader's duties begun only when all
// earlier commands are applied. The state that it carries is package ledger.
//
// Faults that the library is known to have are made good here: heartbeats take
// their turn among all messages (transport), a node whose disk fails or hangs
// is cut off (fence), a snapshot is not installed without end (installs).
package consensus

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faxmesh/faxmesh/cluster/room"
	"github.com/hashicorp/raft"
)

// Limits.
const (
	MaxCommand    = 64 << 10         // octets of one command
	MaxInFlight   = 1024             // commands of this node that wait to be applied
	maxPool       = 3                // idle streams to each other node
	snapshotEvery = 8192             // entries
	snapshotLook  = 10 * time.Second // how often they are counted; up to twice that
	trailingLogs  = 10240            // entries kept behind a snapshot for slow followers
)

// Config is what a Node is made of.
type Config struct {
	Name     string // the node's own; to raft both id and address
	Dir      string // log and snapshots
	Machine  StateMachine
	Stream   Stream   // closed by Node.Close
	Timeouts Timeouts // the shortest; Pace makes them longer
	Logger   *slog.Logger

	openLog func(path string) (logStore, error)              // openStore, but in tests of failing disks
	space   func(dir string) (free, total uint64, err error) // room.Free, but there
}

// Node is this node's part in the agreement.
type Node struct {
	cfg       Config
	log       *logger
	current   atomic.Pointer[run]
	machine   *machine
	transport transport
	disk      *disk
	snapshots *marks
	fence     *fence

	slots      chan struct{} // one for each command in flight
	leadership chan bool
	restarted  chan struct{} // rings
	readyTerm  atomic.Uint64 // term in which this node leads with all applied
	running    sync.WaitGroup
	life       lifetime
}

// lifetime is how a Node ends.
type lifetime struct {
	once    sync.Once
	closing chan struct{}
	err     error // set once closing is done

	mu      sync.Mutex // held while raft is changed
	ended   bool       // it is not started again
	inForce Timeouts
}

// Open takes up where the files in cfg.Dir stand. A node that is in no cluster
// yet waits to be added by one, or for Bootstrap.
func Open(cfg Config) (*Node, error) {
	cfg.Timeouts = cfg.Timeouts.orDefaults()
	if cfg.openLog == nil {
		cfg.openLog = openStore
	}
	if cfg.space == nil {
		cfg.space = room.Free
	}
	log := &logger{log: cfg.Logger}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the log: %w", err)
	}
	store, err := cfg.openLog(filepath.Join(cfg.Dir, "raft.db"))
	if err != nil {
		return nil, fmt.Errorf("open the log in %s: %w", cfg.Dir, err)
	}
	n := &Node{
		cfg:        cfg,
		log:        log,
		transport:  newTransport(cfg, log),
		fence:      newFence(),
		slots:      make(chan struct{}, MaxInFlight),
		leadership: make(chan bool, 1),
		restarted:  make(chan struct{}, 1),
		life:       lifetime{closing: make(chan struct{}), inForce: cfg.Timeouts.Over(0)},
	}
	n.fence.cut = n.transport.streams.cut
	guard := &guard{fence: n.fence, patience: n.patience}
	n.disk = &disk{store: store, guard: guard, growth: newGrowth()}
	if n.snapshots, err = openMarks(cfg.Dir, cfg.Machine, n.disk, log); err != nil {
		return nil, errors.Join(fmt.Errorf("open the snapshots in %s: %w", cfg.Dir, err), n.transport.shut(), n.disk.Close())
	}
	n.machine = &machine{state: cfg.Machine, marks: n.snapshots, guard: guard, installs: newInstalls()}
	if err := n.startLocked(); err != nil { // nobody else knows it yet
		return nil, errors.Join(err, n.transport.shut(), n.disk.Close())
	}
	n.running.Go(n.followLeadership)
	n.running.Go(n.stopWhenFailed)
	n.running.Go(n.watchSpace)
	n.running.Go(n.markLongLog)
	return n, nil
}

// run is raft from a start to its shutdown.
type run struct {
	*raft.Raft
	log  raft.LogStore // what it writes and reads, by way of its cache
	over chan struct{} // closed when it has shut down
	once sync.Once     // closes over
}

// raft is what runs now.
func (n *Node) raft() *run { return n.current.Load() }

// startLocked lets raft run from what the files hold.
func (n *Node) startLocked() error {
	fed, err := n.wasFed()
	if err != nil {
		return err
	}
	restore, err := recovery(n.disk, n.snapshots, fed)
	if err != nil {
		return fmt.Errorf("compare log and state in %s: %w", n.cfg.Dir, err)
	}
	cache, err := raft.NewLogCache(trailingCache, n.disk)
	if err != nil {
		return fmt.Errorf("make the log's cache: %w", err)
	}
	r, err := raft.NewRaft(raftConfig(n.cfg.Name, n.life.inForce, n.log, restore), n.machine, cache, n.disk, n.snapshots, n.transport)
	if err != nil {
		return fmt.Errorf("start the agreement: %w", err)
	}
	n.current.Store(&run{Raft: r, log: cache, over: make(chan struct{})})
	if err := n.leadAloneLocked(); err != nil {
		n.shutdown()
		return err
	}
	return nil
}

// trailingCache is how many of the newest entries are kept in memory for
// followers.
const trailingCache = 512

func raftConfig(name string, t Timeouts, log *logger, restore bool) *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(name)
	c.HeartbeatTimeout = t.Heartbeat
	c.ElectionTimeout = t.Election
	c.LeaderLeaseTimeout = t.Lease
	c.CommitTimeout = t.Commit
	c.BatchApplyCh = true
	c.SnapshotThreshold = snapshotEvery
	c.SnapshotInterval = snapshotLook
	c.TrailingLogs = trailingLogs
	c.NoSnapshotRestoreOnStart = !restore // the state is on disk
	c.NoLegacyTelemetry = true
	c.Logger = log
	return c
}

// Bootstrap makes this node the only voter of a new cluster. Refused if it has
// ever been in one.
func (n *Node) Bootstrap() error {
	err := n.raft().BootstrapCluster(raft.Configuration{Servers: []raft.Server{
		{Suffrage: raft.Voter, ID: raft.ServerID(n.cfg.Name), Address: raft.ServerAddress(n.cfg.Name)},
	}}).Error()
	if errors.Is(err, raft.ErrCantBootstrap) {
		return fmt.Errorf("node %s is part of a cluster already; start it without making a new one: %w", n.cfg.Name, err)
	}
	if err != nil {
		return fmt.Errorf("make a cluster of one: %w", err)
	}
	n.life.mu.Lock()
	defer n.life.mu.Unlock()
	return n.leadAloneLocked()
}

// Failed is closed when this node's disk or state machine has failed. The node
// is cut off and takes no further part, so that the others elect a leader if it
// was this one; Err says why. Close it and end the program.
func (n *Node) Failed() <-chan struct{} { return n.fence.shut }

// Err is why the node has failed, nil while it has not.
func (n *Node) Err() error { return n.fence.err() }

// Fail makes this node one that has failed, for a reason that lies outside.
func (n *Node) Fail(err error) { n.fence.fail(err) }

// Space is the room on the disk of the log, and its size, in octets; an error
// that is errors.ErrUnsupported where that cannot be known.
func (n *Node) Space() (free, total uint64, err error) { return n.cfg.space(n.cfg.Dir) }

// patience is how long the disk may take now.
func (n *Node) patience() time.Duration {
	if r := n.raft(); r != nil && r.State() == raft.Leader && n.otherVoters() > 0 {
		return hangLeading
	}
	return hangFollowing
}

func (n *Node) stopWhenFailed() {
	select {
	case <-n.fence.shut:
		n.log.log.Error("this node takes no further part in the agreement", "err", n.fence.err())
		n.end()
	case <-n.life.closing:
	}
}

// endWait bounds how long a node that has failed waits for raft, which may be
// in a call to the disk that is not guarded, as when it writes a snapshot.
const endWait = 5 * time.Second

// end shuts raft down for good.
func (n *Node) end() {
	n.life.mu.Lock()
	defer n.life.mu.Unlock()
	n.life.ended = true
	n.shutdown()
}

// shutdown ends the run of raft.
func (n *Node) shutdown() {
	r := n.raft()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = r.Shutdown().Error() // never one
	}()
	defer r.once.Do(func() { close(r.over) })
	select {
	case <-ended:
		return
	case <-n.fence.shut:
	}
	select {
	case <-ended:
	case <-time.After(endWait):
	}
}

// Close hands the lead to another voter if this node has it, stops taking
// part, and returns when all has ended but calls that hang with the disk. The
// state machine stays open.
func (n *Node) Close() error {
	n.life.once.Do(func() {
		if n.raft().State() == raft.Leader && n.otherVoters() > 0 {
			// If nobody takes the lead, the others elect one when we are gone.
			_ = n.raft().LeadershipTransfer().Error()
		}
		close(n.life.closing)
		n.end()
		n.running.Wait()
		n.life.err = errors.Join(n.transport.shut(), n.disk.Close())
	})
	if n.life.err != nil {
		return fmt.Errorf("stop the agreement: %w", n.life.err)
	}
	return nil
}
