package clientlib

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// maxCallers bounds the connections on the notification port: the nodes of a
// large cluster, and strangers, who are gone after wire.HandshakeTimeout.
// maxSame bounds those of one address, where few nodes are.
const (
	maxCallers = 256
	maxSame    = 32
)

// acceptPause is the wait after a failed accept.
const acceptPause = 100 * time.Millisecond

// serve lets in the nodes of a cluster that know the session's secret. Before
// the first call callers wait in the system's queue; a later one is for the
// session renewed.
func (l *Listener) serve(fingerprint, secret string, offer func([]fax.Event, Via, string) []uint64, log *slog.Logger) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := l.access == nil
	l.access = &access{fingerprint: fingerprint, secret: secret, offer: offer, log: log}
	if first && !l.closed {
		l.wg.Go(func() { l.accept(log) })
	}
}

func (l *Listener) accept(log *slog.Logger) {
	for {
		raw, err := l.ln.Accept()
		switch {
		case err == nil:
			l.admit(raw, log)
		case errors.Is(err, net.ErrClosed):
			return
		default:
			log.Warn("accept on the notification port", "err", err)
			time.Sleep(acceptPause) // as when no descriptors are left
		}
	}
}

func (l *Listener) admit(raw net.Conn, log *slog.Logger) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.conns) >= maxCallers || l.sameLocked(raw) >= maxSame {
		_ = raw.Close()
		return
	}
	l.conns[raw] = true
	access := l.access
	l.wg.Go(func() {
		defer l.forget(raw)
		if err := l.receive(raw, access); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) {
			l.refusals.Do(func() {
				log.Warn("caller on the notification port refused", "peer", raw.RemoteAddr().String(), "reason", err)
			})
		}
	})
}

// sameLocked counts the callers from raw's address.
func (l *Listener) sameLocked(raw net.Conn) int {
	n := 0
	for c := range l.conns {
		if host(c) == host(raw) {
			n++
		}
	}
	return n
}

func host(c net.Conn) string {
	h, _, err := net.SplitHostPort(c.RemoteAddr().String())
	if err != nil {
		return c.RemoteAddr().String()
	}
	return h
}

func (l *Listener) forget(raw net.Conn) {
	_ = raw.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, raw)
}

// receive hears a caller out. Until it has proved that it is a node of the
// cluster sent by the session's, nothing is said to it but TLS.
func (l *Listener) receive(raw net.Conn, a *access) error {
	if err := raw.SetDeadline(time.Now().Add(wire.HandshakeTimeout)); err != nil {
		return err
	}
	var node string
	secure := tls.Server(raw, &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Certificates:           []tls.Certificate{l.certificate},
		ClientAuth:             tls.RequireAnyClientCert,
		SessionTicketsDisabled: true,
		VerifyConnection: func(cs tls.ConnectionState) (err error) {
			node, err = checkNode("the caller", cs.PeerCertificates, a.fingerprint)
			return err
		},
	})
	if err := secure.Handshake(); err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	if err := hearHello(secure, a.secret); err != nil {
		return err
	}
	if err := raw.SetDeadline(time.Time{}); err != nil {
		return err
	}
	link := wire.NewLink(secure, time.Time{})
	defer link.Close()
	link.Trust()
	for {
		f, err := link.Read()
		if err != nil {
			return err
		}
		if err := hearEvents(link, f, node, a.offer); err != nil {
			return err
		}
	}
}

// hearHello reads preface and secret; only then it answers.
func hearHello(secure net.Conn, secret string) error {
	preface, err := wire.ReadPreface(secure)
	if err != nil {
		return err
	}
	f, err := wire.ReadFrame(secure, wire.MaxEarlyPayload)
	if err != nil {
		return err
	}
	var hello wire.Hello
	if f.Type != wire.HELLO {
		return fmt.Errorf("the caller begins with %s instead of the secret", f.Type)
	}
	if err := wire.CheckThenDecode(f.Payload, &hello); err != nil {
		return err
	}
	if !hello.Proves(secret) {
		return errors.New("the caller does not know the session's secret")
	}
	answer := wire.NewAnswer(preface)
	if err := answer.Write(secure); err != nil {
		return err
	}
	if answer.Version == 0 {
		return errors.New("the caller speaks no version of the protocol that this program does")
	}
	return nil
}

// hearEvents takes a PUSH and acknowledges it.
func hearEvents(link *wire.Link, f wire.Frame, node string, offer func([]fax.Event, Via, string) []uint64) error {
	if f.Type != wire.PUSH {
		return fmt.Errorf("%w: %s on the notification port", wire.ErrFrame, f.Type)
	}
	var e wire.Events
	if err := wire.CheckThenDecode(f.Payload, &e); err != nil {
		return err
	}
	seqs := offer(e.Events, ViaCallback, node)
	if len(seqs) == 0 {
		return nil
	}
	payload, err := wire.Encode(&wire.Seqs{Seqs: seqs})
	if err != nil {
		return err
	}
	return link.Send(context.Background(), wire.Frame{Type: wire.ACK, Payload: payload})
}
