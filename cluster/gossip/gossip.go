// Package gossip carries broadcasts between nodes with hashicorp/memberlist,
// which also finds out which nodes are alive.
//
// Packets go by UDP, encrypted with the cluster's key; streams go over the peer
// port, which has proved who is at the other end. Gossip has no authority:
// whoever holds the key is believed about who is alive, what lines do, what is
// in address books, about nothing else, and only members' names are listened
// to.
package gossip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
)

// Limits.
const (
	MaxBroadcast = 1200 // octets of a broadcast, so that it fits a packet; a larger one would silently never be sent
	maxQueued    = 4096 // broadcasts waiting; the oldest are dropped, which the next exchange of states makes good
	maxInbox     = 1024 // messages received and not yet merged; further ones are dropped likewise
)

// Times.
const (
	exchangeEvery = 10 * time.Second // full states with one other node; finds what broadcasts have missed
	rejoinEvery   = 3 * time.Second  // how often members that are not seen are called
	rejoinAtOnce  = 3                // members called each time
	leaveTime     = 2 * time.Second  // to tell the others that this node leaves
	streamTime    = 10 * time.Second
	reclaimTime   = time.Second // after which a dead node's name may come back at another address
)

// Streams are the gossip connections of the peer port.
type Streams interface {
	net.Listener
	// DialNode connects to a member by name.
	DialNode(ctx context.Context, node string) (net.Conn, error)
}

