package desk

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

// Limits of logging out.
const (
	LogoutWait    = 2 * time.Second // a client waits no longer for the other nodes to know
	MaxDepartures = 10_000          // sessions ended here of which the ledger has not heard
	departFirst   = 200 * time.Millisecond
	departMost    = 30 * time.Second
)

// departures are the sessions that were ended at this node and of which the
// ledger has not heard yet. Here they are over at once; on an island the ledger
// is told when there is a majority again, if the process lives to see it.
type departures struct {
	propose func(context.Context, ledger.Command) (ledger.Result, error)
	log     *slog.Logger
	ctx     context.Context
	cancel  context.CancelFunc
	done    sync.WaitGroup
	bell    chan struct{} // rung when there is one more, or to close

	mu      sync.Mutex
	waiting map[string]departure // by session
	closing bool
}

type departure struct {
	command ledger.EndSession
	told    chan struct{} // closed when the ledger knows
}

func openDepartures(propose func(context.Context, ledger.Command) (ledger.Result, error), log *slog.Logger) *departures {
	p := &departures{propose: propose, log: log, bell: make(chan struct{}, 1), waiting: make(map[string]departure)}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.done.Go(p.run)
	return p
}

// add ends a session. Told is closed when every node can know; ok is false if
// too many wait already.
func (p *departures) add(c ledger.EndSession) (told <-chan struct{}, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d, known := p.waiting[c.ID]; known {
		return d.told, true
	}
	if len(p.waiting) >= MaxDepartures || p.closing {
		return nil, false
	}
	d := departure{c, make(chan struct{})}
	p.waiting[c.ID] = d
	p.ring()
	return d.told, true
}

func (p *departures) has(session string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, has := p.waiting[session]
	return has
}

func (p *departures) ring() {
	select {
	case p.bell <- struct{}{}:
	default:
	}
}

func (p *departures) run() {
	for pause := departFirst; ; {
		if p.tellAll() {
			pause = departFirst
			if p.ended() {
				return
			}
			select {
			case <-p.bell:
			case <-p.ctx.Done():
			}
			continue
		}
		select { // what comes meanwhile would fare no better
		case <-time.After(pause):
		case <-p.ctx.Done():
			return
		}
		pause = min(2*pause, departMost)
	}
}

// ended reports whether there is nothing left to do, ever.
func (p *departures) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ctx.Err() != nil || p.closing && len(p.waiting) == 0
}

// tellAll tells the ledger of those that wait, the oldest first, and reports
// whether it has heard of all.
func (p *departures) tellAll() bool {
	p.mu.Lock()
	list := slices.SortedFunc(maps.Values(p.waiting), func(a, b departure) int { return cmp.Compare(a.command.At, b.command.At) })
	p.mu.Unlock()
	for _, d := range list {
		if _, err := p.propose(p.ctx, d.command); err != nil && d.command.Expires > now() {
			p.log.Warn("a logout is known to this node alone; it is told again", "account", d.command.Account, "session", d.command.ID, "err", err)
			return false
		}
		p.mu.Lock()
		delete(p.waiting, d.command.ID)
		p.mu.Unlock()
		close(d.told)
	}
	return true
}

func (p *departures) close() {
	p.mu.Lock()
	p.closing = true
	p.mu.Unlock()
	p.ring()
	grace := time.AfterFunc(closeGrace, p.cancel)
	p.done.Wait()
	grace.Stop()
	p.cancel()
}

// Logout ends a session on purpose and for good: its tokens are void, at once
// at this node, at the others as soon as their ledger knows.
func (d *Desk) Logout(ctx context.Context, s fax.Session) error {
	a, err := d.who(s, 0)
	if err != nil {
		return err
	}
	at := time.Now()
	told, ok := d.departures.add(ledger.EndSession{ID: s.ID, Account: a.Name, Expires: fax.At(at.Add(endedLife)), Node: d.cfg.Node, At: fax.At(at)})
	if !ok {
		return fax.Errorf(fax.Busy, "too many sessions have ended while the majority of the servers cannot be reached; log out later")
	}
	d.here.forget(s.ID)
	d.uploads.drop(s.ID)
	d.cfg.Cluster.DropSession(s.ID)
	d.cfg.Log.Info("logged out", "account", a.Name, "session", s.ID)
	limit := time.NewTimer(LogoutWait)
	defer limit.Stop()
	select {
	case <-told:
	case <-limit.C:
	case <-ctx.Done():
	}
	return nil
}

// over reports whether a session has been ended, as far as this node knows.
func (d *Desk) over(session string) (bool, error) {
	if d.departures.has(session) {
		return true, nil
	}
	return d.cfg.Ledger.SessionEnded(session)
}
