package demo

import (
	"context"
	"fmt"
	"sync"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/settings"
)

// The notification ports that clients look for a free one in (the ancestor's
// defaults of LOWTCPDYNAMICPORT and HIGHTCPDYNAMICPORT).
const (
	lowPort  = 1500
	highPort = 20000
)

// clerk is a person at a machine, with a client that is really connected.
type clerk struct {
	name    string
	client  *clientlib.Client
	session fax.Session
	port    uint16 // notification port, bound

	mu   sync.Mutex
	told []clientlib.Delivery
	bell chan struct{} // closed when more was told
	done chan struct{} // closed when the stream has ended
}

// logIn opens a session at a node, as `faxmesh login` does.
func logIn(ctx context.Context, s *stage, name, password, node string) (*clerk, error) {
	listener, err := clientlib.Listen(settings.NotifyPort{Low: lowPort, High: highPort})
	if err != nil {
		return nil, err
	}
	client, err := clientlib.Dial(ctx, []string{s.clientAddr(node)}, clientlib.Options{
		OnFirstUse: s.trust, Program: "faxmesh demo", Listener: listener, Logger: s.opt.Log,
	})
	if err != nil {
		listener.Close()
		return nil, err
	}
	c := &clerk{name: name, client: client, port: listener.Port(), bell: make(chan struct{}), done: make(chan struct{})}
	if c.session, err = client.Login(ctx, name, password); err != nil {
		client.Close()
		return nil, fmt.Errorf("log %s in at %s: %w", name, node, err)
	}
	go c.listen(s)
	return c, nil
}

// listen takes what the clerk is told and shows it on the timeline.
func (c *clerk) listen(s *stage) {
	defer close(c.done)
	for d := range c.client.Events() {
		s.announce(c, d)
		c.mu.Lock()
		c.told = append(c.told, d)
		close(c.bell)
		c.bell = make(chan struct{})
		c.mu.Unlock()
	}
}

// wait returns the first notification of the kind about a fax.
func (c *clerk) wait(ctx context.Context, kind fax.EventKind, id string) (clientlib.Delivery, error) {
	for {
		c.mu.Lock()
		bell := c.bell
		all := c.about(kind, id)
		c.mu.Unlock()
		if len(all) > 0 {
			return all[0], nil
		}
		select {
		case <-bell:
		case <-c.done:
			return clientlib.Delivery{}, fmt.Errorf("%s's session ended before %q came: %w", c.name, kind, c.client.Err())
		case <-ctx.Done():
			return clientlib.Delivery{}, fmt.Errorf("%s was not told %q in time", c.name, kind)
		}
	}
}

// count is how often the clerk was told of a kind of event about a fax.
func (c *clerk) count(kind fax.EventKind, id string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.about(kind, id))
}

// about needs c.mu. An empty id is any fax.
func (c *clerk) about(kind fax.EventKind, id string) (found []clientlib.Delivery) {
	for _, d := range c.told {
		if d.Event.Kind == kind && (id == "" || d.Event.Fax == id) {
			found = append(found, d)
		}
	}
	return found
}

// leave ends the client and its listener.
func (c *clerk) leave() error {
	err := c.client.Close()
	<-c.done
	return err
}
