package dispatch

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/node/queue"
)

// call is an attempt of this node, until the ledger knows how it ended.
type call struct {
	job     fax.Job // as it was when the attempt was seen
	attempt int
	node    string
	cancel  context.CancelCauseFunc // nil once there is nothing to cancel
	end     ledger.Finish
	bell    chan struct{} // rung when there is news for the ledger

	mu      sync.Mutex
	state   fax.State
	pages   int // confirmed, of the whole document
	details string
}

func newCall(j fax.Job, attempt int, node string) *call {
	return &call{job: j, attempt: attempt, node: node, bell: make(chan struct{}, 1),
		state: fax.Dialing, pages: j.Confirmed}
}

func (c *call) confirmed() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pages
}

// look is the node's round: new attempts are begun, those that somebody has
// cancelled are ended.
func (d *Dispatch) look(ctx context.Context, now fax.Millis) time.Duration {
	d.mu.Lock()
	settled := d.settled
	d.mu.Unlock()
	jobs, err := d.cfg.Cluster.Running()
	if err != nil {
		d.cfg.Log.Error("the ledger cannot be read; no calls are made", "err", err)
		return retryMost
	}
	seen := make(map[string]bool)
	for i := range jobs {
		j := &jobs[i]
		if !j.State.Running() || j.Last == nil || j.Last.Node != d.cfg.Node {
			continue
		}
		seen[j.ID] = true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.silence.See(time.Since(d.opened), jobs)
	if d.settled != settled {
		return 0 // what was read may show an attempt that has been settled since
	}
	for i := range jobs {
		if seen[jobs[i].ID] {
			d.mindLocked(ctx, &jobs[i], now)
		}
	}
	for id, c := range d.calls {
		if !seen[id] && c.cancel != nil {
			c.cancel(errTaken) // the ledger was read after c was begun, and does not have it
		}
	}
	return idle
}

// mindLocked sees to one attempt that the ledger says is ours.
func (d *Dispatch) mindLocked(ctx context.Context, j *fax.Job, now fax.Millis) {
	switch c := d.calls[j.ID]; {
	case c == nil:
		d.beginLocked(ctx, j, now)
	case c.cancel == nil: // has ended; the ledger is being told
	case c.attempt != j.Last.Number:
		c.cancel(errTaken)
	case j.Reason != "": // a person's order, noted on the running job
		c.cancel(errCancelled)
	}
}

func (d *Dispatch) beginLocked(ctx context.Context, j *fax.Job, now fax.Millis) {
	c := newCall(*j, j.Last.Number, d.cfg.Node)
	d.calls[j.ID] = c
	if j.State != fax.Assigned {
		// Ours, under way, and the journal does not know it: the node died just
		// before dialling, or has lost its journal.
		c.end = unseen(j.ID, c.attempt, c.node, j.Confirmed, j.Fax.Pages, d.cfg.Policy, now)
		d.done.Go(func() { d.tellEnd(c) })
		return
	}
	calling, cancel := context.WithCancelCause(ctx)
	c.cancel = cancel
	if j.Reason != "" {
		cancel(errCancelled)
	}
	d.done.Go(func() {
		end := d.attempt(calling, c)
		d.mu.Lock()
		c.end, c.cancel = end, nil
		d.mu.Unlock()
		cancel(nil)
		d.tellEnd(c)
	})
}

// attempt makes the call and returns how it ended, which is in the journal
// then if the call was dialled.
func (d *Dispatch) attempt(ctx context.Context, c *call) ledger.Finish {
	log := d.cfg.Log.With("job", c.job.ID, "attempt", c.attempt, "line", c.job.Last.Line, "number", c.job.Number)
	fail := func(why string, err error) ledger.Finish {
		log.Warn("not dialled", "why", why, "err", err)
		f := c.notDialled(why, d.cfg.Policy, fax.At(time.Now()))
		if context.Cause(ctx) == errCancelled {
			f.State = fax.Cancelled
		}
		return f
	}
	// The lease as the leader's clock has it says nothing here: clocks differ.
	fetching, cancel := context.WithTimeout(ctx, queue.Lease)
	defer cancel()
	doc, err := d.cfg.Document(fetching, c.job.Fax)
	if err != nil {
		return fail("Node "+c.node+" could not open the document.", err)
	}
	defer doc.Close()
	if doc.Len() != c.job.Fax.Pages {
		return fail("The document does not have the pages it should have.", fmt.Errorf("%d pages, want %d", doc.Len(), c.job.Fax.Pages))
	}
	// The lease is renewed before dialling: that the majority agrees to it
	// says that the attempt is still ours.
	asked := time.Now()
	err = d.renew(fetching, c)
	if err != nil {
		return fail("Node "+c.node+" could not renew its lease before dialling.", err)
	}
	if err := d.note(c.record()); err != nil {
		return fail("Node "+c.node+" could not write its journal.", err)
	}
	if time.Since(asked) >= queue.Lease || ctx.Err() != nil {
		f := fail("The lease of node "+c.node+" ran out before dialling.", ctx.Err())
		d.noteEnd(c, f)
		return f
	}
	rep, cause := d.dial(ctx, c, doc)
	f := c.ending(rep, cause, d.cfg.Policy, fax.At(time.Now()))
	d.noteEnd(c, f)
	if err := d.remote.learn(fax.Digits(c.job.Number), rep.Known, f.At); err != nil {
		log.Warn("what the call has taught is not on disk", "err", err)
	}
	log.Info("call ended", "status", rep.Status.String(), "state", string(f.State), "confirmed", f.Confirmed,
		"pages", c.job.Fax.Pages, "remote", f.Remote, "details", f.Details, "advice", rep.Known.Advise(time.Now()).String(), "err", rep.Err)
	return f
}

func (d *Dispatch) noteEnd(c *call, f ledger.Finish) {
	r := c.record()
	r.Finish = &f
	if err := d.note(r); err != nil {
		d.cfg.Log.Error("the end of the call is not in the journal; a crash now would repeat unconfirmed pages", "job", c.job.ID, "err", err)
	}
}

func (c *call) record() record {
	return record{Job: c.job.ID, Attempt: c.attempt, Pages: c.job.Fax.Pages, Confirmed: c.confirmed()}
}

// dial makes the call while tell keeps the ledger informed. cause is why the
// call was ended from here.
func (d *Dispatch) dial(ctx context.Context, c *call, doc Document) (rep modem.Report, cause error) {
	longest := queue.LongestCall(doc.Len() - c.confirmed())
	calling, cancel := context.WithTimeoutCause(ctx, longest, errTooLong)
	defer cancel()
	telling, hush := context.WithCancel(d.settle)
	var told sync.WaitGroup
	told.Go(func() { d.tell(telling, c) })
	number := fax.Digits(c.job.Number)
	rep = d.cfg.Dial(calling, c.job.Last.Line, c.job.ID, modem.Outgoing{
		Number: number,
		Pages:  doc,
		First:  c.confirmed(),
		Confirmed: func(page int) error {
			return d.confirm(c, page)
		},
		Stage: func(s modem.Stage) { d.stage(c, s) },
		Known: d.remote.of(number),
	})
	cause = context.Cause(calling)
	hush()
	told.Wait()
	return rep, cause
}

// confirm makes a confirmed page durable here, before the call goes on.
func (d *Dispatch) confirm(c *call, page int) error {
	r := c.record()
	r.Confirmed = max(r.Confirmed, page+1)
	if err := d.note(r); err != nil {
		return err
	}
	c.mu.Lock()
	c.pages, c.state = r.Confirmed, fax.Sending
	c.mu.Unlock()
	d.cfg.Log.Info("page confirmed", "job", c.job.ID, "line", c.job.Last.Line, "page", page+1, "pages", c.job.Fax.Pages)
	c.ring()
	return nil
}

func (d *Dispatch) stage(c *call, s modem.Stage) {
	c.mu.Lock()
	if s.Name == "page" || s.Name == "training" {
		c.state = fax.Sending
	}
	if s.Detail != "" {
		c.details = s.Detail
	}
	c.mu.Unlock()
	d.cfg.Log.Debug("stage", "job", c.job.ID, "stage", s.Name, "page", s.Page+1, "detail", s.Detail)
	c.ring()
}

func (c *call) ring() {
	select {
	case c.bell <- struct{}{}:
	default:
	}
}

// tell proposes where the call stands, in order, and renews the lease. News
// that come while a proposal is under way are told together.
func (d *Dispatch) tell(ctx context.Context, c *call) {
	pause := retryFirst
	for {
		timer := time.NewTimer(queue.Renew)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-c.bell:
		case <-timer.C:
		}
		timer.Stop()
		err := d.renew(ctx, c)
		switch {
		case err == nil:
			pause = retryFirst
		case ctx.Err() != nil:
			return
		case refused(err):
			d.cfg.Log.Warn("the cluster has taken the attempt away; the call is ended", "job", c.job.ID, "err", err)
			d.drop(c)
			return
		default: // the call goes on without the majority, up to its longest time
			d.cfg.Log.Warn("the cluster cannot be told how the call goes; it goes on", "job", c.job.ID, "err", err)
			if !sleep(ctx, pause) {
				return
			}
			pause = min(2*pause, retryMost)
			c.ring()
		}
	}
}

