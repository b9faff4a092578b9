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
	queuePage      = 250         // waiting jobs read at once
	queuePages     = 8           // such pages in one round
	settleIn       = queue.Skew  // a leader may lack so long what was agreed before it led
)

// Cluster is the state as dispatch sees it, and the way to change it.
type Cluster interface {
	Propose(ctx context.Context, c ledger.Command) (ledger.Result, error)
	IsLeader() bool
	// Alone reports whether this node is cut off from the majority: then it
	// leads itself, in what it took alone.
	Alone() bool
	// Running is every job of which an attempt is under way.
	Running() ([]fax.Job, error)
	// Waiting is the queued jobs behind a place, the oldest first.
	Waiting(after ledger.Place, limit int) ([]fax.Job, error)
	DialRules() ([]fax.DialRule, error)
	// Lines is the lines of all nodes that are alive.
	Lines() []fax.LineState
	// Answers reports whether a node can be reached before ctx ends.
	Answers(ctx context.Context, node string) bool
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
	// Stations is the file of what this node learns of the stations it calls.
	Stations string
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
	remote *stations
	stop   context.CancelCauseFunc // ends the calls
	done   sync.WaitGroup
	settle context.Context // ends CloseGrace after the calls
	late   context.CancelFunc
	led    leading // the leader's, of its loop alone
	opened time.Time

	mu      sync.Mutex
	silence queue.Silence    // of all calls in the cluster, on every node: it may lead next
	calls   map[string]*call // by job: under way, or ended and not yet known to the ledger
	settled int              // calls that the ledger knows the end of
}

// Open takes up what the journal says was interrupted, then begins to work.
func Open(cfg Config) (*Dispatch, error) {
	d := &Dispatch{cfg: cfg, opened: time.Now(), calls: make(map[string]*call), led: begin(), silence: queue.Silence{}}
	interrupted, err := d.recover()
	if err != nil {
		return nil, err
	}
	if d.remote, err = openStations(cfg.Stations); err != nil {
		cfg.Log.Warn("what earlier calls have taught cannot be read; it is learnt again", "err", err)
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
