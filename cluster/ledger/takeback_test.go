package ledger

import (
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// An attempt is taken back while it is assigned and by no means later; whichever
// of taking back and dialling comes first keeps the other out.
func TestTakeBack(t *testing.T) {
	assign := Assign{Job: "j", Attempt: 1, Node: "north", Line: "l", At: 10, Until: 20}
	dialing := Progress{Job: "j", Attempt: 1, Node: "north", State: fax.Dialing, At: 11, Until: 21}
	back := TakeBack{Job: "j", Attempt: 1, Node: "north", State: fax.Queued, Status: 5, Reason: "it does not answer", By: "south", At: 12}
	undone, foreign, stale, odd := back, back, back, back
	undone.State, foreign.Node, stale.Attempt, odd.State = fax.Undone, "south", 2, fax.Done
	again := Assign{Job: "j", Attempt: 2, Node: "south", Line: "l", At: 13, Until: 23}
	cancel := Direct{Job: "j", State: fax.Cancelled, By: "clerk", Node: "north", At: 11}
	for _, c := range []struct {
		name   string
		before []Command
		last   Command
		kind   fax.Kind // taken: no refusal
		state  fax.State
	}{
		{"assigned", []Command{assign}, back, taken, fax.Queued},
		{"tried too often", []Command{assign}, undone, taken, fax.Undone},
		{"cancelled meanwhile", []Command{assign, cancel}, back, taken, fax.Cancelled},
		{"dialling", []Command{assign, dialing}, back, fax.Conflict, fax.Dialing},
		{"not assigned", nil, back, fax.Conflict, fax.Queued},
		{"another node's", []Command{assign}, foreign, fax.Conflict, fax.Assigned},
		{"another attempt", []Command{assign}, stale, fax.Conflict, fax.Assigned},
		{"as sent", []Command{assign}, odd, fax.Invalid, fax.Assigned},
		{"twice", []Command{assign, back}, back, fax.Conflict, fax.Queued},
		{"its node is late", []Command{assign, back}, dialing, fax.Conflict, fax.Queued},
		{"later still", []Command{assign, back, again}, dialing, fax.Conflict, fax.Assigned},
		{"given to another", []Command{assign, back}, again, taken, fax.Assigned},
		{"its node says that it did not dial", []Command{assign, back}, Finish{Job: "j", Attempt: 1, Node: "north", State: fax.Queued, At: 14, NotBefore: 99}, taken, fax.Queued},
	} {
		l := fresh(t)
		must(t, l, account("clerk", fax.Individual))
		must(t, l, job("j", "clerk", 3))
		for _, b := range c.before {
			must(t, l, b)
		}
		r := do(t, l, c.last)
		kind := taken
		if r.Err != nil {
			kind = r.Err.Kind
		}
		j, err := l.Job("j")
		if err != nil || kind != c.kind || j.State != c.state {
			t.Errorf("%s: %v, job %s, %v; want %v, %s", c.name, r.Err, j.State, err, c.kind, c.state)
		}
		if j.NotBefore == 99 {
			t.Errorf("%s: the job waits for a node that has nothing to say any more", c.name)
		}
	}
}

// What a node has taken alone is its own.
func TestTakeBackLeavesAnIslandsJob(t *testing.T) {
	l := fresh(t)
	must(t, l, account("clerk", fax.Individual))
	alone := job("j", "clerk", 1)
	alone.Job.Alone = alone.Job.Home
	var batch [][]byte
	for _, c := range []Command{alone, Assign{Job: "j", Attempt: 1, Node: alone.Job.Home, Line: "l", At: 10, Until: 20}} {
		data, err := Encode(c)
		if err != nil {
			t.Fatal(err)
		}
		batch = append(batch, data)
	}
	must(t, l, Import{Node: alone.Job.Home, Era: "e", First: 1, Commands: batch, At: 11})
	r := do(t, l, TakeBack{Job: "j", Attempt: 1, Node: alone.Job.Home, State: fax.Queued, By: "south", At: 12})
	if j, err := l.Job("j"); err != nil || j.State != fax.Assigned || r.Err == nil || r.Err.Kind != fax.Conflict {
		t.Errorf("%v, job %+v, %v", r.Err, j, err)
	}
}
