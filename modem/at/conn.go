package at

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Limits of a Conn.
const (
	readSize   = 4096 // octets taken from the port at once
	readQueue  = 64   // such reads that wait for the host
	maxAnswers = 64   // lines taken as the answer to one command
)

// Errors of a Conn.
var (
	// ErrTimeout: the modem did not say anything complete in the time allowed.
	ErrTimeout = errors.New("at: no answer from the modem in time")
	// ErrTooMuch: the modem sends more than was asked of it.
	ErrTooMuch = errors.New("at: the modem sends more than the limit allows")
	// ErrClosed: the Conn was closed on this side.
	ErrClosed = errors.New("at: connection to the modem is closed")
)

// Conn is the dialogue over one port. Any port will do whose Close ends a Read
// and a Write under way: it is read by one goroutine and written by another,
// and all waiting is done beside them, with limits in wall time. A Conn is used
// by one goroutine; Close may be called from any.
type Conn struct {
	port   io.ReadWriteCloser
	reads  chan []byte
	writes chan []byte
	wrote  chan error
	done   chan struct{}
	close  func() error
	loops  sync.WaitGroup

	broken error  // why the reader stopped; set before reads is closed
	chunk  []byte // read and not yet taken
	lines  Lines
	stuck  bool // a write was given up and has not returned yet
}

// NewConn starts the dialogue over port, which it owns from now on.
func NewConn(port io.ReadWriteCloser) *Conn {
	c := &Conn{
		port:   port,
		reads:  make(chan []byte, readQueue),
		writes: make(chan []byte),
		wrote:  make(chan error, 1),
		done:   make(chan struct{}),
	}
	c.close = sync.OnceValue(func() error {
		close(c.done)
		err := port.Close()
		c.loops.Wait()
		return err
	})
	c.loops.Go(c.readLoop)
	c.loops.Go(c.writeLoop)
	return c
}

// Close closes the port and returns when both goroutines have ended.
func (c *Conn) Close() error { return c.close() }

func (c *Conn) readLoop() {
	defer close(c.reads)
	for {
		b := make([]byte, readSize)
		n, err := c.port.Read(b)
		if n > 0 {
			select {
			case c.reads <- b[:n]:
			case <-c.done:
				return
			}
		}
		if err == nil && n == 0 {
			err = io.ErrNoProgress // a port that cannot wait would spin
		}
		if err != nil {
			c.broken = fmt.Errorf("at: read from the modem: %w", err)
			return
		}
	}
}

func (c *Conn) writeLoop() {
	for {
		select {
		case p := <-c.writes:
			_, err := c.port.Write(p)
			c.wrote <- err
		case <-c.done:
			return
		}
	}
}

// Write sends octets as they are. After ErrTimeout the port is stuck: nothing
// more can be written until the octets given up have left.
func (c *Conn) Write(ctx context.Context, p []byte, within time.Duration) error {
	timer := time.NewTimer(within)
	defer timer.Stop()
	if c.stuck {
		if err := c.written(ctx, timer.C); err != nil {
			return err
		}
	}
	select {
	case c.writes <- p:
	case <-c.done:
		return ErrClosed
	}
	return c.written(ctx, timer.C)
}

func (c *Conn) written(ctx context.Context, timeout <-chan time.Time) error {
	c.stuck = true
	select {
	case err := <-c.wrote:
		c.stuck = false
		if err != nil {
			return fmt.Errorf("at: write to the modem: %w", err)
		}
		return nil
	case <-timeout:
		return ErrTimeout
	case <-ctx.Done():
		return ctx.Err()
	case <-c.done:
		return ErrClosed
	}
}

// Command sends one command line; it appends the CR.
func (c *Conn) Command(ctx context.Context, line string, within time.Duration) error {
	return c.Write(ctx, append([]byte(line), CR), within)
}

// Pending reports whether the modem has said something that was not yet read.
func (c *Conn) Pending() bool { return len(c.chunk) > 0 || len(c.reads) > 0 }

// fill waits until there is something in chunk.
func (c *Conn) fill(ctx context.Context, timeout <-chan time.Time) error {
	if len(c.chunk) > 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	select { // what is there counts, however late it is asked for
	case b, ok := <-c.reads:
		return c.take(b, ok)
	default:
	}
	select {
	case b, ok := <-c.reads:
		return c.take(b, ok)
	case <-timeout:
		return ErrTimeout
	case <-ctx.Done():
		return ctx.Err()
	case <-c.done:
		return ErrClosed
	}
}

func (c *Conn) take(b []byte, ok bool) error {
	if ok {
		c.chunk = b
		return nil
	}
	if c.broken != nil {
		return c.broken
	}
	return ErrClosed
}

// Line waits for the next line that is not empty.
func (c *Conn) Line(ctx context.Context, within time.Duration) (string, error) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	return c.line(ctx, timer.C)
}

func (c *Conn) line(ctx context.Context, timeout <-chan time.Time) (string, error) {
	for {
		if err := c.fill(ctx, timeout); err != nil {
			return "", err
		}
		for len(c.chunk) > 0 {
			b := c.chunk[0]
			c.chunk = c.chunk[1:]
			if line, ok := c.lines.Feed(b); ok {
				return line, nil
			}
		}
	}
}

// Result waits for the next final result code and returns the lines before it.
// RING does not count: a call may come in at any time.
func (c *Conn) Result(ctx context.Context, within time.Duration) (Code, []string, error) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	var info []string
	for range maxAnswers {
		line, err := c.line(ctx, timer.C)
		if err != nil {
			return Info, info, err
		}
		code := Parse(line)
		if code.Final() {
			return code, info, nil
		}
		info = append(info, line)
	}
	return Info, info, ErrTooMuch
}

// ReadData reads data up to DLE ETX and hands them to sink as they come. No
// more than limit octets are taken, and the modem may be silent for idle at
// most; total limits the whole.
func (c *Conn) ReadData(ctx context.Context, limit int, idle, total time.Duration, sink func([]byte)) error {
	end := time.NewTimer(total)
	defer end.Stop()
	var u Unstuffer
	got := 0
	var out []byte
	for {
		if err := c.fillIdle(ctx, idle, end.C); err != nil {
			return err
		}
		var n int
		var done bool
		out, n, done = u.Append(out[:0], c.chunk)
		c.chunk = c.chunk[n:]
		if got += len(out); got > limit {
			return ErrTooMuch
		}
		sink(out)
		if done {
			return nil
		}
	}
}

// fillIdle is fill with two limits: idle from now, and the whole's.
func (c *Conn) fillIdle(ctx context.Context, idle time.Duration, end <-chan time.Time) error {
	select {
	case <-end:
		return ErrTimeout
	default:
	}
	timer := time.NewTimer(idle)
	defer timer.Stop()
	return c.fill(ctx, timer.C)
}

// Drain throws away what the modem says until it has been quiet for that long,
// at most maxDrain times as long, and forgets a line begun.
func (c *Conn) Drain(ctx context.Context, quiet time.Duration) error {
	const maxDrain = 10
	end := time.NewTimer(maxDrain * quiet)
	defer end.Stop()
	for {
		err := c.fillIdle(ctx, quiet, end.C)
		c.chunk, c.lines = nil, Lines{}
		if errors.Is(err, ErrTimeout) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
