package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Config says who may use the port.
type Config struct {
	Identity *Identity
	// Member reports whether a node of that name has a certificate with that
	// fingerprint.
	Member func(name, fingerprint string) bool
	// Stays reports whether a connection of that node may go on which it began
	// with a certificate with that fingerprint; nil: while Member says so.
	Stays func(name, fingerprint string) bool
	// Locate gives the address, host:port, of a member, and the fingerprint that
	// it is expected to have.
	Locate   func(name string) (addr, fingerprint string, ok bool)
	Versions Versions // Spoken if zero
	Logger   *slog.Logger
}

// Mux is the open port. It is safe for concurrent use.
type Mux struct {
	cfg       Config
	listener  net.Listener
	listeners map[Proto]*listener
	refusals  *rate.Limiter
	ctx       context.Context // ends when the port is closed
	cancel    context.CancelFunc
	work      sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	strangers map[netip.Addr]int // connections before authentication
	pending   int
	conns     map[*Conn]struct{}
}

// Conn is an authenticated connection.
type Conn struct {
	*tls.Conn
	Peer        string // name of the node at the other end; "" on Join
	Version     int    // of the protocol that both ends speak
	fingerprint string
	mux         *Mux // where it is counted; nil if it was dialled by DialJoin
	dialled     bool
}

// Listen opens the port at a TCP address and serves it until Close.
func Listen(addr string, cfg Config) (*Mux, error) {
	if cfg.Stays == nil {
		cfg.Stays = cfg.Member
	}
	if cfg.Versions == (Versions{}) {
		cfg.Versions = Spoken
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("open the cluster port: %w", err)
	}
	m := &Mux{
		cfg:       cfg,
		listener:  l,
		listeners: map[Proto]*listener{},
		refusals:  rate.NewLimiter(rate.Every(time.Second), 10),
		strangers: map[netip.Addr]int{},
		conns:     map[*Conn]struct{}{},
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	for _, p := range []Proto{Gossip, Raft, Blob, Request, Feed, Backup, Join} {
		m.listeners[p] = &listener{mux: m, queue: make(chan net.Conn, acceptQueue), done: make(chan struct{})}
	}
	m.work.Go(m.accept)
	return m, nil
}

// Addr is the address the port is bound to.
func (m *Mux) Addr() *net.TCPAddr { return m.listener.Addr().(*net.TCPAddr) }

// Listener gives the connections of one protocol. Closing it ends that
// protocol on this port.
func (m *Mux) Listener(p Proto) net.Listener { return m.listeners[p] }

// accept runs until the port is closed.
func (m *Mux) accept() {
	for {
		conn, err := m.listener.Accept()
		if err != nil {
			select {
			case <-m.ctx.Done():
				return
			case <-time.After(100 * time.Millisecond): // out of descriptors: wait for some to be freed
				m.refused("", "a connection could not be accepted", err)
				continue
			}
		}
		addr := remoteIP(conn)
		if !m.enter(addr) {
			conn.Close()
			m.refused(addr.String(), "too many connections at once are not yet authenticated", nil)
			continue
		}
		m.work.Go(func() {
			m.welcome(conn, addr)
		})
	}
}

// enter counts a stranger in, leave counts him out.
func (m *Mux) enter(addr netip.Addr) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.pending >= MaxStrangers || m.strangers[addr] >= MaxPerAddress {
		return false
	}
	m.pending++
	m.strangers[addr]++
	return true
}

func (m *Mux) leave(addr netip.Addr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pending--
	if m.strangers[addr]--; m.strangers[addr] == 0 {
		delete(m.strangers, addr)
	}
}

// welcome finds out who has called and what for, and hands the connection on
// or closes it.
func (m *Mux) welcome(raw net.Conn, addr netip.Addr) {
	conn, proto, err := m.authenticate(raw)
	m.leave(addr)
	if err == nil {
		err = m.admit(conn, proto)
	}
	if err == nil && proto != Join && !m.cfg.Stays(conn.Peer, conn.fingerprint) {
		err = fmt.Errorf("node %q has been removed just now", conn.Peer) // between the check and admit, and so not expelled
	}
	if err == nil {
		err = m.listeners[proto].hand(conn)
	}
	if err != nil {
		if conn != nil {
			conn.Close()
		}
		raw.Close()
		m.refused(addr.String(), "a connection was refused", err)
	}
}