// Packets is the UDP port, as a *net.UDPConn.
type Packets interface {
	ReadFromUDPAddrPort(b []byte) (n int, from netip.AddrPort, err error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (n int, err error)
	Close() error
}

// Config says what is carried and over what.
type Config struct {
	Name      string
	Cluster   string         // authenticated with each packet
	Keys      [][]byte       // of 32 octets; the first encrypts, any may have encrypted what comes
	Advertise netip.AddrPort // where other nodes send packets
	Packets   Packets        // closed by Close
	Streams   Streams        // closed by Close

	// Peers gives the members other than this one, with the host:port of each,
	// "" if that is not known yet.
	Peers func() map[string]string
	// Member reports whether a node of that name is one.
	Member func(node string) bool
	// State gives the full state to exchange, Merge takes in a broadcast or
	// another node's state. Alive is told who has come and gone; it must not
	// block.
	State  func() []byte
	Merge  func(message []byte)
	Alive  func(node string, alive bool)
	Logger *slog.Logger
}

// Gossip is a running member of the pool.
type Gossip struct {
	cfg     Config
	list    *memberlist.Memberlist
	ring    *memberlist.Keyring
	queue   memberlist.TransmitLimitedQueue
	inbox   chan []byte
	nodes   atomic.Int64
	dropped atomic.Int64
	ctx     context.Context
	cancel  context.CancelFunc
	work    sync.WaitGroup
	once    sync.Once
}

// Open starts gossip and goes on looking for the other members until Close.
func Open(cfg Config) (*Gossip, error) {
	if len(cfg.Keys) == 0 {
		return nil, errors.New("start gossip: there is no key") // it would not encrypt
	}
	g := &Gossip{cfg: cfg, inbox: make(chan []byte, maxInbox)}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.queue.NumNodes = func() int { return int(g.nodes.Load()) }
	tr := newTransport(cfg)
	mc := memberlist.DefaultLANConfig()
	g.queue.RetransmitMult = mc.RetransmitMult
	mc.Name = cfg.Name
	mc.Label = cfg.Cluster
	ring, err := memberlist.NewKeyring(cfg.Keys, cfg.Keys[0])
	if err != nil {
		g.cancel()
		return nil, fmt.Errorf("start gossip: %w", err)
	}
	g.ring, mc.Keyring = ring, ring
	mc.EnableCompression = false // nothing here is worth a decompressor open to the network
	mc.PushPullInterval = exchangeEvery
	mc.DeadNodeReclaimTime = reclaimTime
	mc.TCPTimeout = streamTime
	mc.RequireNodeNames = true
	mc.BindAddr, mc.BindPort = cfg.Advertise.Addr().String(), int(cfg.Advertise.Port())
	mc.AdvertisePort = mc.BindPort
	mc.Transport = tr
	mc.Delegate, mc.Events, mc.Alive = (*delegate)(g), (*delegate)(g), (*delegate)(g)
	mc.Logger = newLogger(cfg.Logger)
	tr.start()
	list, err := memberlist.Create(mc)
	if err != nil {
		g.cancel()
		tr.Shutdown()
		return nil, fmt.Errorf("start gossip: %w", err)
	}
	g.list = list
	g.work.Go(g.merge)
	g.work.Go(g.rejoin)
	return g, nil
}

// SetKeys changes the keys to these, of which the first encrypts. What was
// encrypted with another one is not understood from then on.
func (g *Gossip) SetKeys(keys [][]byte) error {
	if len(keys) == 0 {
		return errors.New("gossip needs a key")
	}
	for _, k := range keys {
		if err := g.ring.AddKey(k); err != nil {
			return fmt.Errorf("add a gossip key: %w", err)
		}
	}
	// Those that go must be the last ones on memberlist's ring: it takes any
	// other out under the hands of who is just decrypting with them.
	for _, k := range slices.Backward(keys) {
		if err := g.ring.UseKey(k); err != nil {
			return fmt.Errorf("use a gossip key: %w", err)
		}
	}
	for _, k := range slices.Backward(slices.Clone(g.ring.GetKeys())[len(keys):]) {
		if err := g.ring.RemoveKey(k); err != nil {
			return fmt.Errorf("remove a gossip key: %w", err)
		}
	}
	return nil
}

// Broadcast tells all nodes. A later broadcast of the same name takes the
// place of one still waiting.
func (g *Gossip) Broadcast(name string, message []byte) error {
	if len(message) > MaxBroadcast {
		return fmt.Errorf("broadcast %q of %d octets: at most %d fit a packet", name, len(message), MaxBroadcast)
	}
	g.queue.QueueBroadcast(&broadcast{name, message})
	g.queue.Prune(maxQueued)
	return nil
}

// Dropped counts messages received and dropped because this node was too busy.
func (g *Gossip) Dropped() int64 { return g.dropped.Load() }

// merge takes in what NotifyMsg has queued.
func (g *Gossip) merge() {
	for {
		select {
		case msg := <-g.inbox:
			g.cfg.Merge(msg)
		case <-g.ctx.Done():
			return
		}
	}
}

// rejoin calls members that are not seen: all at the start, and those that a
// partition has hidden for so long that memberlist has given them up.
func (g *Gossip) rejoin() {
	for {
		g.call()
		select {
		case <-time.After(rejoinEvery):
		case <-g.ctx.Done():
			return
		}
	}
}

func (g *Gossip) call() {
	seen := map[string]bool{}
	for _, n := range g.list.Members() {
		seen[n.Name] = true
	}
	var unseen []string
	for name, addr := range g.cfg.Peers() {
		if seen[name] || name == g.cfg.Name || addr == "" {
			continue
		}
		// The stream finds its way by the name; memberlist wants an address.
		udp, err := net.ResolveUDPAddr("udp", addr)
		if err != nil {
			g.cfg.Logger.Debug("a member's address cannot be resolved", "peer", name, "addr", addr, "err", err)
			continue
		}
		unseen = append(unseen, name+"/"+udp.String())
	}
	rand.Shuffle(len(unseen), func(i, j int) { unseen[i], unseen[j] = unseen[j], unseen[i] })
	for _, addr := range unseen[:min(len(unseen), rejoinAtOnce)] {
		if g.ctx.Err() != nil {
			return
		}
		if _, err := g.list.Join([]string{addr}); err != nil {
			g.cfg.Logger.Debug("a member does not answer", "peer", addr, "err", err)
		}
	}
}

// Leave tells the others that this node goes, so that they need not find out.
func (g *Gossip) Leave() error {
	if err := g.list.Leave(leaveTime); err != nil {
		return fmt.Errorf("leave gossip: %w", err)
	}
	return nil
}

// Close stops gossip. Without Leave before it, the others see a crash.
func (g *Gossip) Close() error {
	var err error
	g.once.Do(func() {
		g.cancel()
		err = g.list.Shutdown() // closes the transport
		g.work.Wait()
	})
	if err != nil {
		return fmt.Errorf("stop gossip: %w", err)
	}
	return nil
}

// broadcast is a message in the queue.
type broadcast struct {
	name    string
	message []byte
}

func (b *broadcast) Name() string    { return b.name }
func (b *broadcast) Message() []byte { return b.message }
func (b *broadcast) Finished()       {}
func (b *broadcast) Invalidates(other memberlist.Broadcast) bool {
	o, ok := other.(*broadcast)
	return ok && o.name == b.name
}

// delegate is what memberlist calls. Nothing here blocks or calls memberlist,
// for it is called under memberlist's locks and in its receive loop.
type delegate Gossip

func (d *delegate) NodeMeta(int) []byte { return nil }

func (d *delegate) NotifyMsg(msg []byte) {
	select {
	case d.inbox <- append([]byte(nil), msg...): // memberlist uses msg again
	default:
		d.dropped.Add(1)
	}
}

func (d *delegate) GetBroadcasts(overhead, limit int) [][]byte {
	return d.queue.GetBroadcasts(overhead, limit)
}

func (d *delegate) LocalState(bool) []byte { return d.cfg.State() }

func (d *delegate) MergeRemoteState(state []byte, _ bool) { d.cfg.Merge(state) }

var errNotMember = errors.New("not a member of this cluster")

// NotifyAlive refuses names that are not members'.
func (d *delegate) NotifyAlive(n *memberlist.Node) error {
	if n.Name == d.cfg.Name {
		return nil
	}
	if !d.cfg.Member(n.Name) {
		return fmt.Errorf("node %q: %w", n.Name, errNotMember)
	}
	return nil
}

func (d *delegate) NotifyJoin(n *memberlist.Node) {
	d.nodes.Add(1)
	d.tell(n, true)
}

func (d *delegate) NotifyLeave(n *memberlist.Node) {
	d.nodes.Add(-1)
	d.tell(n, false)
}

func (d *delegate) NotifyUpdate(*memberlist.Node) {}

func (d *delegate) tell(n *memberlist.Node, alive bool) {
	if n.Name != d.cfg.Name {
		d.cfg.Alive(n.Name, alive)
	}
}
