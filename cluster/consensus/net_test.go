package consensus

import (
	"errors"
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
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case to.in <- b:
		return a, nil
	case <-to.closed:
		return nil, errors.New("nobody listens at " + node)
	case <-timer.C:
		return nil, errors.New("timed out dialling " + node)
	}
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
