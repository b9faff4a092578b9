package clientlib

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// How a client comes back after its node was lost. Whoever lost the same node
// does not come back in the same moment.
const (
	firstWait = 250 * time.Millisecond
	longWait  = 15 * time.Second
	loginTime = 45 * time.Second // for one login on the way back
)

var errLoggedOut = errors.New("this client has logged out: dial again")

// Login opens a session.
func (c *Client) Login(ctx context.Context, account, password string) (fax.Session, error) {
	return c.open(ctx, wire.Login{Account: account, Password: password})
}

// Resume opens a session again with its token, at any node.
func (c *Client) Resume(ctx context.Context, token string) (fax.Session, error) {
	return c.open(ctx, wire.Login{Token: token})
}

func (c *Client) open(ctx context.Context, q wire.Login) (fax.Session, error) {
	c.mu.Lock()
	cn, known, over := c.conn, c.known, c.over
	c.mu.Unlock()
	switch {
	case over != nil:
		return fax.Session{}, over
	case known:
		return fax.Session{}, fax.Errorf(fax.Conflict, "this client is logged in: log out first")
	}
	session, err := c.loginAt(ctx, cn, q)
	if isLost(err) { // nodes do not wait long for a login: the person took longer
		if cn, err = c.connect(ctx, c.seeds); err != nil {
			return fax.Session{}, err
		}
		c.setConn(cn)
		session, err = c.loginAt(ctx, cn, q)
	}
	if err != nil {
		return fax.Session{}, err
	}
	if !c.begin(session) {
		return fax.Session{}, fax.Errorf(fax.Conflict, "this client was logged in or closed meanwhile")
	}
	select {
	case <-c.feed.told: // from here on every event is told
	case <-c.ctx.Done():
	case <-ctx.Done():
	}
	return session, nil
}

// begin starts what a session needs.
func (c *Client) begin(session fax.Session) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known || c.over != nil {
		return false
	}
	c.known = true
	after := session.Last
	if c.options.After != nil {
		after = min(after, *c.options.After)
	}
	c.feed.start(after, session.Newest)
	c.tookLocked(session)
	c.wg.Go(c.keep)
	c.wg.Go(c.acknowledge)
	return true
}

// tookLocked keeps a session, new or renewed.
func (c *Client) tookLocked(session fax.Session) {
	c.session = session
	if l := c.options.Listener; l != nil {
		l.serve(c.options.Fingerprint, session.Secret, c.feed.offer, c.options.Logger)
	}
}

func (c *Client) loginAt(ctx context.Context, cn *conn, q wire.Login) (fax.Session, error) {
	q.Client = c.options.Program
	if l := c.options.Listener; l != nil {
		q.Callback = l.callback()
	}
	var answer wire.Session
	if err := cn.ask(ctx, wire.CmdLogin, &q, &answer); err != nil {
		return fax.Session{}, err
	}
	return answer.Session, nil
}

// keep finds another connection whenever one is lost, until the session ends.
func (c *Client) keep() {
	for {
		c.mu.Lock()
		cn := c.conn
		c.mu.Unlock()
		select {
		case <-cn.done:
		case <-c.ctx.Done():
			return
		}
		cn.close()
		c.options.Logger.Info("connection lost", "node", cn.node, "err", cn.ended())
		if !c.reconnect(cn.node) {
			return
		}
	}
}

// reconnect tries the nodes in turn with growing waits, the lost one last. It
// returns false when the session has ended.
func (c *Client) reconnect(lost string) bool {
	for wait := firstWait; ; wait = min(2*wait, longWait) {
		select {
		case <-time.After(rand.N(wait)):
		case <-c.ctx.Done():
			return false
		}
		for _, addr := range c.addresses(lost) {
			err := c.returnAt(addr)
			if err == nil {
				return true
			}
			if c.ctx.Err() != nil {
				return false
			}
			if fax.KindOf(err) == fax.BadLogin {
				c.finish(err)
				return false
			}
			c.options.Logger.Info("no session at this node", "addr", addr, "err", err)
		}
	}
}

// returnAt opens the session again at one address.
func (c *Client) returnAt(addr string) error {
	ctx, cancel := context.WithTimeout(c.ctx, loginTime)
	defer cancel()
	cn, err := c.connectTo(ctx, addr)
	if err != nil {
		return err
	}
	session, err := c.loginAt(ctx, cn, wire.Login{Token: c.Session().Token})
	if err != nil {
		cn.close()
		return err
	}
	c.mu.Lock()
	left := c.leaving
	if !left {
		c.tookLocked(session)
		c.conn = cn
		c.changeLocked()
	}
	c.mu.Unlock()
	if left {
		cn.close()
		return errLoggedOut
	}
	c.feed.ask()
	return nil
}

// addresses are those of the session's nodes, in another order each time, the
// lost one behind the others, then those that Dial was given.
func (c *Client) addresses(lost string) []string {
	session := c.Session()
	nodes := slices.Clone(session.Nodes)
	rand.Shuffle(len(nodes), func(i, k int) { nodes[i], nodes[k] = nodes[k], nodes[i] })
	var list, last []string
	for _, n := range nodes {
		switch {
		case n.ClientAddr == "":
		case n.Name == lost:
			last = append(last, n.ClientAddr)
		default:
			list = append(list, n.ClientAddr)
		}
	}
	list = append(list, last...)
	for _, seed := range c.seeds {
		if !slices.Contains(list, seed) {
			list = append(list, seed)
		}
	}
	return list
}

// Logout ends the session for good, and this client's use.
func (c *Client) Logout(ctx context.Context) error {
	cn, err := c.live(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.leaving = true
	c.mu.Unlock()
	err = cn.ask(ctx, wire.CmdLogout, &wire.Done{}, &wire.Done{})
	c.finish(errLoggedOut)
	return err
}
