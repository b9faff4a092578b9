package softmodem

import (
	"io"
	"sync"
)

// Sizes of the two directions of a port.
const (
	portInput  = 4096    // octets from the host; then Write waits, as with flow control
	portOutput = 1 << 18 // octets to a host that does not read; then they are lost, as in hardware
)

// Port is the host's end of a modem's serial port.
type Port struct {
	in, out *queue
	unplug  func() error
}

// Read waits for octets from the modem.
func (p *Port) Read(b []byte) (int, error) { return p.out.read(b) }

// Write hands octets to the modem and waits while the modem cannot take them.
func (p *Port) Write(b []byte) (int, error) { return p.in.write(b) }

// Close takes the modem off the line, as dropping DTR and unplugging it would.
// It is idempotent and returns when the modem has stopped.
func (p *Port) Close() error { return p.unplug() }

// queue carries octets one way. Its modem end never waits; its host end does.
type queue struct {
	limit  int
	notify func() // called after the host has put something in

	mu     sync.Mutex
	turn   *sync.Cond
	buf    []byte
	closed bool
}

func newQueue(limit int, notify func()) *queue {
	q := &queue{limit: limit, notify: notify}
	q.turn = sync.NewCond(&q.mu)
	return q
}

func (q *queue) write(b []byte) (n int, err error) {
	for len(b) > 0 {
		k, err := q.writeSome(b)
		if err != nil {
			return n, err
		}
		q.notify()
		n, b = n+k, b[k:]
	}
	return n, nil
}

func (q *queue) writeSome(b []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.buf) >= q.limit && !q.closed {
		q.turn.Wait()
	}
	if q.closed {
		return 0, io.ErrClosedPipe
	}
	k := min(len(b), q.limit-len(q.buf))
	q.buf = append(q.buf, b[:k]...)
	return k, nil
}

func (q *queue) read(b []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.buf) == 0 && !q.closed {
		q.turn.Wait()
	}
	if len(q.buf) == 0 {
		return 0, io.EOF
	}
	n := copy(b, q.buf)
	q.buf = append(q.buf[:0], q.buf[n:]...)
	return n, nil
}

// take gives the modem all there is.
func (q *queue) take() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.buf
	q.buf = nil
	q.turn.Broadcast()
	return b
}

// put gives the host what there is room for.
func (q *queue) put(b []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.buf = append(q.buf, b[:min(len(b), q.limit-len(q.buf))]...)
	q.turn.Broadcast()
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.turn.Broadcast()
}
