// Package cluster makes one of several nodes: join, serve, leave behind one
// face.
//
// What is agreed goes through the ledger (Propose), which every node reads
// locally; who is logged in and what lines do goes by gossip (Presence), as do
// changes of profiles and address books (EditRoaming); documents are copied from
// node to node (Blobs); what concerns two nodes alone is asked directly (Call).
// All of it shares one port between nodes.
package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/consensus"
	"github.com/faxmesh/faxmesh/cluster/gossip"
	"github.com/faxmesh/faxmesh/cluster/journal"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/cluster/peer"
	"github.com/faxmesh/faxmesh/cluster/presence"
	"github.com/faxmesh/faxmesh/cluster/room"
)

// DefaultCopies is on how many nodes a document is kept.
const DefaultCopies = 2

// Options says who and where a node is. Init, Join and Open each use what
// concerns them.
type Options struct {
	Dir  string // the node's data directory; the cluster's part is DIR/cluster
	Name string // of the node; Open may leave it empty, and refuses another one

	Site   string // where the node stands; "" if all nodes are in one place
	NoVote bool   // it is never given a vote

	PeerListen    string // address of the cluster port, TCP and UDP; ":7487" if empty
	PeerAdvertise string // host:port at which other nodes reach it, if that is another one
	ClientAddr    string // host:port at which clients reach this node

	Copies   int                // of each document, DefaultCopies if 0
	Plain    bool               // documents are not encrypted on this node's disk
	Room     room.Limits        // of the disk; a MinFree of 0 is DefaultMinFree
	Timeouts consensus.Timeouts // of the agreement, the shortest; they grow with the round trips
	Logger   *slog.Logger

	IslandAfter time.Duration // without a leader; DefaultIslandAfter if 0

	machine func(consensus.StateMachine) consensus.StateMachine // what stands before the ledger in tests

	Admin     string // Init: login name of the first administrator
	AdminHash string // and the argon2id hash of the password, as a PHC string
}

// The parts of DIR/cluster.
const (
	ownDir      = "cluster"
	newDir      = "cluster.new" // under way to become it
	identityDir = "identity"
	rollFile    = "members.json"
	ledgerFile  = "ledger.db"
	raftDir     = "raft"
	blobDir     = "documents"
	blobKey     = "documents.key"
	agesFile    = "orphans.json"
	journalFile = "journal"
)

// Cluster is this node's share of the running cluster. It is safe for
// concurrent use.
type Cluster struct {
	opt       Options
	id        *peer.Identity
	ledger    *ledger.Ledger
	book      *book
	port      *port
	server    *peer.Server
	client    *peer.Client
	raft      *consensus.Node
	table     *presence.Table
	seen      contacts
	renewing  renewing
	keys      keys
	leaving   leaving
	numbers   numbering
	fresh     rounds
	fed       fed
	gossip    *gossip.Gossip
	documents documents
	roamers   roamers
	journal   *journal.Journal
	island    *island
	bells     bells
	life      lifetime
}

// lifetime is what Close ends.
type lifetime struct {
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
	once   sync.Once
	err    error
	// parts are closed in the reverse order of their opening.
	parts []func() error
}

func (l *lifetime) opened(closePart func() error) { l.parts = append(l.parts, closePart) }

// close ends the goroutines, then the parts.
func (l *lifetime) close() error {
	l.once.Do(func() {
		l.cancel()
		l.work.Wait()
		for i := len(l.parts) - 1; i >= 0; i-- {
			l.err = errors.Join(l.err, l.parts[i]())
		}
	})
	return l.err
}

// hungWait bounds how long a node that has failed waits for its parts, which
// may never come back from the disk.
const hungWait = 15 * time.Second

// closeOrLeave is close, but gives up what hangs when the node has failed.
func (l *lifetime) closeOrLeave(failed <-chan struct{}) error {
	ended := make(chan error, 1)
	go func() { ended <- l.close() }()
	select {
	case err := <-ended:
		return err
	case <-failed:
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(hungWait):
		return fmt.Errorf("parts of the node are left open, because they have not ended within %v", hungWait)
	}
}

