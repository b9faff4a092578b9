package notify

import (
	"slices"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// lastResort is the client's own connection, at the session's home, with the
// events that the client has not acknowledged. The notifier's mutex guards it.
type lastResort struct {
	send    func([]fax.Event) error
	waiting []waiting // by number
	early   []uint64  // acknowledged before this node heard of them
}

// waiting is an event and when this node saw it.
type waiting struct {
	event fax.Event
	since time.Time
}

// push is events on their way out.
type push struct {
	session, account string
	last             *lastResort
	events           []fax.Event
}

// Attach gives a session, at its home, the way of last resort: send, which
// must not block long. Events after the one numbered seen are told. A second
// Attach replaces the first.
func (n *Notifier) Attach(id, account string, seen uint64, send func([]fax.Event) error) (detach func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.sessions[id]
	if s == nil {
		s = &session{seen: seen}
		s.ID, s.Account, s.Node = id, account, n.cfg.Node
		n.sessions[id] = s
	}
	s.seen = min(s.seen, seen)
	last := &lastResort{send: send}
	s.last = last
	n.ring()
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if s.last == last {
			s.last = nil
			n.ring() // the session may be gone from the table already
		}
	}
}

// Ack is the client's word that it has events, by whatever way.
func (n *Notifier) Ack(id string, seqs []uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.sessions[id]
	if s == nil {
		return
	}
	if s.last != nil {
		s.last.ahead(seqs, s.seen)
		s.last.waiting = slices.DeleteFunc(s.last.waiting, func(w waiting) bool { return slices.Contains(seqs, w.event.Seq) })
	}
	if s.caller != nil {
		s.caller.acked(seqs)
	}
}

// ahead notes acknowledgements of events that another node has told and this
// one has not seen.
func (l *lastResort) ahead(seqs []uint64, seen uint64) {
	for _, seq := range seqs {
		if seq > seen && len(l.early) < MaxPending {
			l.early = append(l.early, seq)
		}
	}
}

func (l *lastResort) add(e fax.Event, now time.Time) {
	early := slices.Contains(l.early, e.Seq)
	l.early = slices.DeleteFunc(l.early, func(seq uint64) bool { return seq <= e.Seq })
	if early {
		return
	}
	if len(l.waiting) >= MaxPending {
		l.waiting = slices.Delete(l.waiting, 0, 1) // the client sees the gap and asks
	}
	l.waiting = append(l.waiting, waiting{e, now})
}

// due takes out what has waited long enough, and says when more will have.
func (l *lastResort) due(now time.Time, callable bool) (events []fax.Event, next time.Duration) {
	patience := Patience
	if !callable {
		patience = 0
	}
	next = idle
	for i, w := range l.waiting {
		if wait := w.since.Add(patience).Sub(now); wait > 0 {
			l.waiting = slices.Clone(l.waiting[i:])
			return events, wait
		}
		events = append(events, w.event)
	}
	l.waiting = nil
	return events, next
}

func (n *Notifier) push(p push) {
	log := n.cfg.Log.With("account", p.account, "session", p.session, "via", "own connection")
	if err := p.last.send(p.events); err != nil {
		log.Warn("the client could not be told over its own connection; it will ask when it is back", "events", len(p.events), "err", err)
		return
	}
	for _, e := range p.events {
		log.Info("notified", "event", string(e.Kind), "fax", e.Fax, "seq", e.Seq, "handled_by", e.Node)
	}
}
