package dispatch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/node/lines"
	"github.com/faxmesh/faxmesh/node/queue"
)

// sweep is how far the leader has come through a queue that is too long for one
// round. Each round begins with the oldest jobs, then goes on where the last
// one stopped: jobs that cannot be sent now hold up nobody behind them.
type sweep struct {
	at  ledger.Place
	due fax.Millis // earliest time at which a job seen in it can be tried, 0 for none
}

// leading is what the leader has seen since it leads.
type leading struct {
	since  time.Time // zero: it does not lead
	sweep  sweep
	absent queue.Absent
	ahead  queue.Ahead
	deaf   deaf
}

func begin() leading { return leading{absent: queue.Absent{}, ahead: queue.Ahead{}, deaf: deaf{}} }

// lead is the leader's round: lost attempts are reclaimed, free lines leased.
func (d *Dispatch) lead(ctx context.Context, now fax.Millis) time.Duration {
	alone := d.cfg.Cluster.Alone()
	if !alone && !d.cfg.Cluster.IsLeader() {
		d.led = begin()
		return idle
	}
	if d.led.since.IsZero() {
		d.led.since = time.Now()
	}
	running, err := d.cfg.Cluster.Running()
	if err != nil {
		d.cfg.Log.Error("the calls under way cannot be read; jobs wait", "err", err)
		return retryMost
	}
	if alone { // of the others nothing can be heard, and nothing is decided about them
		running = slices.DeleteFunc(running, func(j fax.Job) bool { return j.Last == nil || j.Last.Node != d.cfg.Node })
	}
	wait := idle
	if !alone {
		wait = min(d.reclaimLost(ctx, running, now), d.takeUnbegun(ctx, running))
	}
	var free []queue.Line
	all := d.cfg.Cluster.Lines()
	for _, l := range d.led.deaf.hearing(time.Since(d.opened), all) {
		if l.State == lines.Free {
			free = append(free, queue.Line{Node: l.Node, Name: l.Name})
		}
	}
	rules, err := d.cfg.Cluster.DialRules()
	if err != nil {
		d.cfg.Log.Error("the dial rules cannot be read; jobs wait", "err", err)
		return retryMost
	}
	d.led.absent.See(now, rules, all)
	plan := queue.NewPlan(now, running, free).Without(d.led.absent).With(d.led.ahead, time.Since(d.opened))
	if alone {
		plan.Alone(d.cfg.Node)
	}
	whole, err := d.assign(ctx, now, plan)
	switch {
	case err != nil:
		d.cfg.Log.Warn("jobs could not be assigned; it is tried again", "err", err)
		return retryFirst
	case !whole:
		return 0
	}
	due := d.led.sweep.due
	d.led.sweep = sweep{}
	if due == 0 {
		return wait
	}
	return min(time.Until(due.Time())+time.Millisecond, wait)
}

// reclaimLost ends the attempts of which nothing can be heard any more, and
// returns when to look again.
func (d *Dispatch) reclaimLost(ctx context.Context, running []fax.Job, now fax.Millis) time.Duration {
	if led := time.Since(d.led.since); led < settleIn {
		return settleIn - led
	}
	elapsed := time.Since(d.opened)
	d.mu.Lock()
	var lost []*fax.Job
	for i := range running {
		if running[i].Alone == "" && d.silence.Lost(elapsed, &running[i]) {
			lost = append(lost, &running[i])
		}
	}
	wait, ok := d.silence.Next(elapsed, running)
	d.mu.Unlock()
	for _, j := range lost {
		if j.State == fax.Assigned {
			d.takeBack(ctx, j, "Node "+j.Last.Node+" did not dial under its lease; the job is assigned anew.")
		} else {
			d.reclaim(ctx, j, now)
		}
	}
	if !ok {
		return idle
	}
	return min(wait+time.Millisecond, idle)
}

// assign leases free lines to waiting jobs. It reports whether the sweep has
// come to its end: there are no more jobs, or no more lines.
func (d *Dispatch) assign(ctx context.Context, now fax.Millis, plan *queue.Plan) (whole bool, err error) {
	var after ledger.Place
	for n := range queuePages {
		if n == 1 && after.Before(d.led.sweep.at) {
			after = d.led.sweep.at
		}
		jobs, err := d.cfg.Cluster.Waiting(after, queuePage)
		if err != nil {
			return false, fmt.Errorf("read the queue: %w", err)
		}
		// Read behind the jobs: they are no older than any of these.
		rules, err := d.cfg.Cluster.DialRules()
		if err != nil {
			return false, fmt.Errorf("read the dial rules: %w", err)
		}
		d.led.sweep.see(now, jobs)
		d.led.ahead.See(now, time.Since(d.opened), jobs)
		for _, a := range plan.Assign(jobs, rules) {
			if err := d.lease(ctx, a); err != nil {
				return false, err
			}
		}
		if len(jobs) < queuePage || plan.Full() {
			return true, nil
		}
		after = ledger.PlaceOf(jobs[len(jobs)-1])
	}
	d.led.sweep.at = after
	return false, nil
}

// see notes when these jobs are due.
func (s *sweep) see(now fax.Millis, jobs []fax.Job) {
	if at, ok := queue.Next(now, jobs); ok && (s.due == 0 || at < s.due) {
		s.due = at
	}
}

// lease proposes an assignment. That it is refused is no error.
func (d *Dispatch) lease(ctx context.Context, a queue.Assignment) error {
	log := d.cfg.Log.With("job", a.Job, "attempt", a.Attempt, "to", a.Node, "line", a.Name)
	at := fax.At(time.Now())
	_, err := d.propose(ctx, ledger.Assign{Job: a.Job, Attempt: a.Attempt, Node: a.Node, Line: a.Name,
		At: at, Until: at + fax.Millis(queue.Lease.Milliseconds()), Note: a.Note})
	switch {
	case refused(err): // somebody was faster: a cancel, a new leader
		log.Info("not assigned", "err", err)
	case err != nil:
		return fmt.Errorf("assign job %s to line %s of %s: %w", a.Job, a.Name, a.Node, err)
	default:
		log.Info("assigned")
	}
	return nil
}

// reclaim ends an attempt of which nothing can be heard any more.
func (d *Dispatch) reclaim(ctx context.Context, j *fax.Job, now fax.Millis) {
	f := unseen(j.ID, j.Last.Number, j.Last.Node, j.Confirmed, j.Fax.Pages, d.cfg.Policy, now)
	f.Lost = true
	if _, err := d.propose(ctx, f); err != nil {
		d.cfg.Log.Warn("a lost attempt could not be reclaimed; it is tried again", "job", j.ID, "err", err)
		return
	}
	d.cfg.Log.Warn("reclaimed an attempt whose node has said nothing", "job", j.ID, "attempt", f.Attempt, "node", f.Node)
}
