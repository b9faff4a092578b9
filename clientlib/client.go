package clientlib

import (
	"context"
	"sync"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// maxRepeats is how often a request that is safe to repeat is repeated on
// other connections.
const maxRepeats = 5

// Client is a session with a cluster. Its methods may be called from several
// goroutines.
type Client struct {
	options Options
	feed    *feed
	ctx     context.Context // ends with the session
	cancel  context.CancelFunc
	wg      sync.WaitGroup

	mu      sync.Mutex
	conn    *conn
	changed chan struct{} // closed, and made anew, when conn or over changes
	seeds   []string
	session fax.Session
	known   bool  // logged in
	leaving bool  // no reconnecting any more
	over    error // why there is no session any more
}

func newClient(seeds []string, o Options) *Client {
	ctx, cancel := context.WithCancel(context.Background())
	c := &Client{options: o, ctx: ctx, cancel: cancel, changed: make(chan struct{}), seeds: seeds}
	c.feed = newFeed()
	c.wg.Go(func() { c.feed.run(ctx, c.missed) })
	return c
}

// Close ends the connection, not the session: its token opens it again. It
// returns when everything has stopped.
func (c *Client) Close() error {
	c.finish(fax.Errorf(fax.Unavailable, "this client is closed"))
	c.mu.Lock()
	cn := c.conn
	c.mu.Unlock()
	if cn != nil {
		cn.close()
	}
	if c.options.Listener != nil {
		_ = c.options.Listener.Close()
	}
	c.wg.Wait()
	return nil
}

// Session is the session as the last login gave it; the zero value before.
func (c *Client) Session() fax.Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

// Fingerprint is the cluster authority that the client trusts.
func (c *Client) Fingerprint() string { return c.options.Fingerprint }

// Node is the name of the node that the client is connected to, empty while it
// looks for one.
func (c *Client) Node() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil || c.conn.ended() != nil {
		return ""
	}
	return c.conn.node
}

// Events is the stream of the account's events, each once, in order of their
// numbers. It ends with the session; Err says why.
func (c *Client) Events() <-chan Delivery { return c.feed.out }

// Err is why the session has ended; nil while it has not, and after Logout.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over == errLoggedOut {
		return nil
	}
	return c.over
}

// finish ends the session. The first reason stays.
func (c *Client) finish(why error) {
	c.mu.Lock()
	c.leaving = true
	if c.over == nil {
		c.over = why
	}
	c.changeLocked()
	c.mu.Unlock()
	c.cancel()
}

func (c *Client) changeLocked() {
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *Client) setConn(cn *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = cn
	c.changeLocked()
}

// live is the connection, waited for while the client looks for a node.
func (c *Client) live(ctx context.Context) (*conn, error) {
	for {
		c.mu.Lock()
		cn, changed, known, over := c.conn, c.changed, c.known, c.over
		c.mu.Unlock()
		switch {
		case over != nil:
			return nil, over
		case !known:
			return nil, fax.Errorf(fax.BadLogin, "log in first")
		case cn != nil && cn.ended() == nil:
			return cn, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// do runs what on the connection. If it is lost on the way, what is run again
// on the next one, provided that it is safe to repeat.
func (c *Client) do(ctx context.Context, safe bool, what func(*conn) error) error {
	for try := 0; ; try++ {
		cn, err := c.live(ctx)
		if err != nil {
			return err
		}
		if err = what(cn); !safe || !isLost(err) || try == maxRepeats {
			return err
		}
	}
}

// once makes a request that must not be repeated unseen, safely one that may.
const (
	once   = false
	safely = true
)

func (c *Client) ask(ctx context.Context, safe bool, command string, q, answer wire.Message) error {
	return c.do(ctx, safe, func(cn *conn) error { return cn.ask(ctx, command, q, answer) })
}

// collect asks for a list, which is always safe.
func collect[T any, M any, P interface {
	*M
	wire.Message
}](ctx context.Context, c *Client, command string, q wire.Message, items func(*M) []T) ([]T, error) {
	var list []T
	err := c.do(ctx, safely, func(cn *conn) error {
		list = nil
		var page M
		return cn.askAll(ctx, command, q, P(&page), func() error {
			list = append(list, items(&page)...)
			page = *new(M)
			if len(list) > wire.MaxList {
				return fax.Errorf(fax.TooLarge, "the node sends a list of more than %d entries", wire.MaxList)
			}
			return nil
		})
	})
	return list, err
}
