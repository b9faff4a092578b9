package peer

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"
)

// Dial connects to a member. The other end has proved to be that node when
// Dial returns.
func (m *Mux) Dial(ctx context.Context, name string, p Proto) (*Conn, error) {
	if m.ctx.Err() != nil {
		return nil, net.ErrClosed
	}
	addr, fingerprint, ok := m.cfg.Locate(name)
	if !ok {
		return nil, fmt.Errorf("no node %q is known to be a member", name)
	}
	conn, err := dialNode(ctx, m.cfg.Identity, callee{addr, name, fingerprint, func(shown string) bool { return m.cfg.Member(name, shown) }}, p, m.cfg.Versions)
	if err != nil {
		return nil, err
	}
	conn.mux, conn.dialled = m, true
	m.mu.Lock()
	closed := m.closed
	if !closed {
		m.conns[conn] = struct{}{}
	}
	m.mu.Unlock()
	if closed {
		conn.Close()
		return nil, net.ErrClosed
	}
	if !m.cfg.Stays(name, conn.fingerprint) {
		conn.Close()
		return nil, fmt.Errorf("node %q has been removed just now", name)
	}
	return conn, nil
}

// callee is a node that is dialled.
type callee struct {
	addr        string
	name        string
	fingerprint string                  // it is expected to have
	right       func(shown string) bool // whether it may have this one
}

// DialNode connects to a node by its address and the fingerprint of its
// certificate, be it a member or not, from a program that has no open port.
func DialNode(ctx context.Context, id *Identity, addr, name, fingerprint string, p Proto) (*Conn, error) {
	return dialNode(ctx, id, callee{addr, name, fingerprint, func(shown string) bool { return shown == fingerprint }}, p, Spoken)
}

func dialNode(ctx context.Context, id *Identity, to callee, p Proto, v Versions) (*Conn, error) {
	conn, err := dial(ctx, to.addr, p, v, &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{id.Certificate()},
		RootCAs:      id.Pool(),
		ServerName:   nameFor(to.fingerprint),
		VerifyConnection: func(s tls.ConnectionState) error {
			cluster, peer, err := nodeOf(s.PeerCertificates[0])
			switch {
			case err != nil:
				return err
			case cluster != id.Cluster || peer != to.name:
				return fmt.Errorf("%s is node %q of cluster %s, not %q; is the address right?", to.addr, peer, cluster, to.name)
			case !to.right(Fingerprint(s.PeerCertificates[0])):
				return fmt.Errorf("the certificate of %q at %s is not the member's", to.name, to.addr)
			}
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	conn.Peer, conn.fingerprint = to.name, Fingerprint(conn.ConnectionState().PeerCertificates[0])
	return conn, nil
}

// DialJoin connects a node that holds no certificate yet to a cluster known by
// the SHA-256 of its authority's certificate.
func DialJoin(ctx context.Context, addr string, authority [sha256.Size]byte) (*Conn, error) {
	return dial(ctx, addr, Join, Spoken, &tls.Config{
		MinVersion:         tls.VersionTLS13,
		ServerName:         ServerName,
		InsecureSkipVerify: true, // VerifyConnection does it, with the authority found in the chain
		VerifyConnection: func(s tls.ConnectionState) error {
			chain := s.PeerCertificates
			ca := chain[len(chain)-1]
			if sha256.Sum256(ca.Raw) != authority {
				return errors.New("the node there is not of the cluster that gave the token")
			}
			roots := x509.NewCertPool()
			roots.AddCert(ca)
			_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, DNSName: ServerName})
			return err
		},
	})
}

func dial(ctx context.Context, addr string, p Proto, v Versions, cfg *tls.Config) (*Conn, error) {
	cfg.NextProtos = v.names()
	ctx, cancel := context.WithTimeout(ctx, HandshakeTime)
	defer cancel()
	raw, err := (&net.Dialer{KeepAlive: keepAlive}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err // says what was dialled, and why it failed
	}
	t := tls.Client(raw, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, fmt.Errorf("TLS handshake with %s: %w", addr, v.explain(err))
	}
	version := versionOf(t.ConnectionState().NegotiatedProtocol)
	if version == 0 {
		raw.Close()
		return nil, fmt.Errorf("what answers at %s is no cluster port; a node's is %d unless its settings say otherwise", addr, Port)
	}
	deadline, _ := ctx.Deadline()
	t.SetDeadline(deadline)
	if _, err := t.Write([]byte{byte(p)}); err != nil {
		raw.Close()
		return nil, fmt.Errorf("begin %s with %s: %w", p, addr, err)
	}
	t.SetDeadline(time.Time{})
	return &Conn{Conn: t, Version: version}, nil
}
