package replica

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/cluster/peer"
)

// Limits of connections that wait for the next operation.
const (
	maxIdle    = 16            // to one node; further ones are closed after their operation
	idleTime   = stallTime / 2 // then it is closed; before the other node does, after stallTime
	answerTime = 5 * time.Second
)

// links are the connections that this node has dialled and uses no more for
// the moment: a handshake costs more than a page's way.
type links struct {
	mu     sync.Mutex
	closed bool
	idle   map[string][]*link // by node; the one used last at the end
}

// link is one of them.
type link struct {
	net.Conn
	expiry *time.Timer
}

// take gives a connection to a node, or nil. It may be dead.
func (l *links) take(node string) net.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	for kept := l.idle[node]; len(kept) > 0; {
		last := kept[len(kept)-1]
		kept = kept[:len(kept)-1]
		l.setLocked(node, kept)
		if last.expiry.Stop() {
			return last.Conn
		}
	}
	return nil
}

// put keeps a connection for the next operation.
func (l *links) put(node string, conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.idle[node]) >= maxIdle {
		conn.Close()
		return
	}
	one := &link{Conn: conn}
	one.expiry = time.AfterFunc(idleTime, func() { l.expire(node, one) })
	l.idle[node] = append(l.idle[node], one)
}

func (l *links) expire(node string, one *link) {
	one.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	var kept []*link
	for _, other := range l.idle[node] {
		if other != one {
			kept = append(kept, other)
		}
	}
	l.setLocked(node, kept)
}

func (l *links) setLocked(node string, kept []*link) {
	if len(kept) == 0 {
		delete(l.idle, node)
	} else {
		l.idle[node] = kept
	}
}

func (l *links) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, kept := range l.idle {
		for _, one := range kept {
			one.expiry.Stop()
			one.Close()
		}
	}
	l.idle = nil
}

// operate sends a node an operation and has do go on with the first answer.
func (r *Replica) operate(ctx context.Context, node string, op []byte, do func(conn paced, code byte, rest []byte) error) error {
	ctx, cancel := context.WithTimeout(ctx, opTime)
	defer cancel()
	if conn := r.links.take(node); conn != nil {
		// The node may be gone, or started again, without a word: all kept
		// connections to it look alive and are dead. Only a new one can tell.
		quick := time.AfterFunc(answerTime, func() { conn.Close() })
		answered, err := r.operateOver(ctx, conn, node, op, func(conn paced, code byte, rest []byte) error {
			quick.Stop()
			return do(conn, code, rest)
		})
		quick.Stop()
		if answered || ctx.Err() != nil {
			return err
		}
	}
	conn, err := r.cfg.Dial(ctx, node)
	if err != nil {
		return err
	}
	_, err = r.operateOver(ctx, conn, node, op, do)
	return err
}

// operateOver is operate over a connection, which is kept if all went well. It
// reports whether there was a first answer.
func (r *Replica) operateOver(ctx context.Context, raw net.Conn, node string, op []byte, do func(conn paced, code byte, rest []byte) error) (answered bool, err error) {
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	conn := paced{raw}
	var code byte
	var rest []byte
	if err = peer.WriteFrame(conn, op); err == nil {
		code, rest, err = readAnswer(conn)
	}
	answered = err == nil || errors.Is(err, errRefused) || errors.Is(err, errWire)
	if err == nil {
		err = do(conn, code, rest)
	}
	if stop() && err == nil {
		r.links.put(node, raw)
	} else {
		raw.Close()
	}
	return answered, err
}

// accept serves the other nodes' operations.
func (r *Replica) accept() {
	for {
		conn, err := r.cfg.Listener.Accept()
		if err != nil {
			return
		}
		if !r.enter(conn) {
			conn.Close() // the other node tries another or comes again
			continue
		}
		r.work.Go(func() {
			defer context.AfterFunc(r.ctx, func() { conn.Close() })()
			if err := r.serveAll(paced{conn}); err != nil && r.ctx.Err() == nil {
				r.cfg.Logger.Debug("an operation on a document was broken off", "from", conn.RemoteAddr(), "err", err)
			}
			conn.Close()
			r.mu.Lock()
			delete(r.serving, conn)
			r.mu.Unlock()
		})
	}
}

// enter counts a connection in. One that waits for its next operation makes
// room for it: who dialled that one dials again.
func (r *Replica) enter(conn net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed && len(r.serving) >= maxServing {
		for other, waits := range r.serving {
			if waits {
				other.Close()
				delete(r.serving, other)
				break
			}
		}
	}
	if r.closed || len(r.serving) >= maxServing {
		return false
	}
	r.serving[conn] = false
	return true
}

// waits notes whether a connection waits for its next operation.
func (r *Replica) waits(conn net.Conn, does bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, counted := r.serving[conn]; counted {
		r.serving[conn] = does
	}
}

// serveAll answers the operations of one connection until it ends.
func (r *Replica) serveAll(conn paced) error {
	for first := true; ; first = false {
		r.waits(conn.Conn, !first)
		op, err := peer.ReadFrame(conn, maxOpFrame)
		if err != nil && !first {
			return nil // it is needed no more
		}
		if err != nil {
			return err
		}
		r.waits(conn.Conn, false)
		limit := time.AfterFunc(opTime, func() { conn.Close() })
		err = r.serve(conn, op)
		limit.Stop()
		if err != nil {
			return err
		}
	}
}
