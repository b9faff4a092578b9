package consensus

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// network joins streams in memory. A node that is cut off keeps running.
type network struct {
	mu    sync.Mutex
	nodes map[string]*port
	cut   map[string]bool
	conns map[net.Conn][2]string // both ends of every pipe -> who it joins

	// If rand is set before use, what is written takes delay to arrive, and one
	// in lost writes as long again as TCP takes to repeat it.
	rand  *rand.Rand
	delay time.Duration
	lost  int
}

// stretch changes the length of all lines.
func (n *network) stretch(delay time.Duration, lost int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.delay, n.lost = delay, lost
}

func newNetwork() *network {
	return &network{nodes: map[string]*port{}, cut: map[string]bool{}, conns: map[net.Conn][2]string{}}
}

// port is one node's Stream.
type port struct {
	net    *network
	name   string
	in     chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// port makes a node's Stream, in place of one it had before.
func (n *network) port(name string) *port {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := &port{net: n, name: name, in: make(chan net.Conn), closed: make(chan struct{})}
	n.nodes[name] = p
	return p
}

func (p *port) Accept() (net.Conn, error) {
	select {
	case c := <-p.in:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *port) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *port) Dial(node string, timeout time.Duration) (net.Conn, error) {
	n := p.net
	n.mu.Lock()
	to := n.nodes[node]
	if to == nil || n.cut[node] || n.cut[p.name] {
		n.mu.Unlock()
		return nil, errors.New("no way to " + node)
	}
	a, b := net.Pipe()
	n.conns[a], n.conns[b] = [2]string{p.name, node}, [2]string{p.name, node}
	n.mu.Unlock()
	if n.rand != nil {
		a, b = n.far(a), n.far(b)
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case to.in <- b:
		return a, nil
	case <-to.closed:
	case <-timer.C:
	}
	a.Close()
	b.Close()
	return nil, errors.New("nobody answers at " + node)
}

// far makes a stream whose writes arrive later.
func (n *network) far(conn net.Conn) net.Conn {
	c := &farConn{Conn: conn, net: n, queue: make(chan parcel, 1024), closed: make(chan struct{})}
	go c.deliver()
	return c
}

type parcel struct {
	data []byte
	due  time.Time
}

type farConn struct {
	net.Conn
	net    *network
	queue  chan parcel
	closed chan struct{}
	once   sync.Once
}

func (c *farConn) deliver() {
	for {
		select {
		case p := <-c.queue:
			time.Sleep(time.Until(p.due))
			if _, err := c.Conn.Write(p.data); err != nil {
				return
			}
		case <-c.closed:
			return
		}
	}
}

func (c *farConn) Write(data []byte) (int, error) {
	c.net.mu.Lock()
	due := time.Now().Add(c.net.delay)
	if c.net.lost > 0 && c.net.rand.IntN(c.net.lost) == 0 {
		due = due.Add(200*time.Millisecond + 2*c.net.delay) // Linux's shortest wait, and a round trip
	}
	c.net.mu.Unlock()
	select {
	case c.queue <- parcel{bytes.Clone(data), due}:
		return len(data), nil
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

// SetWriteDeadline does nothing: a write ends at once.
func (c *farConn) SetWriteDeadline(time.Time) error { return nil }

func (c *farConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

func (c *farConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// isolate cuts a node off, or joins it again.
func (n *network) isolate(name string, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[name] = cut
	for c, ends := range n.conns {
		if ends[0] == name || ends[1] == name {
			c.Close()
			delete(n.conns, c)
		}
	}
}
