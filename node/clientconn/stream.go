package clientconn

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// How long requests may take.
const (
	requestTime  = 5 * time.Minute // a request, whatever its client allows
	transferTime = 2 * time.Hour   // an upload or a download in all
	stallTime    = 60 * time.Second
)

// queueSize holds the frames that a client may have sent ahead: a window of
// DATA with what each frame costs, and some room for WINDOW frames.
const queueSize = wire.Window + 64<<10

// errStreamOver closes the queue of a stream.
var errStreamOver = errors.New("the request is over")

// stream is one request under way.
type stream struct {
	id     uint32
	conn   *conn
	queue  *wire.Queue
	cancel context.CancelFunc
	moving atomic.Bool // it has its turn to move a document
}

// newStream accepts the number of a new stream.
func (c *conn) newStream(id uint32) error {
	if id <= c.last {
		return fmt.Errorf("%w: request %d after request %d", errProtocol, id, c.last)
	}
	c.last = id
	return nil
}

// request begins the work on a REQ.
func (c *conn) request(ctx context.Context, f wire.Frame) error {
	if err := c.newStream(f.Stream); err != nil {
		return err
	}
	var r wire.Request
	if err := wire.CheckThenDecode(f.Payload, &r); err != nil {
		return c.refuse(f.Stream, r.Command, err)
	}
	if r.Command == wire.CmdLogout {
		return c.logout(ctx, f.Stream)
	}
	do, err := c.command(r.Command)
	if err != nil {
		return c.refuse(f.Stream, r.Command, err)
	}
	limit := requestTime
	if do.transfer {
		limit = transferTime
	}
	if left := time.Duration(r.Left) * time.Millisecond; left > 0 && left < limit {
		limit = left
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	s := &stream{id: f.Stream, conn: c, queue: wire.NewQueue(queueSize), cancel: cancel}
	if err := c.begin(s); err != nil {
		cancel()
		return c.refuse(f.Stream, r.Command, err)
	}
	c.wg.Go(func() {
		defer c.end(s)
		c.desk.Await(ctx, c.session, r.Seen)
		s.finish(ctx, r.Command, s.work(ctx, do, r.Body))
	})
	return nil
}

// work serves the request. Transfers wait until it is their turn.
func (s *stream) work(ctx context.Context, do command, body []byte) error {
	if do.transfer {
		select {
		case s.conn.transfers <- struct{}{}:
			defer func() { <-s.conn.transfers }()
		case <-ctx.Done():
			return ctx.Err()
		}
		s.moving.Store(true)
	}
	return do.run(ctx, s.conn, s, body)
}

// refuse answers a request that is not begun.
func (c *conn) refuse(stream uint32, command string, err error) error {
	return c.link.Send(c.server.ctx, wire.Frame{Type: wire.ERR, Stream: stream, Payload: wire.Fail(c.tell(command, err))})
}

// finish answers what went wrong, unless nobody waits for it.
func (s *stream) finish(ctx context.Context, command string, err error) {
	if err == nil || errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	_ = s.conn.link.Send(s.conn.server.ctx, wire.Frame{Type: wire.ERR, Stream: s.id, Payload: wire.Fail(s.conn.tell(command, err))})
}

// tell logs what is not for people to know, and returns err.
func (c *conn) tell(command string, err error) error {
	var e *fax.Error
	if !errors.As(err, &e) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		c.log.Error("request failed", "command", command, "err", err)
	}
	return err
}

func (c *conn) begin(s *stream) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.streams) >= wire.MaxStreams {
		return fax.Errorf(fax.Busy, "%d requests are under way on this connection, which is the limit: wait for one to end", wire.MaxStreams)
	}
	c.streams[s.id] = s
	return nil
}

func (c *conn) end(s *stream) {
	s.cancel()
	s.queue.Close(errStreamOver)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.streams, s.id)
}

// deliver brings a frame to its stream. Frames for a request that has ended
// were under way when it did.
func (c *conn) deliver(f wire.Frame) error {
	if f.Stream == 0 || f.Stream > c.last {
		return fmt.Errorf("%w: %s for request %d, which has not begun", errProtocol, f.Type, f.Stream)
	}
	if s := c.stream(f.Stream); s != nil {
		if !s.moving.Load() {
			return fmt.Errorf("%w: %s for request %d, which moves no document now", errProtocol, f.Type, f.Stream)
		}
		if err := s.queue.Put(f); err != nil && !errors.Is(err, errStreamOver) {
			return fmt.Errorf("%w: %s for request %d: %w", errProtocol, f.Type, f.Stream, err)
		}
	}
	return nil
}

func (c *conn) cancelStream(id uint32) {
	if s := c.stream(id); s != nil {
		s.cancel()
	}
}

func (c *conn) stream(id uint32) *stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.streams[id]
}

func (c *conn) endStreams() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.streams {
		s.cancel()
	}
}

// next waits for a frame of the wanted type.
func (s *stream) next(ctx context.Context, want wire.Type) (wire.Frame, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, stallTime,
		fax.Errorf(fax.Busy, "nothing came for %s: the transfer was given up", stallTime))
	defer cancel()
	f, err := s.queue.Get(ctx)
	switch {
	case ctx.Err() != nil && err != nil:
		return wire.Frame{}, context.Cause(ctx)
	case err != nil:
		return wire.Frame{}, err
	case f.Type != want:
		return wire.Frame{}, fax.Errorf(fax.Invalid, "the transfer expects %s, not %s", want, f.Type)
	}
	return f, nil
}

// answer sends a message; flags has wire.More if others follow.
func (s *stream) answer(ctx context.Context, flags uint8, m wire.Message) error {
	payload, err := wire.Encode(m)
	if err != nil {
		return fmt.Errorf("answer: %v", err) // a fault of this node
	}
	return s.conn.link.Send(ctx, wire.Frame{Type: wire.RES, Flags: flags, Stream: s.id, Payload: payload})
}

// answerPages sends a list.
func (s *stream) answerPages(ctx context.Context, pages [][]byte) error {
	for i, payload := range pages {
		f := wire.Frame{Type: wire.RES, Stream: s.id, Payload: payload}
		if i < len(pages)-1 {
			f.Flags = wire.More
		}
		if err := s.conn.link.Send(ctx, f); err != nil {
			return err
		}
	}
	return nil
}
