package clientconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// acceptPause is the wait after a failed accept, as when no descriptors are
// left.
const acceptPause = 100 * time.Millisecond

// Config is what a door needs.
type Config struct {
	Desk Desk
	// TLS has the node's certificate with the CA's behind it. The version is
	// set to 1.3 here; clients show no certificate.
	TLS    *tls.Config
	Logger *slog.Logger
	Limits Limits
}

// Server serves clients.
type Server struct {
	desk     Desk
	tls      *tls.Config
	log      *slog.Logger
	refusals *refusals
	admit    *admission
	ctx      context.Context // ends when the server closes
	cancel   context.CancelFunc
	wg       sync.WaitGroup // connections, listeners

	mu        sync.Mutex
	listeners map[net.Listener]bool
	closed    bool
}

// New makes a server, which does nothing before Serve.
func New(c Config) (*Server, error) {
	if c.Desk == nil || c.TLS == nil || c.Logger == nil {
		return nil, errors.New("the client door needs a desk, a TLS configuration and a logger")
	}
	config := c.TLS.Clone()
	config.MinVersion = tls.VersionTLS13
	config.ClientAuth = tls.NoClientCert
	ctx, cancel := context.WithCancel(context.Background())
	return &Server{
		desk:      c.Desk,
		tls:       config,
		log:       c.Logger,
		refusals:  newRefusals(c.Logger),
		admit:     newAdmission(c.Limits),
		ctx:       ctx,
		cancel:    cancel,
		listeners: map[net.Listener]bool{},
	}, nil
}

// Serve accepts connections until Close, which makes it return nil. It takes
// the listener over.
func (s *Server) Serve(ln net.Listener) error {
	if !s.addListener(ln) {
		_ = ln.Close()
		return nil
	}
	defer s.wg.Done()
	defer s.dropListener(ln)
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			s.welcome(conn)
		case s.ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept clients on %s: %w", ln.Addr(), err)
		default:
			s.log.Error("accept a client", "listener", ln.Addr().String(), "err", err)
			select {
			case <-time.After(acceptPause):
			case <-s.ctx.Done():
				return nil
			}
		}
	}
}

// Close tells every client to go elsewhere and returns when all connections
// have ended.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.cancel() // first, so that Serve knows why its listener fails
	for ln := range s.listeners {
		_ = ln.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
	return nil
}

func (s *Server) addListener(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.listeners[ln] = true
	s.wg.Add(1)
	return true
}

func (s *Server) dropListener(ln net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, ln)
	_ = ln.Close()
}

// welcome gives a connection a goroutine, if there is room for it.
func (s *Server) welcome(raw net.Conn) {
	peer := addrPort(raw.RemoteAddr())
	if err := s.admit.enter(peer.Addr()); err != nil {
		s.refusals.note(peer, err)
		_ = raw.Close()
		return
	}
	wire.LimitSocket(raw)
	c := &conn{server: s, desk: s.desk, peer: peer, log: s.log.With("peer", peer),
		transfers: make(chan struct{}, wire.MaxTransfers), streams: map[uint32]*stream{}}
	s.wg.Go(func() {
		err := c.serve(raw)
		c.leave()
		if err != nil {
			s.refusals.note(peer, err)
		}
	})
}

func addrPort(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		p := tcp.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{} // not a network: all such count as one address
}
