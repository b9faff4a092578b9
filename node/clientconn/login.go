package clientconn

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// maxLogins is how often a connection may try; the desk limits accounts and
// addresses.
const maxLogins = 3

// loginTime is what the desk may take for a login, its delays included.
const loginTime = 30 * time.Second

// errLoggedOut ends a connection whose session has ended.
var errLoggedOut = errors.New("logged out")

// login serves the state hello: nothing but a login is read, one at a time.
func (c *conn) login(ctx context.Context) error {
	for range maxLogins {
		f, err := c.link.Read()
		if err != nil {
			return err
		}
		if f.Type != wire.REQ {
			return fmt.Errorf("%w: %s before a login", errProtocol, f.Type)
		}
		if err := c.newStream(f.Stream); err != nil {
			return err
		}
		err = c.tryLogin(ctx, f)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := c.link.Send(ctx, wire.Frame{Type: wire.ERR, Stream: f.Stream, Payload: wire.Fail(c.tell(wire.CmdLogin, err))}); err != nil {
			return err
		}
	}
	return fmt.Errorf("no login in %d requests", maxLogins)
}

// tryLogin answers one request in the state hello.
func (c *conn) tryLogin(ctx context.Context, f wire.Frame) error {
	var r wire.Request
	if err := wire.CheckThenDecode(f.Payload, &r); err != nil {
		return err
	}
	if r.Command != wire.CmdLogin {
		return fax.Errorf(fax.BadLogin, "log in before %q", r.Command)
	}
	var q wire.Login
	if err := wire.CheckThenDecode(r.Body, &q); err != nil {
		return err
	}
	if c.server.admit.full() {
		return fax.Errorf(fax.Busy, "this node has as many clients as it may: log in at another one")
	}
	ctx, cancel := context.WithTimeout(ctx, loginTime)
	defer cancel()
	session, err := c.desk.Login(ctx, fax.Login{
		Account: q.Account, Password: q.Password, Token: q.Token,
		Client: q.Client, Remote: c.peer, Callback: q.Callback,
	})
	if err != nil {
		return err
	}
	session.Nodes = session.Nodes[:min(len(session.Nodes), wire.MaxServers)]
	payload, err := wire.Encode(&wire.Session{Session: session})
	if err != nil {
		return fmt.Errorf("answer: %v", err) // a fault of this node
	}
	c.server.admit.promote(c.peer.Addr())
	c.session, c.state, c.counted = session, known, true
	c.log = c.log.With("account", session.Account)
	c.link.Trust()
	return c.link.Send(ctx, wire.Frame{Type: wire.RES, Stream: f.Stream, Payload: payload})
}

// logout ends the session for good. The reader runs it, so that nothing else
// is begun meanwhile.
func (c *conn) logout(ctx context.Context, stream uint32) error {
	ctx, cancel := context.WithTimeout(ctx, loginTime)
	defer cancel()
	answer := wire.Frame{Type: wire.RES, Stream: stream}
	err := c.desk.Logout(ctx, c.session)
	if err == nil {
		answer.Payload, err = wire.Encode(&wire.Done{})
	}
	if err != nil {
		answer.Type, answer.Payload = wire.ERR, wire.Fail(c.tell(wire.CmdLogout, err))
	}
	if err := c.link.Send(ctx, answer); err != nil {
		return err
	}
	return errLoggedOut
}
