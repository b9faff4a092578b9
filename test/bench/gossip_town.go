package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/cluster/gossip"
	"github.com/faxmesh/faxmesh/cluster/roaming"
	"github.com/faxmesh/faxmesh/cluster/roaming/courier"
)

// The lines between the simulated nodes.
const (
	nearest = 1 * time.Millisecond // one way
	farther = 40 * time.Millisecond
	settles = 90 * time.Second // until all nodes see all
	resting = 30 * time.Second
	apart   = time.Second // between two changes
	longest = 2 * time.Minute
)

// simTown is many nodes: real stores, couriers and gossip, simulated lines.
type simTown struct {
	loss  float64
	nodes []*simNode
	byAt  map[netip.AddrPort]*simNode
	moved atomic.Int64 // octets, in packets and calls

	mu      sync.Mutex
	arrived map[string]map[string]time.Duration // of each change, on which nodes after how long
	written map[string]time.Time
}

// simNode is one node, and its UDP port and listener.
type simNode struct {
	town    *simTown
	name    string
	at      netip.AddrPort
	store   *roaming.Store
	courier *courier.Courier
	gossip  *gossip.Gossip
	packets chan simPacket
	streams chan net.Conn
	done    chan struct{}
	once    sync.Once
	answers map[string]func(ctx context.Context, from string, body []byte) ([]byte, error)

	mu    sync.Mutex
	alive map[string]bool
}

type simPacket struct {
	from netip.AddrPort
	data []byte
}

func way() time.Duration { return nearest + rand.N(farther-nearest) }

func (n *simNode) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case p := <-n.packets:
		return copy(b, p.data), p.from, nil
	case <-n.done:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (n *simNode) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	n.town.moved.Add(int64(len(b)))
	other := n.town.byAt[to]
	if other == nil || rand.Float64() < n.town.loss {
		return len(b), nil
	}
	p := simPacket{n.at, append([]byte(nil), b...)}
	time.AfterFunc(way(), func() {
		select {
		case other.packets <- p:
		default: // the port's queue is full
		}
	})
	return len(b), nil
}

func (n *simNode) Accept() (net.Conn, error) {
	select {
	case c := <-n.streams:
		return c, nil
	case <-n.done:
		return nil, net.ErrClosed
	}
}

func (n *simNode) Close() error   { n.once.Do(func() { close(n.done) }); return nil }
func (n *simNode) Addr() net.Addr { return net.TCPAddrFromAddrPort(n.at) }

func (n *simNode) DialNode(ctx context.Context, name string) (net.Conn, error) {
	for _, other := range n.town.nodes {
		if other.name != name {
			continue
		}
		here, there := net.Pipe()
		select {
		case other.streams <- there:
			return here, nil
		case <-other.done:
		case <-ctx.Done():
		}
		here.Close()
	}
	return nil, errors.New("nobody there")
}

// call asks another node over a line that is slow and reliable, as TCP is.
func (n *simNode) call(ctx context.Context, node, method string, body []byte) ([]byte, error) {
	for _, other := range n.town.nodes {
		if other.name == node {
			time.Sleep(way())
			answer, err := other.answers[method](ctx, n.name, body)
			time.Sleep(way())
			n.town.moved.Add(int64(len(body) + len(answer)))
			return answer, err
		}
	}
	return nil, errors.New("nobody there")
}

func (n *simNode) others() (others []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for name, is := range n.alive {
		if is {
			others = append(others, name)
		}
	}
	return others
}

func (n *simNode) members() (members []string) {
	for _, other := range n.town.nodes {
		if other != n {
			members = append(members, other.name)
		}
	}
	return members
}

func (n *simNode) heardOf(node string, alive bool) {
	n.mu.Lock()
	n.alive[node] = alive
	n.mu.Unlock()
	if alive {
		n.courier.Alive(node)
	}
}

// changed notes which changes have come.
func (n *simNode) changed(keys []roaming.Key) {
	w := n.town
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range keys {
		if _, is := w.arrived[k.ID][n.name]; !is && w.arrived[k.ID] != nil {
			w.arrived[k.ID][n.name] = time.Since(w.written[k.ID])
		}
	}
}

