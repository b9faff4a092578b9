// Package dispatch turns queued jobs into calls, never two at once for a job.
//
// It has two sides, both running on every node. The leader's side asks package
// queue what to send where, and proposes leases. The node's side sees the
// attempts that the ledger leases to this node, makes the calls, and says how
// they went.
//
// What a call has achieved is in the node's journal before anyone is told: that
// a call begins, each page confirmed, how the call ended. The call waits for
// that one local write and for nothing else; the ledger hears of it behind the
// call's back. A restarted node reads the journal, and ends in the ledger every
// attempt that the crash has interrupted, with the pages that were confirmed.
package dispatch

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/node/lines"
	"github.com/faxmesh/faxmesh/node/queue"
)

// Limits and waits.
const (
	ProposeTimeout = 10 * time.Second // one proposal
	CloseGrace     = 2 * time.Second  // Close waits so long for the ledger to hear how calls ended
	retryFirst     = 200 * time.Millisecond
	retryMost      = 15 * time.Second
	compactEvery   = 1000        // settled calls, after which the journal is compacted even if others run
	idle           = time.Minute // the queue is looked at so often although nothing rings
)

// Cluster is the state as dispatch sees it, and the way to change it.
type Cluster interface {
	Propose(ctx context.Context, c ledger.Command) (ledger.Result, error)
	IsLeader() bool
	// Pending is every job that has not ended.
	Pending() ([]fax.Job, error)
	DialRules() ([]fax.DialRule, error)
	// Lines is the lines of all nodes that are alive.
	Lines() []fax.LineState
}

// Journal is what this node knows before the ledger does: Append returns when
// the record is on disk. It may hold records of others.
type Journal interface {
	Append(record []byte) error
	Records() ([][]byte, error)
	Compact(keep func(record []byte) bool) error
}

// Document is the pages of a job, open.
type Document interface {
	modem.Pages
	io.Closer
}

// Config is what Open needs. All fields but Policy must be set.
type Config struct {
	Node    string
	Cluster Cluster
	Journal Journal
	// Changed returns a bell that rings when Cluster may answer differently,
	// and the way to take it down.
	Changed func() (bell <-chan struct{}, stop func())
	// Dial makes a call on a line of this node.
	Dial func(ctx context.Context, line, job string, out modem.Outgoing) modem.Report
	// Document opens a document, fetched from another node if need be.
	Document func(ctx context.Context, doc fax.Document) (Document, error)
	Policy   queue.Policy
	Log      *slog.Logger
}

// Why a call is ended from here.
var (
	errCancelled = errors.New("somebody has cancelled the job")
	errTaken     = errors.New("the attempt is not this node's any more")
	errClosing   = errors.New("the node is shutting down")
	errTooLong   = errors.New("the call took longer than a call may take")
)

// Dispatch is both sides, running.
type Dispatch struct {
	cfg    Config
	stop   context.CancelCauseFunc // ends the calls
	done   sync.WaitGroup
	settle context.Context // ends CloseGrace after the calls
	late   context.CancelFunc

	mu      sync.Mutex
	calls   map[string]*call // by job: under way, or ended and not yet known to the ledger
	settled int              // calls that the ledger knows the end of
}

// Open takes up what the journal says was interrupted, then begins to work.
func Open(cfg Config) (*Dispatch, error) {
	d := &Dispatch{cfg: cfg, calls: make(map[string]*call)}
	interrupted, err := d.recover()
	if err != nil {
		return nil, err
	}
	calling, stop := context.WithCancelCause(context.Background())
	d.stop = stop
	d.settle, d.late = context.WithCancel(context.Background())
	for _, c := range interrupted {
		d.calls[c.job.ID] = c
		d.done.Go(func() { d.tellEnd(c) })
	}
	d.done.Go(func() { d.loop(calling, d.look) })
	d.done.Go(func() { d.loop(calling, d.lead) })
	return d, nil
}

// Close ends the calls of this node. How they ended is in the journal, and in
// the ledger unless that takes longer than CloseGrace.
func (d *Dispatch) Close() {
	d.stop(errClosing)
	grace := time.AfterFunc(CloseGrace, d.late)
	d.done.Wait()
	grace.Stop()
	d.late()
}

