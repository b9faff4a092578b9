//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Those who want the same things at once.
const (
	rivalCount  = 3
	rivalNames  = 4
	rivalJobs   = 16
	mostOpen    = 4   // requests for a thing whose outcome is not known: each doubles the work of the check
	rivalPause  = 150 // ms, at most
	checkWithin = 2 * time.Minute
)

// wish is what a rival asks for: that an account is there, or is not, or that a
// job has a state.
type wish struct {
	What string `json:"what"` // "account NAME" or "job ID"
	Want string `json:"want"`
}

// The states that wishes lead to, and the answers.
const (
	there = "there"
	gone  = "gone"

	granted = "granted"
	denied  = "denied"  // the thing has another state already
	unknown = "unknown" // granted, or denied, or still to come
)

// asked is a wish with its answer.
type asked struct {
	Rival  int           `json:"rival"`
	Wish   wish          `json:"wish"`
	Answer string        `json:"answer"`
	From   time.Duration `json:"from"`
	To     time.Duration `json:"to"`
	Error  string        `json:"error,omitempty"`
}

// rivals compete for accounts and jobs, and note every answer.
type rivals struct {
	history *history
	jobs    []string

	mu    sync.Mutex
	asked []asked
	open  map[string]int // by account and job: requests whose outcome is not known
	worn  int            // accounts that are not asked for any more
}

// begin makes the jobs and lets the rivals work until ctx ends.
func (r *rivals) begin(ctx context.Context, w *workload) error {
	admin, err := login(ctx, w.cluster.addrs(), adminName, adminPassword)
	if err != nil {
		return err
	}
	defer admin.Close()
	for range rivalJobs {
		id := clientlib.NewID()
		order := fax.Order{ID: id, Number: "0999", Title: "a.txt", NotBefore: fax.At(time.Now().Add(24 * time.Hour))}
		if _, err := admin.Submit(ctx, order, bytes.NewReader([]byte("a\n")), 2, nil); err != nil {
			return fmt.Errorf("submit what rivals compete for: %w", err)
		}
		r.jobs = append(r.jobs, id)
	}
	for i := range rivalCount {
		chance := rand.New(rand.NewPCG(w.seed, 200+uint64(i)))
		w.done.Go(func() { r.rival(ctx, i, w.person(i, adminName, adminPassword), chance) })
	}
	return nil
}

func (r *rivals) rival(ctx context.Context, number int, p *person, chance *rand.Rand) {
	defer p.leave()
	for pause(ctx, time.Duration(1+chance.IntN(rivalPause))*time.Millisecond) {
		asking, cancel := context.WithTimeout(ctx, askTime)
		c, err := p.at(asking)
		if err == nil {
			r.ask(asking, number, c, r.pick(chance))
		}
		cancel()
	}
}

// pick is a wish by chance, for a thing of which enough is known.
func (r *rivals) pick(chance *rand.Rand) wish {
	r.mu.Lock()
	defer r.mu.Unlock()
	var near []string
	for _, job := range r.jobs {
		if len(near) < rivalNames && r.open["job "+job] < mostOpen {
			near = append(near, job)
		}
	}
	if len(near) == 0 || chance.IntN(2) == 0 {
		return wish{fmt.Sprintf("account rival%d", r.worn+chance.IntN(rivalNames)), []string{there, gone}[chance.IntN(2)]}
	}
	states := []fax.State{fax.Held, fax.Queued}
	if chance.IntN(60) == 0 {
		states = []fax.State{fax.Cancelled}
	}
	return wish{"job " + near[chance.IntN(len(near))], string(states[chance.IntN(len(states))])}
}

// noteLocked keeps an answer.
func (r *rivals) noteLocked(a asked) {
	r.asked = append(r.asked, a)
	if a.Answer != unknown {
		return
	}
	if r.open == nil {
		r.open = map[string]int{}
	}
	if r.open[a.Wish.What]++; strings.HasPrefix(a.Wish.What, "account ") && r.open[a.Wish.What] == mostOpen {
		r.worn += rivalNames
	}
}

// ask makes one request, once: the library repeats none of these.
func (r *rivals) ask(ctx context.Context, number int, c *clientlib.Client, w wish) {
	a := asked{Rival: number, Wish: w, From: r.history.now()}
	var err error
	switch kind, name := split(w.What); {
	case kind == "job":
		_, err = c.Direct(ctx, name, fax.State(w.Want))
	case w.Want == there:
		err = c.AddAccount(ctx, name, clerkPassword, fax.Individual)
	default:
		err = c.DropAccount(ctx, name)
	}
	a.To = r.history.now()
	a.Answer = answerOf(err)
	if err != nil {
		a.Error = err.Error()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.noteLocked(a)
}

// answerOf says what an error leaves open.
func answerOf(err error) string {
	switch kind := fax.KindOf(err); {
	case err == nil:
		return granted
	case kind == fax.Exists, kind == fax.NotFound, kind == fax.Conflict:
		return denied
	}
	return unknown
}

func split(what string) (kind, name string) {
	for i := range what {
		if what[i] == ' ' {
			return what[:i], what[i+1:]
		}
	}
	return what, ""
}

// register is one account or job, as one machine alone would have it.
var register = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		parts := map[string][]porcupine.Operation{}
		for _, op := range history {
			what := op.Input.(wish).What
			parts[what] = append(parts[what], op)
		}
		var all [][]porcupine.Operation
		for _, part := range parts {
			all = append(all, part)
		}
		return all
	},
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		w := input.(wish)
		next, ok := w.after(state.(string))
		return output == unknown || (output == granted) == ok, next
	},
	Equal: func(a, b any) bool { return a == b },
	DescribeOperation: func(input, output any) string {
		w := input.(wish)
		return fmt.Sprintf("%s: %s -> %s", w.What, w.Want, output)
	},
}

// after is what becomes of the thing, and whether the wish is granted. A thing
// that nothing was done to yet is an account that is not there, a queued job.
func (w wish) after(state string) (string, bool) {
	if kind, _ := split(w.What); kind == "account" {
		if state == "" {
			state = gone
		}
		return w.Want, state != w.Want
	}
	if state == string(fax.Cancelled) && w.Want != state {
		return state, false
	}
	return w.Want, true
}

// linearizable checks the answers. A request whose outcome is not known may
// take effect at any time behind its beginning, or never.
func linearizable(all []asked) (porcupine.CheckResult, porcupine.LinearizationInfo) {
	end := int64(1)
	for _, a := range all {
		end = max(end, int64(a.To)+1)
	}
	var ops []porcupine.Operation
	for _, a := range all {
		op := porcupine.Operation{ClientId: a.Rival, Input: a.Wish, Call: int64(a.From), Output: a.Answer, Return: int64(a.To)}
		if a.Answer == unknown {
			op.Return = end
		}
		ops = append(ops, op)
	}
	return porcupine.CheckOperationsVerbose(register, ops, checkWithin)
}
