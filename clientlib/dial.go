package clientlib

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// DefaultPort is the client port of a node.
const DefaultPort = 7488

// reachTime bounds the way to one address, up to the preface.
const reachTime = 10 * time.Second

// Options say whom a client trusts and how it is told events. One of
// Fingerprint and OnFirstUse is needed.
type Options struct {
	// Fingerprint is the SHA-256 of the cluster authority's certificate in
	// hexadecimal. Nodes of another authority are refused (UntrustedError).
	Fingerprint string
	// OnFirstUse is asked when there is no Fingerprint: nil trusts the
	// authority, which the caller then stores; an error refuses it. It may
	// take its time: no connection is open meanwhile.
	OnFirstUse func(fingerprint string) error
	// Program is the client's program and version, for the activity record.
	Program string
	// Listener is where nodes tell events; nil: over the connection only. It
	// serves one client, which closes it.
	Listener *Listener
	// After is the number of the last event seen before this session: those
	// since are told first. nil: only what happens from now on.
	After *uint64
	// Logger gets what should not happen; nil: nobody does.
	Logger *slog.Logger
}

// Dial connects to the first of the nodes at addrs (host or host:port) that
// answers. Close ends what it has begun.
func Dial(ctx context.Context, addrs []string, options Options) (*Client, error) {
	if len(addrs) == 0 {
		return nil, fax.Errorf(fax.Invalid, "no server is named")
	}
	fingerprint, err := normalFingerprint(options.Fingerprint)
	if err != nil {
		return nil, err
	}
	options.Fingerprint = fingerprint
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	seeds := make([]string, len(addrs))
	for i, a := range addrs {
		seeds[i] = withPort(a)
	}
	if fingerprint == "" {
		if options.Fingerprint, err = firstUse(ctx, seeds, options.OnFirstUse); err != nil {
			return nil, err
		}
	}
	c := newClient(seeds, options)
	cn, err := c.connect(ctx, seeds)
	if err != nil {
		c.cancel()
		c.wg.Wait()
		return nil, err
	}
	c.setConn(cn)
	return c, nil
}

// firstUse looks at the authority of the first node that answers and asks
// whether to trust it.
func firstUse(ctx context.Context, addrs []string, ask func(string) error) (string, error) {
	if ask == nil {
		return "", fax.Errorf(fax.Invalid, "no fingerprint of the cluster is known: a client does not trust a server by chance")
	}
	var errs []error
	for _, addr := range addrs {
		secure, err := dialSecure(ctx, addr, "")
		if err != nil {
			errs = append(errs, err)
			continue
		}
		ca, err := authority(secure.ConnectionState().PeerCertificates)
		_ = secure.Close()
		if err != nil {
			return "", fmt.Errorf("%s: %w", addr, err)
		}
		fingerprint := wire.Fingerprint(ca.Raw)
		return fingerprint, ask(fingerprint)
	}
	return "", unreachable(errs)
}

// connect tries addresses in turn.
func (c *Client) connect(ctx context.Context, addrs []string) (*conn, error) {
	var errs []error
	for _, addr := range addrs {
		cn, err := c.connectTo(ctx, addr)
		if err == nil {
			return cn, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, unreachable(errs)
}

func (c *Client) connectTo(ctx context.Context, addr string) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	secure, err := dialSecure(ctx, addr, c.options.Fingerprint)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = secure.Close() })
	answer, err := preface(secure)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = secure.Close()
		return nil, fmt.Errorf("%s: %w", addr, err)
	}
	name, _ := nodeName(secure.ConnectionState().PeerCertificates[0])
	return newConn(secure, name, answer, c.feed), nil
}

func preface(secure net.Conn) (wire.Answer, error) {
	if err := (wire.Preface{Min: wire.MinVersion, Max: wire.MaxVersion}).Write(secure); err != nil {
		return wire.Answer{}, err
	}
	return wire.ReadAnswer(secure)
}

func dialSecure(ctx context.Context, addr, fingerprint string) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	wire.LimitSocket(raw)
	secure := tls.Client(raw, dialTLS(addr, fingerprint))
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("tls with %s: %w", addr, err)
	}
	return secure, nil
}

// unreachable is one error of those that the addresses gave.
func unreachable(errs []error) error {
	var untrusted *UntrustedError
	joined := errors.Join(errs...)
	if errors.As(joined, &untrusted) {
		return joined // not a matter of trying again
	}
	return fmt.Errorf("%w: %w", fax.Errorf(fax.Unavailable, "no server answers"), joined)
}

func withPort(addr string) string {
	if _, _, err := net.SplitHostPort(addr); err == nil {
		return addr
	}
	return net.JoinHostPort(strings.Trim(addr, "[]"), strconv.Itoa(DefaultPort))
}
