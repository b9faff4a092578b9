package gossip

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// town joins nodes of a test: streams are pipes, packets real UDP.
type town struct {
	mu    sync.Mutex
	nodes map[string]*node
	log   bytes.Buffer
}

type node struct {
	*Gossip
	town  *town
	name  string
	addr  string
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
	mu    sync.Mutex
	alive map[string]bool
	heard []string
}

func (n *node) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.done:
		return nil, net.ErrClosed
	}
}

func (n *node) Close() error   { n.once.Do(func() { close(n.done) }); return nil }
func (n *node) Addr() net.Addr { return nil }

func (n *node) DialNode(ctx context.Context, name string) (net.Conn, error) {
	n.town.mu.Lock()
	to := n.town.nodes[name]
	n.town.mu.Unlock()
	if to == nil {
		return nil, errors.New("nobody there")
	}
	near, far := net.Pipe()
	select {
	case to.conns <- far:
		return near, nil
	case <-to.done:
	case <-ctx.Done():
	}
	return nil, errors.New("nobody there")
}

func (w *town) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

// settle starts a node that knows members.
func (w *town) settle(t *testing.T, name string, key []byte, members ...string) *node {
	t.Helper()
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	addr := udp.LocalAddr().(*net.UDPAddr).AddrPort()
	n := &node{town: w, name: name, addr: addr.String(), conns: make(chan net.Conn), done: make(chan struct{}), alive: map[string]bool{}}
	w.mu.Lock()
	w.nodes[name] = n
	w.mu.Unlock()
	n.Gossip, err = Open(Config{
		Name: name, Cluster: "test", Keys: [][]byte{key}, Advertise: addr, Packets: udp, Streams: n,
		Peers: func() map[string]string {
			w.mu.Lock()
			defer w.mu.Unlock()
			peers := map[string]string{}
			for _, m := range members {
				if other := w.nodes[m]; other != nil && m != name {
					peers[m] = other.addr
				}
			}
			return peers
		},
		Member: func(other string) bool { return slices.Contains(members, other) },
		State:  func() []byte { return []byte("state of " + name) },
		Merge: func(msg []byte) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.heard = append(n.heard, string(msg))
		},
		Alive: func(other string, alive bool) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.alive[other] = alive
		},
		Logger: slog.New(slog.NewTextHandler(w, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Gossip.Close() })
	return n
}

func (n *node) sees(other string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.alive[other]
}

func (n *node) hasHeard(what string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Contains(n.heard, what)
}

func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not come about that %s", what)
		}
	}
}

func TestNodesMeetAndTell(t *testing.T) {
	key := make([]byte, 32)
	rand.Read(key)
	w := &town{nodes: map[string]*node{}}
	members := []string{"north", "south", "far west"}
	north := w.settle(t, "north", key, members...)
	south := w.settle(t, "south", key, members...)
	west := w.settle(t, "far west", key, members...)
	all := []*node{north, south, west}
	for _, a := range all {
		for _, b := range all {
			if a != b {
				waitFor(t, a.name+" sees "+b.name, func() bool { return a.sees(b.name) })
			}
		}
	}
	waitFor(t, "states are exchanged", func() bool {
		return south.hasHeard("state of north") && north.hasHeard("state of south")
	})
	large := string(bytes.Repeat([]byte{'x'}, MaxBroadcast))
	if err := north.Broadcast("large", []byte(large)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the largest broadcast arrives", func() bool { return south.hasHeard(large) && west.hasHeard(large) })
	if err := north.Broadcast("larger", []byte(large+"x")); err == nil {
		t.Error("a broadcast that fits no packet was accepted")
	}
	if err := south.Leave(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(south.Gossip.Close(), south.Gossip.Close()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "south is seen to leave", func() bool { return !north.sees("south") && !west.sees("south") })
}

// Neither a node that is no member, nor one with another key, nor noise gets
// in; all the while the members hear each other.
func TestStrangers(t *testing.T) {
	key, other := make([]byte, 32), make([]byte, 32)
	rand.Read(key)
	rand.Read(other)
	w := &town{nodes: map[string]*node{}}
	north := w.settle(t, "north", key, "north", "south")
	stranger := w.settle(t, "stranger", key, "north")
	keyless := w.settle(t, "south", other, "north", "south")
	if err := stranger.Broadcast("lie", []byte("lie")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the refusal is logged", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return bytes.Contains(w.log.Bytes(), []byte("not a member"))
	})
	waitFor(t, "the wrong key is noticed", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return bytes.Contains(w.log.Bytes(), []byte("decrypt"))
	})
	if north.sees("south") || north.hasHeard("state of south") {
		t.Error("a stranger was believed")
	}
	noise, err := net.Dial("udp", north.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer noise.Close()
	for n := range 3000 {
		packet := make([]byte, n)
		rand.Read(packet)
		noise.Write(packet)
	}
	keyless.Gossip.Close()
	south := w.settle(t, "south", key, "north", "south")
	waitFor(t, "north and south meet", func() bool { return north.sees("south") && south.sees("north") })
	if north.sees("stranger") || keyless.hasHeard("state of north") {
		t.Error("a stranger got in")
	}
	w.mu.Lock()
	lines := bytes.Count(w.log.Bytes(), []byte("\n"))
	w.mu.Unlock()
	if lines > 200 {
		t.Errorf("3000 packets of noise have made %d log lines", lines)
	}
}
