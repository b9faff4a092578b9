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
	maxEmpty   = 100  // reads in a row that bring nothing
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
	grain  time.Duration
	lost   time.Duration // waited and not counted
}

// NewConn starts the dialogue over port, which it owns from now on. With a grain
// above 0 waits for the modem are counted in pieces of that length, and a piece
// that lasts longer counts no more than twice: time in which the process did not
// run is not held against a modem simulated faster than the wall clock.
func NewConn(port io.ReadWriteCloser, grain time.Duration) *Conn {
	c := &Conn{
		port:   port,
		reads:  make(chan []byte, readQueue),
		writes: make(chan []byte),
		wrote:  make(chan error, 1),
		done:   make(chan struct{}),
		grain:  grain,
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
	for empty := 0; ; empty++ {
		b := make([]byte, readSize)
		n, err := c.port.Read(b)
		if n > 0 {
			empty = 0
			select {
			case c.reads <- b[:n]:
			case <-c.done:
				return
			}
		}
		if err == nil && empty == maxEmpty {
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
			n, err := c.port.Write(p)
			if err == nil && n < len(p) {
				err = io.ErrShortWrite
			}
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

// patience is what is left of a limit.
type patience struct {
	left  time.Duration
	grain time.Duration
}

// maxCounted is the longest wait that is counted in pieces: longer ones, as for
// a call to come in, would cost more than the accuracy is worth.
const maxCounted = 4 * time.Minute

func (c *Conn) patience(d time.Duration) *patience {
	if d > maxCounted {
		return &patience{left: d}
	}
	return &patience{d, c.grain}
}

// Lost is how much of its waits the Conn has not counted so far.
func (c *Conn) Lost() time.Duration { return c.lost }

// piece is the next part of the wait.
func (p *patience) piece() time.Duration {
	if p.grain > 0 {
		return min(p.left, p.grain)
	}
	return p.left
}

// spend takes off what has been waited and returns what did not count.
func (p *patience) spend(d time.Duration) (lost time.Duration) {
	counted := d
	if p.grain > 0 {
		counted = min(d, 2*p.grain)
	}
	p.left -= counted
	return d - counted
}

// fill waits until there is something in chunk, and takes the wait off every
// limit.
func (c *Conn) fill(ctx context.Context, limits ...*patience) error {
	for len(c.chunk) == 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		select { // what is there counts, however late it is asked for
		case b, ok := <-c.reads:
			return c.take(b, ok)
		default:
		}
		wait := limits[0].piece()
		for _, l := range limits {
			if l.left <= 0 {
				return ErrTimeout
			}
			wait = min(wait, l.piece())
		}
		begun := time.Now()
		err := c.await(ctx, wait)
		waited := time.Since(begun)
		lost := limits[0].spend(waited)
		for _, l := range limits[1:] {
			l.spend(waited)
		}
		c.lost += lost
		if err != nil {
			return err
		}
	}
	return nil
}

// await waits so long for something in chunk; that nothing came is no error.
func (c *Conn) await(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case b, ok := <-c.reads:
		return c.take(b, ok)
	case <-timer.C:
		return nil
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
	return c.line(ctx, c.patience(within))
}

func (c *Conn) line(ctx context.Context, limit *patience) (string, error) {
	for {
		if err := c.fill(ctx, limit); err != nil {
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
	limit := c.patience(within)
	var info []string
	for range maxAnswers {
		line, err := c.line(ctx, limit)
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
// most; total limits the whole. It ends, too, when sink wants no more.
func (c *Conn) ReadData(ctx context.Context, limit int, idle, total time.Duration, sink func([]byte) (more bool)) error {
	return c.readData(ctx, Unstuffer{}, limit, idle, total, sink)
}

// ReadStuffed is ReadData with the escapes left in the data.
func (c *Conn) ReadStuffed(ctx context.Context, limit int, idle, total time.Duration, sink func([]byte) (more bool)) error {
	return c.readData(ctx, Unstuffer{keep: true}, limit, idle, total, sink)
}

func (c *Conn) readData(ctx context.Context, u Unstuffer, limit int, idle, total time.Duration, sink func([]byte) (more bool)) error {
	end := c.patience(total)
	got := 0
	var out []byte
	for {
		if err := c.fill(ctx, c.patience(idle), end); err != nil {
			return err
		}
		var n int
		var done bool
		out, n, done = u.Append(out[:0], c.chunk)
		c.chunk = c.chunk[n:]
		if got += len(out); got > limit {
			return ErrTooMuch
		}
		if more := sink(out); done || !more {
			return nil
		}
	}
}

// ReadRaw hands octets to sink one by one as they come, the end mark like any
// other, until sink wants no more: it alone can tell where data end that a modem
// does not escape. No more than limit octets are taken, within total.
func (c *Conn) ReadRaw(ctx context.Context, limit int, total time.Duration, sink func(byte) (more bool)) error {
	end := c.patience(total)
	for range limit {
		if err := c.fill(ctx, end); err != nil {
			return err
		}
		b := c.chunk[0]
		c.chunk = c.chunk[1:]
		if !sink(b) {
			return nil
		}
	}
	return ErrTooMuch
}

// Drain throws away what the modem says until it has been quiet for that long,
// at most maxDrain times as long, and forgets a line begun.
func (c *Conn) Drain(ctx context.Context, quiet time.Duration) error {
	const maxDrain = 10
	end := c.patience(maxDrain * quiet)
	for {
		err := c.fill(ctx, c.patience(quiet), end)
		c.chunk, c.lines = nil, Lines{}
		if errors.Is(err, ErrTimeout) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
