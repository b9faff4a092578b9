package dispatch

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/node/queue"
)

// Waits of the leader for nodes that may be dead, each before gossip knows.
const (
	answerWait = time.Second     // for an answer
	deafFor    = 5 * time.Second // a node that gave none gets no work, then it is asked again
)

// deaf is until when nodes that did not answer get no work, as elapsed.
type deaf map[string]time.Duration

// hearing drops the lines of deaf nodes.
func (x deaf) hearing(elapsed time.Duration, all []fax.LineState) []fax.LineState {
	return slices.DeleteFunc(slices.Clone(all), func(l fax.LineState) bool { return elapsed < x[l.Node] })
}

// next is how long to wait until a node gets work again; false if all do.
func (x deaf) next(elapsed time.Duration) (wait time.Duration, ok bool) {
	for _, until := range x {
		if left := until - elapsed; left > 0 && (!ok || left < wait) {
			wait, ok = left, true
		}
	}
	return wait, ok
}

// takeUnbegun takes back the attempts that were not begun by nodes that do not
// answer, and returns when to look again.
func (d *Dispatch) takeUnbegun(ctx context.Context, running []fax.Job) time.Duration {
	d.mu.Lock()
	quiet, wait, ok := d.silence.Quiet(time.Since(d.opened), running)
	d.mu.Unlock()
	if !ok {
		wait = idle
	}
	var nodes []string
	for _, j := range quiet {
		if time.Since(d.opened) >= d.led.deaf[j.Last.Node] {
			nodes = append(nodes, j.Last.Node)
		}
	}
	slices.Sort(nodes)
	d.ask(ctx, slices.Compact(nodes))
	for _, j := range quiet {
		if time.Since(d.opened) < d.led.deaf[j.Last.Node] {
			d.takeBack(ctx, j, "Node "+j.Last.Node+" did not answer before it had dialled; another one dials.")
		} else {
			wait = min(wait, deafFor) // it is at it, or asked again
		}
	}
	if next, ok := d.led.deaf.next(time.Since(d.opened)); ok {
		wait = min(wait, next)
	}
	return wait
}

// ask notes which of these nodes answer.
func (d *Dispatch) ask(ctx context.Context, nodes []string) {
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	answers := make([]bool, len(nodes))
	var asking sync.WaitGroup
	for i, node := range nodes {
		asking.Go(func() { answers[i] = d.cfg.Cluster.Answers(ctx, node) })
	}
	asking.Wait()
	for i, node := range nodes {
		delete(d.led.deaf, node)
		if !answers[i] {
			d.led.deaf[node] = time.Since(d.opened) + deafFor
		}
	}
}

// takeBack gives the job of an attempt that is not dialled back to the queue.
// The ledger refuses it if the node has begun meanwhile.
func (d *Dispatch) takeBack(ctx context.Context, j *fax.Job, why string) {
	log := d.cfg.Log.With("job", j.ID, "attempt", j.Last.Number, "of", j.Last.Node)
	c := ledger.TakeBack{Job: j.ID, Attempt: j.Last.Number, Node: j.Last.Node, State: fax.Queued,
		Status: int(status.Aborted), Reason: why, By: d.cfg.Node, At: fax.At(time.Now())}
	if c.Attempt >= queue.MaxLocalTries {
		c.State, c.Reason = fax.Undone, fmt.Sprintf("Nodes did not answer before they had dialled, %d times.", c.Attempt)
	}
	switch _, err := d.propose(ctx, c); {
	case refused(err):
		log.Info("not taken back", "err", err)
	case err != nil:
		log.Warn("an attempt could not be taken back; it is tried again", "err", err)
	default:
		log.Warn("took back an attempt that was not dialled", "why", why)
	}
}
