package wire

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// On the notification port the node dials and the client listens. After TLS,
// in which both show a certificate, the node sends its preface and HELLO with
// the session's secret. Only then the client says anything: the answer to the
// preface. From then on the node sends PUSH, the client ACK.

// Hello proves that the caller was sent by the session's cluster.
type Hello struct {
	Secret string `msgpack:"s"`
	Node   string `msgpack:"d"`
}

// Check implements Message.
func (h *Hello) Check() error {
	var f fields
	f.text("the secret", h.Secret, MaxToken)
	f.text("the node", h.Node, fax.MaxName)
	if h.Secret == "" {
		f.fail("the secret is missing")
	}
	return f.err
}

// Proves reports, in the same time for every wrong guess, whether the secret
// is the session's.
func (h *Hello) Proves(secret string) bool {
	return secret != "" && subtle.ConstantTimeCompare([]byte(h.Secret), []byte(secret)) == 1
}

// Fingerprint is the name of a certificate: its SHA-256 in hexadecimal.
func Fingerprint(certificate []byte) string {
	sum := sha256.Sum256(certificate)
	return hex.EncodeToString(sum[:])
}

// CallbackTLS is how a node dials a notification port: it shows its own
// certificate, with the CA's behind it, and accepts the one certificate whose
// fingerprint the client gave at login.
func CallbackTLS(node tls.Certificate, fingerprint string) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		Certificates:       []tls.Certificate{node},
		InsecureSkipVerify: true, // the certificate is made for the session: its fingerprint is the proof
		VerifyPeerCertificate: func(certs [][]byte, _ [][]*x509.Certificate) error {
			if len(certs) == 0 || Fingerprint(certs[0]) != fingerprint {
				return errors.New("the notification port shows another certificate than the client announced at login")
			}
			return nil
		},
	}
}

// Call opens a notification connection over TCP from a node to a client's
// listener: TLS, preface, secret. It takes conn over, also when it fails.
func Call(ctx context.Context, conn net.Conn, config *tls.Config, hello Hello) (*Link, error) {
	l, err := call(ctx, conn, config, hello)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return l, nil
}

func call(ctx context.Context, conn net.Conn, config *tls.Config, hello Hello) (*Link, error) {
	payload, err := Encode(&hello)
	if err != nil {
		return nil, err
	}
	until := time.Now().Add(HandshakeTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(until) {
		until = d
	}
	if err := conn.SetDeadline(until); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("tls with the notification port: %w", err)
	}
	if err := (Preface{Min: MinVersion, Max: MaxVersion}).Write(secure); err != nil {
		return nil, err
	}
	if err := WriteFrame(secure, Frame{Type: HELLO, Payload: payload}); err != nil {
		return nil, fmt.Errorf("send the session's secret: %w", err)
	}
	if _, err := ReadAnswer(secure); err != nil {
		return nil, fmt.Errorf("the client did not accept the session's secret: %w", err)
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	return NewLink(secure, time.Time{}), nil
}
