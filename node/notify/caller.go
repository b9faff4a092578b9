package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
	"github.com/faxmesh/faxmesh/cluster/presence"
)

// Waits of a notification connection.
const (
	DialTimeout = 5 * time.Second
	AckTimeout  = 10 * time.Second // for what has been sent; then the connection is no good
	linger      = 5 * time.Second  // a connection with nothing to tell is kept
	GiveUp      = 5 * time.Minute  // events older than this have gone another way
	againFirst  = time.Second      // pause after the first failure
	againMost   = 5 * time.Minute
)

// caller tells one session over its notification port. A goroutine and a
// connection exist only while there is something to tell.
type caller struct {
	n       *Notifier
	session presence.Session
	log     *slog.Logger
	ctx     context.Context
	stop    context.CancelFunc
	bell    chan struct{} // rung when there is something to send, or less to wait for

	mu       sync.Mutex
	queue    []fax.Event // not acknowledged, by number
	sent     int         // so many of them have been sent over the present connection
	running  bool
	failures int
	again    time.Time // not dialled before
}

func newCaller(n *Notifier, p presence.Session) *caller {
	ctx, stop := context.WithCancel(n.ctx)
	return &caller{n: n, session: p, ctx: ctx, stop: stop, bell: make(chan struct{}, 1),
		log: n.cfg.Log.With("account", p.Account, "session", p.ID, "peer", p.Addr.String(), "via", "callback")}
}

// tell queues an event.
func (c *caller) tell(e fax.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) >= MaxPending {
		c.queue = slices.Delete(c.queue, 0, 1) // the way of last resort has it
		c.sent = max(c.sent-1, 0)
	}
	c.queue = append(c.queue, e)
	c.ring()
	if !c.running && c.ctx.Err() == nil {
		c.running = true
		c.n.done.Go(c.run)
	}
}

// acked forgets events that the client has.
func (c *caller) acked(seqs []uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.queue[:0:0]
	sent := 0
	for i, e := range c.queue {
		if slices.Contains(seqs, e.Seq) {
			continue
		}
		if i < c.sent {
			sent++
		}
		kept = append(kept, e)
	}
	c.queue, c.sent = kept, sent
	c.ring()
}

func (c *caller) ring() {
	select {
	case c.bell <- struct{}{}:
	default:
	}
}

// run tells until there is nothing more to tell.
func (c *caller) run() {
	for c.more() {
		err := c.connect()
		c.mu.Lock()
		c.sent = 0
		if err == nil || c.ctx.Err() != nil {
			c.failures = 0
			c.mu.Unlock()
			continue
		}
		pause := min(againFirst<<min(c.failures, 20), againMost)
		c.failures++
		c.again = time.Now().Add(pause)
		pending := len(c.queue)
		c.mu.Unlock()
		c.log.Warn("the client could not be called back; it is told over its own connection", "events", pending, "again_after", pause, "err", err)
	}
}

// more waits until it is time to dial, and reports false, with running set to
// false, when there is nothing to dial for.
func (c *caller) more() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		oldest := fax.At(time.Now().Add(-GiveUp))
		c.queue = slices.DeleteFunc(c.queue, func(e fax.Event) bool { return e.At < oldest })
		if len(c.queue) == 0 || c.ctx.Err() != nil {
			c.running = false
			return false
		}
		wait := time.Until(c.again)
		if wait <= 0 {
			return true
		}
		c.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-c.bell: // perhaps everything has been acknowledged
		case <-c.ctx.Done():
		}
		timer.Stop()
		c.mu.Lock()
	}
}

// connect dials the client and tells it all there is. It returns nil when
// there was nothing more to tell for a while.
func (c *caller) connect() error {
	select {
	case c.n.slots <- struct{}{}:
		defer func() { <-c.n.slots }()
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
	if err := c.n.cfg.MayDial(c.session.Addr, c.session.Node); err != nil {
		return fmt.Errorf("not dialled: %w", err)
	}
	ctx, cancel := context.WithTimeout(c.ctx, DialTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.session.Addr.String())
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	link, err := wire.Call(ctx, conn, wire.CallbackTLS(c.n.cfg.Certificate(), c.session.Fingerprint),
		wire.Hello{Secret: c.n.cfg.Cluster.Secret(c.session.ID), Node: c.n.cfg.Node})
	if err != nil {
		return err
	}
	return c.serve(link)
}

// serve sends what is queued while a second goroutine reads acknowledgements.
func (c *caller) serve(link *wire.Link) error {
	var reading sync.WaitGroup
	reading.Go(func() { c.read(link) })
	err := c.send(link)
	if err == nil {
		_ = link.Drain() // all has been acknowledged
	} else {
		_ = link.Close()
	}
	reading.Wait()
	return err
}

func (c *caller) send(link *wire.Link) error {
	for {
		events, waiting := c.next()
		if len(events) > 0 {
			if err := c.write(link, events); err != nil {
				return err
			}
		}
		wait := linger
		if waiting {
			wait = AckTimeout
		}
		timer := time.NewTimer(wait)
		select {
		case <-c.bell:
		case <-timer.C:
			if waiting {
				return errors.New("the client did not acknowledge")
			}
			return nil
		case <-link.Done():
			timer.Stop()
			if c.idle() {
				return nil
			}
			return fmt.Errorf("the connection ended: %w", link.Err())
		case <-c.ctx.Done():
			timer.Stop()
			return c.ctx.Err()
		}
		timer.Stop()
	}
}

// next is the events not yet sent, now counted as sent; waiting reports
// whether an acknowledgement is outstanding.
func (c *caller) next() (events []fax.Event, waiting bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	events = slices.Clone(c.queue[c.sent:])
	c.sent = len(c.queue)
	return events, len(c.queue) > 0
}

func (c *caller) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue) == 0
}

func (c *caller) write(link *wire.Link, events []fax.Event) error {
	frames, err := wire.Pushes(events)
	if err != nil {
		return err
	}
	for _, f := range frames {
		if err := link.Send(c.ctx, f); err != nil {
			return fmt.Errorf("send events: %w", err)
		}
	}
	for _, e := range events {
		c.log.Info("notified", "event", string(e.Kind), "fax", e.Fax, "seq", e.Seq, "handled_by", e.Node)
	}
	return nil
}

func (c *caller) read(link *wire.Link) {
	for {
		f, err := link.Read()
		if err != nil {
			_ = link.Close()
			return
		}
		var seqs wire.Seqs
		if f.Type != wire.ACK || wire.CheckThenDecode(f.Payload, &seqs) != nil {
			c.log.Warn("the client sent something that is no acknowledgement", "frame", f.Type.String())
			_ = link.Close()
			return
		}
		c.n.Ack(c.session.ID, seqs.Seqs)
	}
}
