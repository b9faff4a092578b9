// Package notify tells clients what has happened, each event by the shortest
// way that is open.
//
// The node that handled a fax dials the client's notification port itself. What
// the client has not acknowledged after Patience goes the way of last resort,
// from the session's home over the connection that the client has opened; at
// once if the client has no notification port. An event may thus come twice;
// the client knows it again by its number. An event that comes by no way is
// there when the client asks for events after the last number it has seen.
package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/presence"
)

// Limits and waits.
const (
	Patience       = 2 * time.Second // for an acknowledgement, before the way of last resort
	MaxPending     = 256             // events of a session that wait to be told; the oldest make room
	MaxConnections = 512             // of a node to notification ports
	lookBack       = 100             // events looked at when a session is first seen
	readAtOnce     = 256             // events read at a time
	idle           = time.Minute     // sessions are looked at so often although nothing rings
)

// Cluster is what notify needs to know.
type Cluster interface {
	// Sessions is who is logged in, at every node that is alive.
	Sessions() []presence.Session
	Events(account string, after uint64, limit int) ([]fax.Event, error)
	LastEvent(account string) (uint64, error)
	// Tentative is the newest events that only this node knows, because it is
	// cut off, after a tentative number.
	Tentative(account string, after uint64, limit int) ([]fax.Event, error)
	// Void reports that a session must not be told anything any more: it was
	// ended, or its account or its password is another one now.
	Void(s presence.Session) (bool, error)
	// Secret is what the client of a session waits to hear first.
	Secret(session string) string
}

// Config is what Open needs. All fields must be set.
type Config struct {
	Node    string
	Cluster Cluster
	Changed func() (bell <-chan struct{}, stop func())
	// MayDial says why a session's notification port must not be dialled from
	// this node; CheckAddress is the part of it that needs no knowledge.
	MayDial     func(addr netip.AddrPort, home string) error
	Certificate func() tls.Certificate // proves that this node is of the cluster
	Log         *slog.Logger
}

// Notifier follows all sessions of the cluster.
type Notifier struct {
	cfg    Config
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup
	slots  chan struct{} // one for each connection
	bell   chan struct{} // rung when a session attaches

	mu       sync.Mutex
	sessions map[string]*session
}

// session is one login as this node follows it. The notifier's mutex guards it.
type session struct {
	presence.Session
	caller *caller     // nil without a notification port
	seen   uint64      // events up to this number have been looked at
	early  uint64      // the same of tentative ones
	last   *lastResort // nil unless the client is connected to this node
}

// Open begins to follow.
func Open(cfg Config) *Notifier {
	ctx, cancel := context.WithCancel(context.Background())
	n := &Notifier{cfg: cfg, ctx: ctx, cancel: cancel, slots: make(chan struct{}, MaxConnections),
		bell: make(chan struct{}, 1), sessions: make(map[string]*session)}
	n.done.Go(n.loop)
	return n
}

// Close ends all connections and waits for them.
func (n *Notifier) Close() {
	n.cancel()
	n.done.Wait()
}

