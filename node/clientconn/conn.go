package clientconn

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
	"syscall"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// state is how far a connection has come.
type state uint8

const (
	hello  state = iota // not logged in: login is the only command
	known               // logged in
	closed              // nothing is answered any more
)

// errProtocol marks what a client of this protocol does not do.
var errProtocol = errors.New("protocol broken")

// conn is one client's connection. Its reader owns state, session and last;
// each request under way has a goroutine of its own.
type conn struct {
	server  *Server
	desk    Desk
	peer    netip.AddrPort
	log     *slog.Logger
	link    *wire.Link
	state   state
	session fax.Session
	counted bool   // as a session, not as a stranger
	last    uint32 // the newest stream; they go upwards
	wg      sync.WaitGroup

	transfers chan struct{} // one place for each that may move at once

	mu      sync.Mutex
	streams map[uint32]*stream
}

// serve runs the connection from its first octet to its last. An error is why
// this side had to end it; nil is an ordinary end.
func (c *conn) serve(raw net.Conn) error {
	until := time.Now().Add(wire.HandshakeTimeout)
	stop := context.AfterFunc(c.server.ctx, func() { _ = raw.Close() })
	secure, err := c.greet(raw, until)
	stop()
	if err != nil {
		_ = raw.Close()
		return c.unlessClosing(ordinary(err))
	}
	ctx, cancel := context.WithCancel(c.server.ctx)
	c.link = wire.NewLink(secure, time.Now().Add(wire.LoginTimeout))
	stop = context.AfterFunc(c.server.ctx, func() {
		c.sayWhy(fax.Errorf(fax.Unavailable, "this node is stopping: go on at another one"))
		_ = c.link.Drain()
	})
	defer stop()

	err = c.login(ctx)
	if err == nil {
		detach := c.desk.Attach(c.session, c.push)
		err = c.talk(ctx)
		detach()
	}
	c.state = closed
	cancel()
	c.endStreams()
	c.wg.Wait()
	if errors.Is(err, errProtocol) || errors.Is(err, wire.ErrFrame) {
		c.sayWhy(fax.Errorf(fax.Invalid, "%v", err))
	}
	_ = c.link.Drain()
	return c.unlessClosing(ordinary(err))
}

// greet does TLS and the preface.
func (c *conn) greet(raw net.Conn, until time.Time) (net.Conn, error) {
	if err := raw.SetDeadline(until); err != nil {
		return nil, err
	}
	secure := tls.Server(raw, c.server.tls)
	if err := secure.HandshakeContext(c.server.ctx); err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	preface, err := wire.ReadPreface(secure)
	if err != nil {
		return nil, err
	}
	answer := wire.NewAnswer(preface)
	if err := answer.Write(secure); err != nil {
		return nil, err
	}
	if answer.Version == 0 {
		return nil, fmt.Errorf("the client speaks versions %d to %d of the protocol, this node %d to %d",
			preface.Min, preface.Max, wire.MinVersion, wire.MaxVersion)
	}
	return secure, raw.SetDeadline(time.Time{})
}

// talk serves a session until the connection ends.
func (c *conn) talk(ctx context.Context) error {
	for {
		f, err := c.link.Read()
		if err != nil {
			return err
		}
		switch f.Type {
		case wire.REQ:
			err = c.request(ctx, f)
		case wire.DATA, wire.WINDOW:
			err = c.deliver(f)
		case wire.CANCEL:
			c.cancelStream(f.Stream)
		default:
			err = fmt.Errorf("%w: %s is not for clients to send", errProtocol, f.Type)
		}
		if err != nil {
			return err
		}
	}
}

// push sends events nobody asked for, without waiting.
func (c *conn) push(events []fax.Event) error {
	frames, err := wire.Pushes(events)
	if err != nil {
		return err
	}
	for _, f := range frames {
		if err := c.link.TrySend(f); err != nil {
			return err
		}
	}
	return nil
}

// sayWhy tells the client why the connection ends, if it still listens.
func (c *conn) sayWhy(why error) {
	_ = c.link.TrySend(wire.Frame{Type: wire.GOAWAY, Payload: wire.Fail(why)})
}

// leave gives the place back that the connection took.
func (c *conn) leave() {
	if c.counted {
		c.server.admit.retire()
		return
	}
	c.server.admit.leave(c.peer.Addr())
}

// unlessClosing keeps quiet about connections that end because the server does.
func (c *conn) unlessClosing(err error) error {
	if c.server.ctx.Err() != nil {
		return nil
	}
	return err
}

// ordinary keeps quiet about the ways in which clients leave.
func ordinary(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, errLoggedOut) {
		return nil
	}
	return err
}