// Open makes this node take part in the cluster to which its directory
// belongs. It does not wait for the other nodes.
func Open(ctx context.Context, opt Options) (_ *Cluster, err error) {
	dir := filepath.Join(opt.Dir, ownDir)
	id, err := identify(opt, dir)
	if err != nil {
		return nil, err
	}
	if opt.Copies < 1 {
		opt.Copies = DefaultCopies
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	opt.Logger = opt.Logger.With("node", id.Name)
	c := &Cluster{opt: opt, id: id, seen: contacts{opened: time.Now()}, fresh: rounds{bell: make(chan struct{}, 1)}}
	c.life.ctx, c.life.cancel = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			err = errors.Join(err, c.life.close())
		}
	}()
	if err := c.signInTime(); err != nil {
		return nil, err
	}
	if err := c.openStores(dir); err != nil {
		return nil, err
	}
	if err := c.openPort(); err != nil {
		return nil, err
	}
	if err := c.openCarriers(dir); err != nil {
		return nil, err
	}
	c.life.work.Go(c.watch)
	c.life.work.Go(c.seeToAgreement)
	c.life.work.Go(c.renewInTime)
	c.life.work.Go(c.turnKeys)
	c.life.work.Go(c.tellGone)
	c.life.work.Go(c.serveFeeds)
	c.life.work.Go(c.serveBackups)
	c.life.work.Go(c.followFeed)
	c.life.work.Go(c.attend)
	c.life.work.Go(c.seeToVoters)
	c.life.work.Go(c.serveJoins)
	c.life.work.Go(c.keepPace)
	c.life.work.Go(c.showRoom)
	c.life.work.Go(c.mindIsland)
	c.life.work.Go(c.tellKept)
	c.life.work.Go(c.keepFresh)
	return c, ctx.Err()
}

// identify reads who this node is and says what is wrong if it is not the one
// that was meant.
func identify(opt Options, dir string) (*peer.Identity, error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, fax.Errorf(fax.NotFound, "%s belongs to no cluster yet; make one with faxmeshd init, or join one with faxmeshd join", opt.Dir)
	}
	id, err := peer.Load(filepath.Join(dir, identityDir))
	if err != nil {
		return nil, err
	}
	if err := refuseStopped(dir); err != nil {
		return nil, err
	}
	if opt.Name != "" && opt.Name != id.Name {
		return nil, fax.Errorf(fax.Conflict, "%s is the directory of node %q of cluster %s, not of %q; give each node its own", opt.Dir, id.Name, id.Cluster, opt.Name)
	}
	return id, nil
}

// openStores opens what is on this node's disk.
func (c *Cluster) openStores(dir string) (err error) {
	if c.ledger, err = ledger.Open(filepath.Join(dir, ledgerFile), c.opt.Logger); err != nil {
		return err
	}
	c.life.opened(c.ledger.Close)
	run, err := c.ledger.RunOf(c.id.Name)
	if err != nil {
		return err
	}
	c.numbers.begin(run)
	if n, err := c.ledger.Node(c.id.Name); err == nil && !c.id.Holds(n.Fingerprint) {
		return fax.Errorf(fax.Conflict, "in this cluster the name %q belongs to another key; %s is not, or no longer, that node's directory", c.id.Name, c.opt.Dir)
	}
	if c.book, err = openBook(filepath.Join(dir, rollFile), c.ledger); err != nil {
		return err
	}
	if c.journal, err = journal.Open(filepath.Join(dir, journalFile), c.opt.Logger); err != nil {
		return err
	}
	c.life.opened(c.journal.Close)
	if err := c.openIsland(dir); err != nil {
		return err
	}
	c.table = presence.New(c.id.Name, uint64(fax.At(time.Now())))
	return nil
}

// stateMachine is what commands are applied to: the ledger.
func (c *Cluster) stateMachine() consensus.StateMachine {
	if c.opt.machine == nil {
		return consensus.OverLedger(c.ledger)
	}
	return c.opt.machine(consensus.OverLedger(c.ledger))
}

