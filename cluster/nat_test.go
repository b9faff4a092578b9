package cluster

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// mapping is a port of a NAT router, TCP and UDP: what comes to it goes to a
// node behind the router, which sees it come from another port than it was sent
// from.
type mapping struct {
	t       *testing.T
	tcp     net.Listener
	udp     *net.UDPConn
	streams atomic.Int64
	packets atomic.Int64 // that have come
	work    sync.WaitGroup
	flows   map[netip.AddrPort]*net.UDPConn // by who sends; of passPackets alone

	mu     sync.Mutex
	inside netip.AddrPort // of the node
	open   map[io.Closer]struct{}
	closed bool
}

func newMapping(t *testing.T) *mapping {
	t.Helper()
	m := &mapping{t: t, open: map[io.Closer]struct{}{}, flows: map[netip.AddrPort]*net.UDPConn{}}
	for try := 0; m.udp == nil; try++ {
		var err error
		if m.tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		m.udp, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(m.tcp.Addr().(*net.TCPAddr).AddrPort()))
		if err != nil {
			m.udp = nil
			m.tcp.Close()
			if try == bindTries {
				t.Fatal(err)
			}
		}
	}
	m.work.Go(m.acceptStreams)
	m.work.Go(m.passPackets)
	t.Cleanup(m.close)
	return m
}

func (m *mapping) addr() string { return m.tcp.Addr().String() }

// to sets where the port leads.
func (m *mapping) to(node *Cluster) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inside = node.PeerAddr().AddrPort()
}

func (m *mapping) target() netip.AddrPort {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.inside
}

// keep remembers what close is to close.
func (m *mapping) keep(c io.Closer) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		c.Close()
		return false
	}
	m.open[c] = struct{}{}
	return true
}

func (m *mapping) close() {
	m.tcp.Close()
	m.udp.Close()
	m.mu.Lock()
	m.closed = true
	for c := range m.open {
		c.Close()
	}
	m.mu.Unlock()
	m.work.Wait()
}

func (m *mapping) acceptStreams() {
	for {
		outer, err := m.tcp.Accept()
		if err != nil {
			return
		}
		m.streams.Add(1)
		inner, err := net.Dial("tcp", m.target().String())
		if err != nil {
			outer.Close()
			continue
		}
		if !m.keep(outer) || !m.keep(inner) {
			outer.Close()
			return
		}
		pass := func(to, from net.Conn) {
			io.Copy(to, from)
			to.Close()
			from.Close()
		}
		m.work.Go(func() { pass(inner, outer) })
		m.work.Go(func() { pass(outer, inner) })
	}
}

func (m *mapping) passPackets() {
	buf := make([]byte, 2048)
	for {
		n, from, err := m.udp.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		m.packets.Add(1)
		flow := m.flows[from]
		if flow == nil {
			if flow, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(m.target())); err != nil || !m.keep(flow) {
				continue
			}
			m.flows[from] = flow
			m.work.Go(func() { m.passBack(flow, from) })
		}
		flow.Write(buf[:n])
	}
}

func (m *mapping) passBack(flow *net.UDPConn, to netip.AddrPort) {
	buf := make([]byte, 2048)
	for {
		n, err := flow.Read(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			m.udp.WriteToUDPAddrPort(buf[:n], to)
		}
	}
}

// openBehind opens a node that others reach by a mapped port alone.
func (w *town) openBehind(name string, m *mapping) {
	w.t.Helper()
	w.alter = func(opt *Options) { opt.PeerAdvertise = m.addr() }
	m.to(w.open(name, "127.0.0.1:0"))
}

// Three nodes, each behind a router with a mapped port: they bind one port and
// advertise another, and everything between them goes by the latter.
func TestMappedPorts(t *testing.T) {
	t.Parallel()
	w := &town{t: t, nodes: map[string]*Cluster{}, dirs: map[string]string{"north": t.TempDir()}, log: io.Discard}
	ports := map[string]*mapping{"north": newMapping(t), "south": newMapping(t), "west": newMapping(t)}
	if err := Init(w.dirs["north"], Options{Name: "north", Admin: "admin", AdminHash: hash, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	w.openBehind("north", ports["north"])
	for _, name := range []string{"south", "west"} {
		w.dirs[name] = t.TempDir()
		if err := Join(patience(t), w.dirs[name], w.token(), ports["north"].addr(), Options{Name: name, PeerAdvertise: ports[name].addr()}); err != nil {
			t.Fatalf("%s joins: %v", name, err)
		}
		w.openBehind(name, ports[name])
	}
	w.voters(3)
	for name := range w.nodes {
		w.propose(name, "by "+name)
	}
	w.agree()
	waitLong(t, "all see each other", func() bool {
		for _, c := range w.nodes {
			if len(c.Presence().Alive()) != 3 {
				return false
			}
		}
		return true
	})
	if err := w.nodes["west"].SetLine(fax.LineState{Name: "l1", State: "free"}); err != nil {
		t.Fatal(err)
	}
	waitLong(t, "what a line does is heard", func() bool {
		return len(w.nodes["south"].Presence().Lines()) == 1 && len(w.nodes["north"].Presence().Lines()) == 1
	})
	t.Run("documents", w.documents)
	for name, c := range w.nodes {
		for _, m := range c.Members() {
			if m.PeerAddr != ports[m.Name].addr() {
				t.Errorf("%s looks for %s at %s, not at %s", name, m.Name, m.PeerAddr, ports[m.Name].addr())
			}
		}
		if p := ports[name]; p.streams.Load() == 0 || p.packets.Load() == 0 {
			t.Errorf("by the port of %s have come %d connections and %d packets", name, p.streams.Load(), p.packets.Load())
		}
	}
}