// loop looks for news whenever the cluster has changed, but never so often
// that it takes more than half of the time.
func (n *Notifier) loop() {
	bell, stop := n.cfg.Changed()
	defer stop()
	for {
		begun := time.Now()
		next := n.look(begun)
		pause := time.NewTimer(time.Since(begun))
		select {
		case <-n.ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
		timer := time.NewTimer(next)
		select {
		case <-n.ctx.Done():
			timer.Stop()
			return
		case <-bell:
		case <-n.bell:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// look brings the sessions up to date, hands out new events, and returns when
// something falls due.
func (n *Notifier) look(now time.Time) time.Duration {
	table := n.cfg.Cluster.Sessions()
	n.mu.Lock()
	n.followLocked(table)
	newest := make(map[string]uint64) // by account, read once
	for _, s := range n.sessions {
		if err := errors.Join(n.newsLocked(s, newest, now), n.tentativeLocked(s, now)); err != nil {
			n.cfg.Log.Error("the events of an account cannot be read; its clients are told later", "account", s.Account, "err", err)
		}
	}
	var pushes []push
	next := idle
	for _, s := range n.sessions {
		if s.last == nil {
			continue
		}
		events, wait := s.last.due(now, s.caller != nil)
		if len(events) > 0 {
			pushes = append(pushes, push{s.ID, s.Account, s.last, events})
		}
		next = min(next, wait)
	}
	n.mu.Unlock()
	for _, p := range pushes {
		n.push(p)
	}
	return next
}

// followLocked makes n.sessions follow the presence table.
func (n *Notifier) followLocked(table []presence.Session) {
	// A session that was opened again at another node shows at both for a while.
	there := make(map[string]presence.Session, len(table))
	for _, p := range table {
		if known, ok := there[p.ID]; !ok || p.Since > known.Since {
			there[p.ID] = p
		}
	}
	for _, p := range there {
		s := n.sessions[p.ID]
		if s == nil {
			s = &session{Session: p, seen: n.since(p)}
			n.sessions[p.ID] = s
		}
		if s.caller == nil || s.Addr != p.Addr || s.Fingerprint != p.Fingerprint {
			n.hangUp(s)
			s.Session = p
			if p.Addr.IsValid() && p.Fingerprint != "" {
				s.caller = newCaller(n, p)
			}
		}
	}
	for id, s := range n.sessions {
		if _, ok := there[id]; ok {
			continue
		}
		n.hangUp(s)
		if s.last == nil {
			delete(n.sessions, id)
		}
	}
}

func (n *Notifier) hangUp(s *session) {
	if s.caller != nil {
		s.caller.stop()
		s.caller = nil
	}
}

// since is the number of the last event before a session began, as far as this
// node can tell. Clocks differ: an event too many does no harm.
func (n *Notifier) since(p presence.Session) uint64 {
	last, err := n.cfg.Cluster.LastEvent(p.Account)
	if err != nil {
		return 0
	}
	from := last - min(last, lookBack)
	events, err := n.cfg.Cluster.Events(p.Account, from, lookBack)
	if err != nil {
		return last
	}
	for _, e := range events {
		if e.At >= p.Since {
			return e.Seq - 1
		}
	}
	return last
}

// newsLocked hands out the events of a session that have not been looked at.
func (n *Notifier) newsLocked(s *session, newest map[string]uint64, now time.Time) error {
	account := fax.Fold(s.Account)
	last, known := newest[account]
	if !known {
		var err error
		if last, err = n.cfg.Cluster.LastEvent(account); err != nil {
			return err
		}
		newest[account] = last
	}
	if s.seen >= last {
		return nil
	}
	void, err := n.cfg.Cluster.Void(s.Session)
	if err != nil {
		return err
	}
	for s.seen < last {
		events, err := n.cfg.Cluster.Events(account, s.seen, readAtOnce)
		if err != nil {
			return err
		}
		if len(events) == 0 {
			s.seen = last
		}
		for _, e := range events {
			s.seen = e.Seq
			n.tell(s, e, void, now)
		}
	}
	return nil
}

// tell sends an event on the ways that this node has to a session.
func (n *Notifier) tell(s *session, e fax.Event, void bool, now time.Time) {
	if s.caller != nil && !void && e.Node == n.cfg.Node {
		s.caller.tell(e)
	}
	if s.last != nil {
		s.last.add(e, now)
	}
}

// tentativeLocked hands out what this node alone knows. The same events come
// again, with the numbers they get, when the others know them; the client knows
// them by everything else.
func (n *Notifier) tentativeLocked(s *session, now time.Time) error {
	events, err := n.cfg.Cluster.Tentative(s.Account, s.early, readAtOnce)
	if err != nil || len(events) == 0 {
		return err
	}
	void, err := n.cfg.Cluster.Void(s.Session)
	if err != nil {
		return err
	}
	for _, e := range events {
		s.early = e.Seq
		if e.At >= s.Since {
			n.tell(s, e, void, now)
		}
	}
	return nil
}

func (n *Notifier) ring() {
	select {
	case n.bell <- struct{}{}:
	default:
	}
}
