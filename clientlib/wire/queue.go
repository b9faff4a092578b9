package wire

import (
	"context"
	"errors"
	"sync"
)

// ErrOverrun says that the other side sent more than it was allowed to.
var ErrOverrun = errors.New("the other side sends more than its window allows")

// frameCost is what a queued frame costs beside its payload, so that many
// small frames are not cheaper than a few large ones.
const frameCost = 256

// Queue holds the frames of one stream between the reader of a connection,
// which must not wait, and the one who works on the stream.
type Queue struct {
	limit int
	bell  chan struct{} // one place: rung when something has changed

	mu     sync.Mutex
	frames []Frame
	cost   int
	err    error
}

// NewQueue makes a queue for payloads of up to limit octets together.
func NewQueue(limit int) *Queue {
	return &Queue{limit: limit, bell: make(chan struct{}, 1)}
}

// Put adds a frame; ErrOverrun if it does not fit any more.
func (q *Queue) Put(f Frame) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return q.err
	}
	cost := len(f.Payload) + frameCost
	if q.cost+cost > q.limit {
		return ErrOverrun
	}
	q.frames = append(q.frames, f)
	q.cost += cost
	q.ring()
	return nil
}

// Get takes the oldest frame and waits for one if there is none. Frames put
// before Close are still delivered. One goroutine at a time may wait.
func (q *Queue) Get(ctx context.Context) (Frame, error) {
	for {
		if f, ok, err := q.take(); ok || err != nil {
			return f, err
		}
		select {
		case <-q.bell:
		case <-ctx.Done():
			return Frame{}, ctx.Err()
		}
	}
}

func (q *Queue) take() (Frame, bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.frames) == 0 {
		return Frame{}, false, q.err
	}
	f := q.frames[0]
	q.frames[0] = Frame{}
	q.frames = q.frames[1:]
	q.cost -= len(f.Payload) + frameCost
	return f, true, nil
}

// Close lets Get return err once the queue is empty. The first err stays.
func (q *Queue) Close(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
	q.ring()
}

func (q *Queue) ring() {
	select {
	case q.bell <- struct{}{}:
	default: // it is ringing already
	}
}