// loop runs round whenever the cluster has changed, and at the time that round
// has returned, but never so often that it takes more than half of the time.
func (d *Dispatch) loop(ctx context.Context, round func(ctx context.Context, now fax.Millis) time.Duration) {
	bell, stop := d.cfg.Changed()
	defer stop()
	for {
		begun := time.Now()
		next := round(ctx, fax.At(begun))
		pause := time.NewTimer(time.Since(begun))
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-bell:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// lead is the leader's round: lost attempts are reclaimed, free lines leased.
func (d *Dispatch) lead(ctx context.Context, now fax.Millis) time.Duration {
	if !d.cfg.Cluster.IsLeader() {
		return idle
	}
	jobs, err := d.cfg.Cluster.Pending()
	if err != nil {
		d.cfg.Log.Error("the queue cannot be read; jobs wait", "err", err)
		return retryMost
	}
	rules, err := d.cfg.Cluster.DialRules()
	if err != nil {
		d.cfg.Log.Error("the dial rules cannot be read; jobs wait", "err", err)
		return retryMost
	}
	for i := range jobs {
		if queue.Lost(now, &jobs[i]) {
			d.reclaim(ctx, &jobs[i], now)
		}
	}
	var free []queue.Line
	for _, l := range d.cfg.Cluster.Lines() {
		if l.State == lines.Free {
			free = append(free, queue.Line{Node: l.Node, Name: l.Name})
		}
	}
	for _, a := range queue.Assign(now, jobs, free, rules) {
		at := fax.At(time.Now())
		_, err := d.propose(ctx, ledger.Assign{Job: a.Job, Attempt: a.Attempt, Node: a.Node, Line: a.Name,
			At: at, Until: at + fax.Millis(queue.Lease.Milliseconds())})
		switch {
		case refused(err): // somebody was faster: a cancel, a new leader
			d.cfg.Log.Info("not assigned", "job", a.Job, "attempt", a.Attempt, "err", err)
			continue
		case err != nil:
			d.cfg.Log.Warn("a job could not be assigned; it is tried again", "job", a.Job, "to", a.Node, "line", a.Name, "err", err)
			return retryFirst
		}
		d.cfg.Log.Info("assigned", "job", a.Job, "attempt", a.Attempt, "to", a.Node, "line", a.Name)
	}
	if at, ok := queue.Next(now, jobs); ok {
		return min(time.Until(at.Time())+time.Millisecond, idle)
	}
	return idle
}

// reclaim ends an attempt of which nothing can be heard any more.
func (d *Dispatch) reclaim(ctx context.Context, j *fax.Job, now fax.Millis) {
	f := unseen(j.ID, j.Last.Number, j.Last.Node, j.Confirmed, j.Fax.Pages, d.cfg.Policy, now)
	if _, err := d.propose(ctx, f); err != nil {
		d.cfg.Log.Warn("a lost attempt could not be reclaimed; it is tried again", "job", j.ID, "err", err)
		return
	}
	d.cfg.Log.Warn("reclaimed an attempt whose node has said nothing", "job", j.ID, "attempt", f.Attempt, "node", f.Node)
}

// propose waits a bounded time. An error of kind fax.Conflict and the like is
// the ledger's refusal; fax.Internal means that it is not known what became
// of the command.
func (d *Dispatch) propose(ctx context.Context, c ledger.Command) (ledger.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, ProposeTimeout)
	defer cancel()
	r, err := d.cfg.Cluster.Propose(ctx, c)
	if err != nil {
		return r, err
	}
	if r.Err != nil {
		return r, r.Err
	}
	return r, nil
}

// refused tells a refusal, which will not change, from a failure to reach the
// majority.
func refused(err error) bool {
	if err == nil {
		return false
	}
	switch fax.KindOf(err) {
	case fax.Conflict, fax.NotFound, fax.Invalid, fax.NotAllowed, fax.Exists, fax.TooLarge, fax.Unsupported:
		return true
	}
	return false
}
