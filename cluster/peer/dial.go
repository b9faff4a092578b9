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
	addr, ok := m.cfg.Locate(name)
	if !ok {
		return nil, fmt.Errorf("no node %q is known to be a member", name)
	}
	id := m.cfg.Identity
	conn, err := dial(ctx, addr, p, &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{id.Certificate()},
		RootCAs:      id.Pool(),
		ServerName:   ServerName,
		VerifyConnection: func(s tls.ConnectionState) error {
			cluster, peer, err := nodeOf(s.PeerCertificates[0])
			switch {
			case err != nil:
				return err
			case cluster != id.Cluster || peer != name:
				return fmt.Errorf("%s is node %q of cluster %s, not %q; is the address right?", addr, peer, cluster, name)
			case !m.cfg.Member(peer, Fingerprint(s.PeerCertificates[0].Raw)):
				return fmt.Errorf("the certificate of %q at %s is not the member's", name, addr)
			}
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	conn.Peer, conn.mux, conn.dialled = name, m, true
	conn.fingerprint = Fingerprint(conn.ConnectionState().PeerCertificates[0].Raw)
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
	return conn, nil
}

// DialJoin connects a node that holds no certificate yet to a cluster known by
// the SHA-256 of its authority's certificate.
func DialJoin(ctx context.Context, addr string, authority [sha256.Size]byte) (*Conn, error) {
	return dial(ctx, addr, Join, &tls.Config{
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

func dial(ctx context.Context, addr string, p Proto, cfg *tls.Config) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, HandshakeTime)
	defer cancel()
	raw, err := (&net.Dialer{KeepAlive: keepAlive}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err // says what was dialled, and why it failed
	}
	t := tls.Client(raw, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, fmt.Errorf("TLS handshake with %s: %w", addr, err)
	}
	deadline, _ := ctx.Deadline()
	t.SetDeadline(deadline)
	if _, err := t.Write([]byte{byte(p)}); err != nil {
		raw.Close()
		return nil, fmt.Errorf("begin %s with %s: %w", p, addr, err)
	}
	t.SetDeadline(time.Time{})
	return &Conn{Conn: t}, nil
}
