package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Errors of a call that got no answer. Any other error of a call is the
// answer.
var (
	// ErrUnsent: the request was not sent, so nothing has happened.
	ErrUnsent = errors.New("the node could not be reached")
	// ErrUnanswered: the request was sent; whether it was carried out is not
	// known.
	ErrUnanswered = errors.New("the node has not answered")
)

// Client sends requests to members, over connections that it keeps for reuse.
// It is safe for concurrent use.
type Client struct {
	dial func(ctx context.Context, node string) (net.Conn, error)
	work sync.WaitGroup

	mu     sync.Mutex
	closed bool
	links  map[*link]struct{}
	idle   map[string][]*link // of those; the one used last at the end
	slots  map[string]chan struct{}
}

// link is a pooled connection. A goroutine reads it at all times, so that one
// that its peer has closed is known to be dead before it is used.
type link struct {
	conn   net.Conn
	frames chan []byte // answers; closed when the connection is dead
	used   time.Time
}

// NewClient makes a client that connects with dial.
func NewClient(dial func(ctx context.Context, node string) (net.Conn, error)) *Client {
	return &Client{dial: dial, links: map[*link]struct{}{}, idle: map[string][]*link{}, slots: map[string]chan struct{}{}}
}

// Call asks a node, within CallTime at most. When a connection dies under it
// the request is sent once more over a new one, so a method may be carried out
// twice.
func (c *Client) Call(ctx context.Context, node, method string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTime)
	defer cancel()
	leave, err := c.enter(ctx, node)
	if err != nil {
		return nil, err
	}
	defer leave()
	if l := c.take(node); l != nil {
		answer, err := c.ask(ctx, node, l, method, body)
		if !errors.Is(err, ErrUnanswered) || ctx.Err() != nil {
			return answer, err
		}
		// The peer may have been started again: all pooled connections look
		// alive and are dead. Only a new one can tell.
	}
	return c.callNew(ctx, node, method, body)
}

// CallOnce is Call over a connection of its own and without a second try: the
// method is carried out once or not at all.
func (c *Client) CallOnce(ctx context.Context, node, method string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTime)
	defer cancel()
	leave, err := c.enter(ctx, node)
	if err != nil {
		return nil, err
	}
	defer leave()
	return c.callNew(ctx, node, method, body)
}

// enter waits until fewer than MaxCalls to a node are under way.
func (c *Client) enter(ctx context.Context, node string) (leave func(), err error) {
	c.mu.Lock()
	slots := c.slots[node]
	if slots == nil {
		slots = make(chan struct{}, MaxCalls)
		c.slots[node] = slots
	}
	c.mu.Unlock()
	select {
	case slots <- struct{}{}:
		return func() { <-slots }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %s: %d calls wait for it: %w", ErrUnsent, node, MaxCalls, ctx.Err())
	}
}

func (c *Client) callNew(ctx context.Context, node, method string, body []byte) ([]byte, error) {
	if len(method) == 0 || len(method) > MaxMethod || len(body) > MaxBody {
		return nil, fmt.Errorf("request %q with %d octets: %w", method, len(body), errFrame)
	}
	conn, err := c.dial(ctx, node)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrUnsent, node, err)
	}
	l := &link{conn: conn, frames: make(chan []byte, 1)}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		conn.Close()
		return nil, fmt.Errorf("%w: %s: %w", ErrUnsent, node, net.ErrClosed)
	}
	c.links[l] = struct{}{}
	c.work.Go(func() {
		l.read()
		c.mu.Lock()
		delete(c.links, l)
		c.mu.Unlock()
	})
	c.mu.Unlock()
	return c.ask(ctx, node, l, method, body)
}

// read hands over answers until the connection is dead.
func (l *link) read() {
	defer close(l.frames)
	defer l.conn.Close()
	for {
		frame, err := ReadFrame(l.conn, 2+max(MaxBody, maxText))
		if err != nil {
			return
		}
		select {
		case l.frames <- frame:
		default: // an answer that nobody has asked for
			return
		}
	}
}

// ask sends one request and waits for its answer. A connection that gave one
// goes back to the pool.
func (c *Client) ask(ctx context.Context, node string, l *link, method string, body []byte) ([]byte, error) {
	if len(method) == 0 || len(method) > MaxMethod || len(body) > MaxBody {
		c.put(node, l)
		return nil, fmt.Errorf("request %q with %d octets: %w", method, len(body), errFrame)
	}
	deadline, _ := ctx.Deadline() // Call has set one
	l.conn.SetWriteDeadline(deadline)
	if err := WriteFrame(l.conn, encodeRequest(time.Until(deadline), method, body)); err != nil {
		l.conn.Close()
		return nil, fmt.Errorf("%w: %s: %w", ErrUnanswered, node, err)
	}
	select {
	case frame, alive := <-l.frames:
		if !alive {
			return nil, fmt.Errorf("%w: %s has closed the connection", ErrUnanswered, node)
		}
		c.put(node, l)
		return decodeAnswer(frame)
	case <-ctx.Done():
		l.conn.Close()
		return nil, fmt.Errorf("%w: %s: %w", ErrUnanswered, node, ctx.Err())
	}
}

// take gives a pooled connection that is not known to be dead, or nil.
func (c *Client) take(node string) *link {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		links := c.idle[node]
		if len(links) == 0 {
			delete(c.idle, node)
			return nil
		}
		l := links[len(links)-1]
		c.idle[node] = links[:len(links)-1]
		select {
		case <-l.frames: // dead, or it talks out of turn
		default:
			if time.Since(l.used) < IdleTime/2 {
				return l
			}
		}
		l.conn.Close()
	}
}

func (c *Client) put(node string, l *link) {
	l.used = time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.idle[node]) >= MaxIdle {
		l.conn.Close()
		return
	}
	c.idle[node] = append(c.idle[node], l)
}

// Close closes all connections; calls under way get ErrUnanswered.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	for l := range c.links {
		l.conn.Close()
	}
	clear(c.idle)
	c.mu.Unlock()
	c.work.Wait()
	return nil
}