func buildTown(t *testing.T, o gossipOptions) *simTown {
	w := &simTown{loss: o.loss, byAt: map[netip.AddrPort]*simNode{}, arrived: map[string]map[string]time.Duration{}, written: map[string]time.Time{}}
	dir := t.TempDir()
	for i := range o.nodes {
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 7487)
		n := &simNode{town: w, name: fmt.Sprintf("n%03d", i), at: at, packets: make(chan simPacket, 256), streams: make(chan net.Conn), done: make(chan struct{}),
			answers: map[string]func(context.Context, string, []byte) ([]byte, error){}, alive: map[string]bool{}}
		w.nodes, w.byAt[at] = append(w.nodes, n), n
		store, err := roaming.Open(filepath.Join(dir, n.name), n.name)
		if err != nil {
			t.Fatal(err)
		}
		n.store = store
	}
	quiet := slog.New(slog.DiscardHandler)
	for _, n := range w.nodes {
		n.courier = courier.Open(courier.Config{Name: n.name, Store: n.store, Others: n.others, Members: n.members, Call: n.call,
			Broadcast: func(name string, message []byte) error { return n.gossip.Broadcast(name, message) },
			Changed:   n.changed, Alarm: func(string, string, string) {}, Logger: quiet})
		n.courier.Handle(func(method string, f func(context.Context, string, []byte) ([]byte, error)) { n.answers[method] = f })
	}
	for _, n := range w.nodes {
		peers := map[string]string{}
		for _, other := range w.nodes {
			peers[other.name] = other.at.String()
		}
		var err error
		n.gossip, err = gossip.Open(gossip.Config{Name: n.name, Cluster: "town", Keys: [][]byte{make([]byte, 32)}, Advertise: n.at, Packets: n, Streams: n,
			Peers: func() map[string]string { return peers }, Member: func(string) bool { return true },
			State: func() []byte { return nil }, Merge: func(m []byte) { n.courier.Hear(m) }, Alive: n.heardOf, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *simTown) close(t *testing.T) {
	for _, n := range w.nodes {
		if err := errors.Join(n.courier.Close(), n.gossip.Close()); err != nil {
			t.Error(err)
		}
	}
	time.Sleep(time.Minute) // for what memberlist does not wait for
	for _, n := range w.nodes {
		if err := n.store.Close(); err != nil {
			t.Error(err)
		}
	}
}

// measureSpread changes entries here and there and looks when the changes are
// on all nodes.
func measureSpread(t *testing.T, o gossipOptions) (s spread) {
	w := buildTown(t, o)
	defer w.close(t)
	time.Sleep(settles)
	for _, n := range w.nodes {
		if seen := len(n.others()); seen != o.nodes-1 {
			t.Fatalf("%s sees %d other nodes", n.name, seen)
		}
	}
	before := w.moved.Load()
	time.Sleep(resting)
	rest := float64(w.moved.Load()-before) / resting.Seconds()
	before, begun := w.moved.Load(), time.Now()
	for i := range o.changes {
		w.change(t, w.nodes[rand.N(len(w.nodes))], fmt.Sprint("e", i))
		time.Sleep(apart)
	}
	all := w.await(t, o)
	s.Rest = rest / float64(o.nodes)
	s.Octets = (float64(w.moved.Load()-before) - rest*time.Since(begun).Seconds()) / float64(o.nodes*o.changes)
	s.AllP50, s.AllP99 = within(all, 50), within(all, 99)
	var each []time.Duration
	for _, on := range w.arrived {
		for _, took := range on {
			each = append(each, took)
		}
	}
	s.OneP50, s.OneP99 = within(each, 50), within(each, 99)
	return s
}

func (w *simTown) change(t *testing.T, n *simNode, id string) {
	w.mu.Lock()
	w.arrived[id], w.written[id] = map[string]time.Duration{n.name: 0}, time.Now()
	w.mu.Unlock()
	if err := n.courier.Write(person(id)); err != nil {
		t.Fatal(err)
	}
}

// person is an entry as people have them.
func person(id string) roaming.Edit {
	return roaming.Edit{Key: roaming.Key{Kind: roaming.Shared, Owner: "everyone", ID: id}, Set: map[string]string{
		"name": "Ward " + id + ", Department of Internal Medicine", "company": "St. Elsewhere Hospital", "fax": "+45 44 20 " + id, "note": "at night through the porter",
	}}
}

// await waits until all changes are on all nodes, and gives how long each took.
func (w *simTown) await(t *testing.T, o gossipOptions) (all []time.Duration) {
	for end := time.Now().Add(longest); ; time.Sleep(time.Second) {
		all = nil
		w.mu.Lock()
		for _, on := range w.arrived {
			if len(on) < o.nodes {
				continue
			}
			var last time.Duration
			for _, took := range on {
				last = max(last, took)
			}
			all = append(all, last)
		}
		w.mu.Unlock()
		if len(all) == o.changes {
			return all
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d changes are on all nodes after %v", len(all), o.changes, longest)
		}
	}
}
