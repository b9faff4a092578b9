package clientlib

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// answerSize bounds what a node may answer to one request before it is read.
const answerSize = 8 << 20

// errEnded closes the queue of a call that nobody waits for.
var errEnded = errors.New("the request is over")

// conn is a connection to one node: requests go out from any goroutine, one
// reader brings the answers to those who wait.
type conn struct {
	node   string
	link   *wire.Link
	window int64
	news   *feed
	done   chan struct{} // closed when the reader has returned

	opening sync.Mutex // guards next, and that requests leave in its order
	next    uint32

	mu     sync.Mutex
	calls  map[uint32]*call
	goaway error // what the node said before it closed
	err    error // why the connection has ended
}

// call is a request under way.
type call struct {
	id    uint32
	conn  *conn
	queue *wire.Queue
}

// lostError says that the connection ended before the answer: of the kind that
// the node gave as its reason, else Unavailable.
type lostError struct{ err error }

func (e *lostError) Error() string { return e.err.Error() }

func (e *lostError) Unwrap() error { return e.err }

func isLost(err error) bool {
	var lost *lostError
	return errors.As(err, &lost)
}

func newConn(secure net.Conn, node string, answer wire.Answer, news *feed) *conn {
	c := &conn{
		node:   node,
		link:   wire.NewLink(secure, time.Time{}),
		window: int64(answer.Window),
		news:   news,
		done:   make(chan struct{}),
		calls:  map[uint32]*call{},
	}
	c.link.Trust() // TLS has shown it to be a node of the cluster
	go c.read()
	return c
}

// close ends the connection and returns when its reader has.
func (c *conn) close() {
	_ = c.link.Close()
	<-c.done
}

func (c *conn) read() {
	defer close(c.done)
	for {
		f, err := c.link.Read()
		if err == nil {
			err = c.dispatch(f)
		}
		if err != nil {
			_ = c.link.Close()
			c.end(err)
			return
		}
	}
}

// dispatch brings a frame to the one who waits for it.
func (c *conn) dispatch(f wire.Frame) error {
	switch f.Type {
	case wire.RES, wire.ERR, wire.DATA, wire.WINDOW:
		c.mu.Lock()
		cl := c.calls[f.Stream]
		c.mu.Unlock()
		if cl == nil {
			return nil // given up meanwhile
		}
		if err := cl.queue.Put(f); err != nil && !errors.Is(err, errEnded) {
			return err
		}
		return nil
	case wire.PUSH:
		var e wire.Events
		if err := wire.CheckThenDecode(f.Payload, &e); err != nil {
			return err
		}
		c.news.offer(e.Events, ViaConnection, c.node)
		return nil
	case wire.GOAWAY:
		why := failure(f.Payload)
		c.mu.Lock()
		c.goaway = why
		c.mu.Unlock()
		return why
	}
	return fmt.Errorf("%w: %s is not for nodes to send", wire.ErrFrame, f.Type)
}

func (c *conn) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.goaway != nil {
		err = c.goaway
	} else {
		err = fmt.Errorf("%w: %w", fax.Errorf(fax.Unavailable, "the connection to node %s was lost", c.node), err)
	}
	c.err = &lostError{err}
	for _, cl := range c.calls {
		cl.queue.Close(c.err)
	}
}

// ended is why the connection has ended, nil while it has not.
func (c *conn) ended() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// begin sends a request.
func (c *conn) begin(ctx context.Context, command string, q wire.Message) (*call, error) {
	body, err := wire.Encode(q)
	if err != nil {
		return nil, err
	}
	r := wire.Request{Command: command, Seen: c.news.newest(), Body: body}
	if d, ok := ctx.Deadline(); ok {
		r.Left = uint32(min(max(time.Until(d).Milliseconds(), 1), int64(time.Hour/time.Millisecond)))
	}
	payload, err := wire.Encode(&r)
	if err != nil {
		return nil, err
	}
	c.opening.Lock()
	defer c.opening.Unlock()
	c.next++
	cl := &call{id: c.next, conn: c, queue: wire.NewQueue(answerSize)}
	c.mu.Lock()
	err = c.err
	if err == nil {
		c.calls[cl.id] = cl
	}
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if err := cl.send(ctx, wire.Frame{Type: wire.REQ, Payload: payload}); err != nil {
		cl.drop()
		return nil, err
	}
	return cl, nil
}

// drop forgets the call.
func (cl *call) drop() {
	cl.queue.Close(errEnded)
	cl.conn.mu.Lock()
	defer cl.conn.mu.Unlock()
	delete(cl.conn.calls, cl.id)
}

// giveUp forgets the call and tells the node that nobody waits for it.
func (cl *call) giveUp() {
	cl.drop()
	_ = cl.conn.link.TrySend(wire.Frame{Type: wire.CANCEL, Stream: cl.id})
}

func (cl *call) send(ctx context.Context, f wire.Frame) error {
	f.Stream = cl.id
	send := cl.conn.link.Send
	if f.Type == wire.DATA {
		send = cl.conn.link.SendBulk
	}
	err := send(ctx, f)
	if err == nil || ctx.Err() != nil {
		return err
	}
	<-cl.conn.done // the reader knows why
	return cl.conn.ended()
}

// receive waits for the next frame. An ERR comes as the error in it.
func (cl *call) receive(ctx context.Context) (wire.Frame, error) {
	f, err := cl.queue.Get(ctx)
	if err != nil {
		return wire.Frame{}, err
	}
	if f.Type == wire.ERR {
		return wire.Frame{}, failure(f.Payload)
	}
	return f, nil
}

// expect waits for a RES and reads it into m.
func (cl *call) expect(ctx context.Context, m wire.Message) (more bool, err error) {
	f, err := cl.receive(ctx)
	if err != nil {
		return false, err
	}
	if f.Type != wire.RES {
		return false, fmt.Errorf("%w: %s where an answer was expected", wire.ErrFrame, f.Type)
	}
	return f.Flags&wire.More != 0, wire.CheckThenDecode(f.Payload, m)
}

// ask makes a request that one message answers.
func (c *conn) ask(ctx context.Context, command string, q, answer wire.Message) error {
	return c.askAll(ctx, command, q, answer, func() error { return nil })
}

// askAll makes a request that a list answers: page is called for each message,
// which is then in answer.
func (c *conn) askAll(ctx context.Context, command string, q, answer wire.Message, page func() error) error {
	cl, err := c.begin(ctx, command, q)
	if err != nil {
		return err
	}
	for more := true; more; {
		if more, err = cl.expect(ctx, answer); err == nil {
			err = page()
		}
		if err != nil {
			cl.giveUp()
			return err
		}
	}
	cl.drop()
	return nil
}

// failure is the error in an ERR or GOAWAY.
func failure(payload []byte) error {
	var e wire.Failure
	if err := wire.CheckThenDecode(payload, &e); err != nil {
		return err
	}
	if e.Text == "" {
		e.Text = "the node gave no reason"
	}
	return &e.Error
}