func (d *Dispatch) drop(c *call) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c.cancel != nil {
		c.cancel(errTaken)
	}
}

// renew proposes the call's progress with a new lease.
func (d *Dispatch) renew(ctx context.Context, c *call) error {
	c.mu.Lock()
	p := ledger.Progress{Job: c.job.ID, Attempt: c.attempt, Node: c.node, State: c.state,
		Confirmed: c.pages, Details: c.details}
	c.mu.Unlock()
	p.At = fax.At(time.Now())
	p.Until = p.At + fax.Millis(queue.Lease.Milliseconds())
	r, err := d.propose(ctx, p)
	if err != nil {
		return err
	}
	if r.Job != nil && r.Job.State.Running() && r.Job.Reason != "" {
		d.mu.Lock()
		defer d.mu.Unlock()
		if c.cancel != nil {
			c.cancel(errCancelled)
		}
	}
	return nil
}

// tellEnd proposes the end of the call until the ledger has heard it, then
// forgets the call.
func (d *Dispatch) tellEnd(c *call) {
	log := d.cfg.Log.With("job", c.job.ID, "attempt", c.attempt)
	for pause := retryFirst; ; pause = min(2*pause, retryMost) {
		_, err := d.propose(d.settle, c.end)
		if refused(err) {
			log.Warn("the cluster does not take the end of the attempt; it has gone on without it", "err", err)
			err = nil
		}
		if err == nil {
			break
		}
		if !sleep(d.settle, pause) {
			log.Warn("the cluster has not heard how the call ended; it is told at the next start", "err", err)
			return
		}
	}
	r := c.record()
	r.Settled = true
	if err := d.note(r); err != nil {
		log.Error("the journal does not know that the attempt is settled", "err", err)
	}
	d.mu.Lock()
	delete(d.calls, c.job.ID)
	d.settled++
	due := len(d.calls) == 0 || d.settled%compactEvery == 0
	d.mu.Unlock()
	if due {
		d.forget()
	}
}

// sleep reports false when ctx was done first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