// openCarriers starts what connects this node with others.
func (c *Cluster) openCarriers(dir string) (err error) {
	c.client = peer.NewClient(func(ctx context.Context, node string) (net.Conn, error) {
		return c.port.mux.Dial(ctx, node, peer.Request)
	})
	c.life.opened(c.client.Close)
	c.raft, err = consensus.Open(consensus.Config{
		Name: c.id.Name, Dir: filepath.Join(dir, raftDir), Machine: c.stateMachine(), Stream: raftStream{c.port.mux}, Timeouts: c.opt.Timeouts, Logger: c.opt.Logger,
	})
	if err != nil {
		return err
	}
	c.life.opened(c.raft.Close)
	if err := c.openDocuments(dir); err != nil {
		return err
	}
	if err := c.openRoaming(dir); err != nil {
		return err
	}
	keys, index, err := c.gossipKeys()
	if err != nil {
		return err
	}
	c.keys.installed(index)
	c.gossip, err = gossip.Open(gossip.Config{
		Name: c.id.Name, Cluster: c.id.Cluster, Keys: keys, Advertise: c.port.gossipAddr,
		Packets: c.port.udp, Streams: gossipStream{c.port.mux.Listener(peer.Gossip), c.port.mux},
		Peers: c.peers, Member: func(node string) bool { _, ok := c.book.find(node); return ok }, State: c.table.State, Merge: c.merge, Alive: c.alive, Logger: c.opt.Logger,
	})
	if err != nil {
		return err
	}
	c.life.opened(func() error {
		if err := c.gossip.Leave(); err != nil { // nobody heard: the others find out
			c.opt.Logger.Debug("this node's leaving was not told", "err", err)
		}
		return c.gossip.Close()
	})
	c.server = peer.Serve(c.port.mux.Listener(peer.Request), c.opt.Logger)
	c.life.opened(c.server.Close)
	c.server.Handle(methodPropose, c.handlePropose)
	c.server.Handle(methodFresh, c.handleFresh)
	c.server.Handle(methodAttend, c.handleAttend)
	c.server.Handle(methodEcho, c.handleEcho)
	c.server.Handle(methodPosition, c.handlePosition)
	c.server.Handle(methodGone, c.handleGone)
	c.roamers.courier.Handle(c.Handle)
	c.HandleOwn(MethodReport, c.handleReport)
	c.HandleOwn(MethodLeave, c.handleLeave)
	c.HandleOwn(MethodRemove, c.handleRemove)
	c.HandleOwn(MethodRenew, c.handleRenew)
	c.HandleOwn(MethodRotate, c.handleRotate)
	return nil
}

// Close hands leadership over, tells the others that this node goes, and stops
// everything in the reverse order of Open. Only after Failed may it leave open
// what hangs with the disk.
func (c *Cluster) Close() error {
	if c.raft.IsLeader() {
		if err := c.raft.Transfer(); err != nil { // as when there is no other voter
			c.opt.Logger.Debug("the lead was not handed over", "err", err)
		}
	}
	return c.life.closeOrLeave(c.raft.Failed())
}

// Failed is closed when this node can go on no longer, as when its disk fails
// or hangs: close the cluster and end the program. Err says why.
func (c *Cluster) Failed() <-chan struct{} { return c.raft.Failed() }

// Err is why the node has failed.
func (c *Cluster) Err() error { return c.raft.Err() }

// Name is this node's.
func (c *Cluster) Name() string { return c.id.Name }

// ID is the cluster's.
func (c *Cluster) ID() string { return c.id.Cluster }

// PeerAddr is where the cluster port is bound.
func (c *Cluster) PeerAddr() *net.TCPAddr { return c.port.mux.Addr() }

// Ledger is for reading; it is changed with Propose.
func (c *Cluster) Ledger() *ledger.Ledger { return c.ledger }

// Journal is what this node alone knows yet.
func (c *Cluster) Journal() *journal.Journal { return c.journal }

// Certificate is this node's with the cluster's authority in the chain, for
// the client port and for dialling clients. Its DNS name is peer.ServerName.
func (c *Cluster) Certificate() tls.Certificate { return c.id.Certificate() }

// CAPool holds the cluster's authority.
func (c *Cluster) CAPool() *x509.CertPool { return c.id.Pool() }

// SessionKey signs clients' sessions; it is the same on all nodes.
func (c *Cluster) SessionKey() []byte { return append([]byte(nil), c.id.SessionKey...) }

// Handle sets what answers a method that other nodes Call.
func (c *Cluster) Handle(method string, f func(ctx context.Context, from string, body []byte) ([]byte, error)) {
	c.server.Handle(method, f)
}

// Call asks a node, this one included. A method may be carried out twice when
// a connection breaks. An error that wraps peer.ErrUnsent or
// peer.ErrUnanswered means that there is no answer; any other is the answer.
func (c *Cluster) Call(ctx context.Context, node, method string, body []byte) ([]byte, error) {
	return c.client.Call(ctx, node, method, body)
}

// port is the cluster port, both kinds, and where this node says it is.
type port struct {
	mux        *peer.Mux
	udp        *net.UDPConn
	advertise  string // host:port for TCP and UDP
	gossipAddr netip.AddrPort

	mu         sync.Mutex
	clientAddr string // of the client port; "" if what the ledger has stands
}

var _ io.Closer = (*Cluster)(nil)
