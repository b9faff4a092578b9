package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Queues of a link towards the other side. Urgent frames overtake bulk ones,
// of which only a few wait here, so that an event is never behind a document.
const (
	urgentFrames = 32
	bulkFrames   = 2
	bufferSize   = 4 << 10
	socketBuffer = 128 << 10
)

// ErrClosed says that the link has been closed on this side.
var ErrClosed = errors.New("the connection is closed")

// ErrSlow says that the other side takes frames too slowly for another one to
// be queued.
var ErrSlow = errors.New("the other side reads too slowly")

// Link carries frames over a connection: one goroutine of its own writes, the
// owner's reads. It keeps a silent connection alive and notices a dead one.
type Link struct {
	conn   net.Conn
	in     *bufio.Reader
	urgent chan Frame
	bulk   chan Frame
	drain  chan struct{} // closed: write what is queued, then stop
	done   chan struct{} // closed: stop now
	idle   chan struct{} // closed by the writer when it has returned

	// Of the reading goroutine alone.
	limit int       // octets of a payload
	until time.Time // a frame must be there by then; zero: only the usual waits

	mu      sync.Mutex
	err     error // why the link ended
	drained bool
}

// NewLink makes a link of a connection that has exchanged prefaces. Close ends
// both. Payloads are limited to MaxEarlyPayload, and the first ones must come
// by the time until, before Trust has been called.
func NewLink(conn net.Conn, until time.Time) *Link {
	l := &Link{
		conn:   conn,
		in:     bufio.NewReaderSize(conn, bufferSize),
		urgent: make(chan Frame, urgentFrames),
		bulk:   make(chan Frame, bulkFrames),
		drain:  make(chan struct{}),
		done:   make(chan struct{}),
		idle:   make(chan struct{}),
		limit:  MaxEarlyPayload,
		until:  until,
	}
	go l.write()
	return l
}

// LimitSocket keeps the system from queueing so much of a document that an
// event would wait behind it. Connections without such buffers are let be.
func LimitSocket(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(socketBuffer) // a hint: the system may round it
	}
}

// Trust lifts the limits for strangers. Only the reading goroutine may call it.
func (l *Link) Trust() { l.limit, l.until = MaxPayload, time.Time{} }

// Read returns the next frame that is not a ping. An error ends the link, but
// for ErrFrame: what breaks the protocol can still be told why, and drained.
func (l *Link) Read() (Frame, error) {
	for {
		f, err := l.read()
		if errors.Is(err, ErrFrame) {
			return Frame{}, err
		}
		if err != nil {
			return Frame{}, l.fail(err)
		}
		switch f.Type {
		case PING:
			// When the queue is full other frames tell that this side lives.
			_ = l.TrySend(Frame{Type: PONG})
		case PONG:
		default:
			return f, nil
		}
	}
}

func (l *Link) read() (Frame, error) {
	if err := l.conn.SetReadDeadline(l.deadline(Dead)); err != nil {
		return Frame{}, err
	}
	if _, err := l.in.Peek(1); err != nil {
		return Frame{}, err
	}
	if err := l.conn.SetReadDeadline(l.deadline(FrameTimeout)); err != nil {
		return Frame{}, err
	}
	return ReadFrame(l.in, l.limit)
}

func (l *Link) deadline(wait time.Duration) time.Time {
	t := time.Now().Add(wait)
	if !l.until.IsZero() && l.until.Before(t) {
		return l.until
	}
	return t
}

// Send queues a frame and waits for room.
func (l *Link) Send(ctx context.Context, f Frame) error { return l.put(ctx, l.urgent, f) }

// SendBulk queues a frame of a document, which every other frame overtakes.
func (l *Link) SendBulk(ctx context.Context, f Frame) error { return l.put(ctx, l.bulk, f) }

func (l *Link) put(ctx context.Context, queue chan<- Frame, f Frame) error {
	if l.Err() != nil {
		return l.Err()
	}
	select {
	case queue <- f:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.idle:
		return l.fail(ErrClosed)
	}
}

// TrySend queues a frame if there is room now, else it returns ErrSlow.
func (l *Link) TrySend(f Frame) error {
	if err := l.Err(); err != nil {
		return err
	}
	select {
	case l.urgent <- f:
		return nil
	default:
		return ErrSlow
	}
}

// Err is why the link has ended, nil while it has not.
func (l *Link) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Done is closed when nothing is written any more.
func (l *Link) Done() <-chan struct{} { return l.idle }

// Close ends the link at once and returns when the writer has returned.
func (l *Link) Close() error {
	_ = l.fail(ErrClosed)
	<-l.idle
	return nil
}

// Drain ends the link when the queued frames are written, or DrainTimeout has
// passed.
func (l *Link) Drain() error {
	l.mu.Lock()
	if !l.drained && l.err == nil {
		l.drained = true
		close(l.drain)
	}
	l.mu.Unlock()
	timer := time.NewTimer(DrainTimeout)
	defer timer.Stop()
	select {
	case <-l.idle:
	case <-timer.C:
	}
	return l.Close()
}

// fail ends the link for a reason. The first reason stays and is returned.
func (l *Link) fail(err error) error {
	l.mu.Lock()
	first := l.err == nil
	if first {
		l.err = err
		close(l.done)
	}
	err = l.err
	l.mu.Unlock()
	if first { // outside of the lock: TLS may take seconds to say good-bye
		_ = l.conn.Close()
	}
	return err
}

// write is the writer: urgent frames first, a ping when there was nothing.
func (l *Link) write() {
	defer close(l.idle)
	out := bufio.NewWriterSize(l.conn, bufferSize)
	silence := time.NewTimer(Ping)
	defer silence.Stop()
	for {
		f, ok := l.next(silence.C)
		if !ok {
			_ = l.fail(ErrClosed)
			return
		}
		if err := l.writeFrame(out, f); err != nil {
			_ = l.fail(fmt.Errorf("write %s: %w", f.Type, err))
			return
		}
		silence.Reset(Ping)
	}
}

func (l *Link) writeFrame(out *bufio.Writer, f Frame) error {
	if err := l.conn.SetWriteDeadline(time.Now().Add(FrameTimeout)); err != nil {
		return err
	}
	if err := WriteFrame(out, f); err != nil {
		return err
	}
	return out.Flush()
}

// next waits for the frame to write next; false when the link has ended.
func (l *Link) next(silence <-chan time.Time) (Frame, bool) {
	select {
	case f := <-l.urgent:
		return f, true
	default:
	}
	select {
	case f := <-l.urgent:
		return f, true
	case f := <-l.bulk:
		return f, true
	case <-silence:
		return Frame{Type: PING}, true
	case <-l.done:
		return Frame{}, false
	case <-l.drain:
		select { // what is still queued, a document's rest left out
		case f := <-l.urgent:
			return f, true
		default:
			return Frame{}, false
		}
	}
}
