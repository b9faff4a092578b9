package clienttest

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
	"github.com/faxmesh/faxmesh/node/clientconn"
)

// Cluster is some servers over one desk.
type Cluster struct {
	Desk      *Desk
	Authority *Authority
	Servers   []*Server
}

// Server is one node's door.
type Server struct {
	Name string
	Addr string // host:port on loopback

	certificate tls.Certificate
	door        *clientconn.Server
	listener    *listener
	wg          sync.WaitGroup
}

// Start runs a server for each name until the test ends.
func Start(t testing.TB, names ...string) *Cluster {
	t.Helper()
	return StartWith(t, clientconn.Limits{}, slog.New(slog.DiscardHandler), names...)
}

// StartWith is Start with other limits and a log.
func StartWith(t testing.TB, limits clientconn.Limits, log *slog.Logger, names ...string) *Cluster {
	t.Helper()
	c := &Cluster{Desk: NewDesk("test"), Authority: NewAuthority(t, "test")}
	for _, name := range names {
		s := &Server{Name: name, certificate: c.Authority.Node(t, name)}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s.Addr = ln.Addr().String()
		s.listener = &listener{Listener: ln, conns: map[net.Conn]bool{}}
		s.door, err = clientconn.New(clientconn.Config{
			Desk:   c.Desk.At(name),
			TLS:    &tls.Config{Certificates: []tls.Certificate{s.certificate}},
			Logger: log, Limits: limits,
		})
		if err != nil {
			t.Fatal(err)
		}
		s.wg.Go(func() {
			if err := s.door.Serve(s.listener); err != nil {
				t.Error(err)
			}
		})
		t.Cleanup(s.Stop)
		if c.Desk.signer.PrivateKey == nil {
			c.Desk.first, c.Desk.signer = name, s.certificate
		}
		c.Servers = append(c.Servers, s)
		c.Desk.nodes = append(c.Desk.nodes, fax.Node{Name: name, ClientAddr: s.Addr})
	}
	return c
}

// Addrs is where the servers are.
func (c *Cluster) Addrs() []string {
	var list []string
	for _, s := range c.Servers {
		list = append(list, s.Addr)
	}
	return list
}

// Server is the server of that name.
func (c *Cluster) Server(name string) *Server {
	for _, s := range c.Servers {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Stop ends the server as an administrator does: clients are told.
func (s *Server) Stop() {
	_ = s.door.Close()
	s.wg.Wait()
}

// Cut ends all connections as a broken network does; new ones are accepted.
func (s *Server) Cut() { s.listener.cut() }

// Tell calls a session's notification port as the server's node and tells
// events there. It returns the numbers that the client acknowledges.
func (s *Server) Tell(ctx context.Context, d *Desk, session fax.Session, events ...fax.Event) ([]uint64, error) {
	addr, cb, ok := d.Callback(session.ID)
	if !ok {
		return nil, fax.Errorf(fax.NotFound, "the session has no notification port")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return nil, err
	}
	link, err := wire.Call(ctx, conn, wire.CallbackTLS(s.certificate, cb.Fingerprint), wire.Hello{Secret: session.Secret, Node: s.Name})
	if err != nil {
		return nil, err
	}
	defer link.Close()
	frames, err := wire.Pushes(events)
	if err != nil {
		return nil, err
	}
	var seqs []uint64
	for _, f := range frames {
		if err := link.Send(ctx, f); err != nil {
			return nil, err
		}
		ack, err := link.Read()
		if err != nil {
			return nil, err
		}
		var m wire.Seqs
		if err := wire.CheckThenDecode(ack.Payload, &m); err != nil {
			return nil, err
		}
		seqs = append(seqs, m.Seqs...)
	}
	return seqs, nil
}

// listener remembers connections, to cut them.
type listener struct {
	net.Listener

	mu    sync.Mutex
	conns map[net.Conn]bool
}

func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.mu.Lock()
		l.conns[conn] = true
		l.mu.Unlock()
	}
	return conn, err
}

func (l *listener) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset, not a good-bye
		}
		_ = c.Close()
	}
	clear(l.conns)
}
