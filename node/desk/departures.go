package desk

import (
	"context"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

// Limits of logging out.
const (
	LogoutWait    = 2 * time.Second // a client waits no longer for the other nodes to know
	MaxDepartures = 10_000          // sessions ended here of which the ledger has not heard
)

// departures are the sessions that were ended at this node and of which the
// ledger has not heard yet. Here they are over at once; the command that ends
// them everywhere is on this node's disk.
type departures struct {
	ended func(session string) (bool, error) // in the ledger

	mu      sync.Mutex
	waiting map[string]fax.Millis // by session: when its tokens expire
}

func newDepartures(ended func(string) (bool, error), kept []ledger.Command) *departures {
	p := &departures{ended: ended, waiting: make(map[string]fax.Millis)}
	for _, c := range kept {
		if e, ok := c.(ledger.EndSession); ok {
			p.waiting[e.ID] = e.Expires
		}
	}
	return p
}

// add ends a session here; it is false if too many wait already.
func (p *departures) add(session string, expires fax.Millis) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) >= MaxDepartures {
		p.sweepLocked()
	}
	if len(p.waiting) >= MaxDepartures {
		return false
	}
	p.waiting[session] = expires
	return true
}

// sweepLocked forgets what the ledger knows, and what matters no more.
func (p *departures) sweepLocked() {
	for id, expires := range p.waiting {
		if known, err := p.ended(id); err == nil && known || expires <= now() {
			delete(p.waiting, id)
		}
	}
}

func (p *departures) remove(session string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.waiting, session)
}

func (p *departures) has(session string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, has := p.waiting[session]
	return has
}

// Logout ends a session on purpose and for good: its tokens are void, at once
// at this node, at the others as soon as their ledger knows.
func (d *Desk) Logout(ctx context.Context, s fax.Session) error {
	a, err := d.who(s, 0)
	if err != nil {
		return err
	}
	at := time.Now()
	end := ledger.EndSession{ID: s.ID, Account: a.Name, Expires: fax.At(at.Add(endedLife)), Node: d.cfg.Node, At: fax.At(at)}
	if !d.departures.add(s.ID, end.Expires) {
		return fax.Errorf(fax.Busy, "too many sessions have ended while the majority of the servers cannot be reached; log out later")
	}
	if err := d.cfg.Cluster.Keep(end); err != nil {
		d.departures.remove(s.ID)
		return err
	}
	d.here.forget(s.ID)
	d.uploads.drop(s.ID)
	d.cfg.Cluster.DropSession(s.ID)
	d.cfg.Log.Info("logged out", "account", a.Name, "session", s.ID)
	d.awaitFor(ctx, LogoutWait, func() bool {
		known, err := d.cfg.Ledger.SessionEnded(s.ID)
		return known || err != nil
	})
	return nil
}

// over reports whether a session has been ended, as far as this node knows.
func (d *Desk) over(session string) (bool, error) {
	if d.departures.has(session) {
		return true, nil
	}
	return d.cfg.Ledger.SessionEnded(session)
}