// authenticate does the handshake and reads the first octet, within
// HandshakeTime.
func (m *Mux) authenticate(raw net.Conn) (*Conn, Proto, error) {
	ctx, cancel := context.WithTimeout(m.ctx, HandshakeTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	t := tls.Server(raw, m.serverConfig())
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, 0, fmt.Errorf("TLS handshake: %w", m.cfg.Versions.explain(err))
	}
	var first [1]byte
	if _, err := io.ReadFull(t, first[:]); err != nil {
		return nil, 0, fmt.Errorf("read the protocol octet: %w", err)
	}
	if !stop() {
		return nil, 0, errors.New("too slow")
	}
	proto := Proto(first[0])
	if m.listeners[proto] == nil {
		return nil, 0, fmt.Errorf("%#x is no protocol of the cluster port", first[0])
	}
	conn := &Conn{Conn: t, mux: m}
	if proto != Join {
		if err := m.identify(conn, proto); err != nil {
			return nil, 0, err
		}
	}
	conn.Version = versionOf(t.ConnectionState().NegotiatedProtocol)
	return conn, proto, nil
}

// identify finds out which member has called.
func (m *Mux) identify(conn *Conn, proto Proto) error {
	certs := conn.ConnectionState().PeerCertificates
	if len(certs) == 0 {
		return fmt.Errorf("no certificate was shown for %s", proto)
	}
	cluster, name, err := nodeOf(certs[0])
	if err != nil {
		return err
	}
	conn.Peer, conn.fingerprint = name, Fingerprint(certs[0])
	if cluster != m.cfg.Identity.Cluster || !m.cfg.Member(name, conn.fingerprint) {
		return fmt.Errorf("the certificate for %q is not one of a member", name)
	}
	return nil
}

// admit counts an authenticated connection in; its Close counts it out.
func (m *Mux) admit(conn *Conn, proto Proto) error {
	limit := MaxPerMember
	if proto == Join {
		limit = MaxJoining
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	same, all := 0, 0
	for c := range m.conns {
		if !c.dialled {
			all++
			if c.Peer == conn.Peer {
				same++
			}
		}
	}
	switch {
	case m.closed:
		return net.ErrClosed
	case all >= MaxConnections || same >= limit:
		return fmt.Errorf("%q has %d connections and all have %d; no more are allowed", conn.Peer, same, all)
	}
	m.conns[conn] = struct{}{}
	return nil
}

// Close closes the connection.
func (c *Conn) Close() error {
	if c.mux != nil {
		c.mux.mu.Lock()
		delete(c.mux.conns, c)
		c.mux.mu.Unlock()
	}
	// No close_notify: it would wait for a peer that does not read.
	return c.Conn.NetConn().Close()
}

// Expel closes the connections of nodes that are members no more.
func (m *Mux) Expel() {
	m.mu.Lock()
	var gone []*Conn
	for c := range m.conns {
		if c.Peer != "" && !m.cfg.Stays(c.Peer, c.fingerprint) {
			gone = append(gone, c)
		}
	}
	m.mu.Unlock()
	for _, c := range gone {
		m.cfg.Logger.Info("a node is no longer a member; its connection was closed", "peer", c.Peer)
		c.Close()
	}
}

// refused puts a refusal in the log, unless there are too many of them.
func (m *Mux) refused(addr, what string, err error) {
	if m.ctx.Err() == nil && m.refusals.Allow() {
		m.cfg.Logger.Warn(what, "from", addr, "err", err)
	}
}

// Close closes the port and all connections made by way of it, and returns
// when its goroutines have.
func (m *Mux) Close() error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		m.work.Wait()
		return nil
	}
	m.closed = true
	open := make([]*Conn, 0, len(m.conns))
	for c := range m.conns {
		open = append(open, c)
	}
	m.mu.Unlock()
	m.cancel()
	err := m.listener.Close()
	for _, c := range open {
		c.Close()
	}
	m.work.Wait()
	if err != nil {
		return fmt.Errorf("close the cluster port: %w", err)
	}
	return nil
}

func (m *Mux) serverConfig() *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		GetCertificate:         m.show,
		NextProtos:             m.cfg.Versions.names(),
		ClientAuth:             tls.VerifyClientCertIfGiven,
		ClientCAs:              m.cfg.Identity.Pool(),
		SessionTicketsDisabled: true, // each connection proves itself anew
	}
}

// show gives the certificate to who speaks the cluster protocol. Others, as who
// looks what is on a port, are told nothing but that there is TLS.
func (m *Mux) show(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if len(hello.SupportedProtos) == 0 { // TLS itself refuses those who name others
		return nil, errors.New("it does not say which version of the cluster protocol it speaks")
	}
	return m.cfg.Identity.forAsker(hello)
}

func remoteIP(c net.Conn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// listener is one protocol's share of the port.
type listener struct {
	mux   *Mux
	queue chan net.Conn
	once  sync.Once
	done  chan struct{}
}

// hand passes a connection on. A protocol that does not keep up loses it.
func (l *listener) hand(c net.Conn) error {
	select {
	case <-l.done:
		return net.ErrClosed
	default:
	}
	select {
	case l.queue <- c:
		return nil
	default:
		return errors.New("too many connections wait to be served")
	}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.done:
	case <-l.mux.ctx.Done():
	}
	return nil, net.ErrClosed
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *listener) Addr() net.Addr { return l.mux.Addr() }
