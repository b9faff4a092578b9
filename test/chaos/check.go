//go:build linux

package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// facts are what was collected after everything was healed.
type facts struct {
	orders    []order
	calls     []reception
	told      []mark
	logged    []confirmation
	assigned  []assignment
	ended     []ending
	faults    []event
	refused   []string
	asked     []asked
	nodes     map[string]*found // by name of the node
	exhausted bool              // time ran out before all faxes had ended
}

// found is what a node shows and has.
type found struct {
	jobs        map[string]fax.Job
	news        map[string][]fax.Event // by account, as far back as they are kept
	received    map[mark]int           // readable, with the right hash; how often
	accounts    []string
	trouble     []string // what could not be read
	applied     uint64
	chain       string
	digest      string // of the tables of the ledger
	activity    error
	descriptors [2]int // before the first fault, at the end
	goroutines  int
	memory      int // MiB, at its worst
}

// Limits on what a node may have when nothing is going on.
const (
	moreDescriptors = 64  // than at the start
	mostGoroutines  = 400 // all clients have gone
	mostMemory      = 400 // MiB
)

// verdict is what the checks found.
type verdict struct {
	Lost       int      `json:"lost"`
	Duplicated int      `json:"duplicated"`
	InFlight   int      `json:"in_flight_repeats"`
	Violations []string `json:"violations"`
}

func (v *verdict) lose(format string, args ...any) {
	v.Lost++
	v.violate("lost: "+format, args...)
}

func (v *verdict) violate(format string, args ...any) {
	v.Violations = append(v.Violations, fmt.Sprintf(format, args...))
}

// judge runs all checks.
func judge(f facts) verdict {
	v := verdict{Violations: []string{}}
	checkOrders(&v, f)
	checkArrivals(&v, f)
	checkReceived(&v, f)
	checkOneDialAtATime(&v, f)
	checkAttempts(&v, f)
	checkNews(&v, f)
	checkRefused(&v, f)
	checkAgreement(&v, f)
	checkProcesses(&v, f)
	return v
}

// checkOrders: every acknowledged fax is known to every node, and has ended.
func checkOrders(v *verdict, f facts) {
	for _, o := range f.orders {
		if !o.Acked {
			continue
		}
		var first *fax.Job
		for name, n := range f.nodes {
			j, ok := n.jobs[o.Job]
			switch {
			case !ok:
				v.lose("%s does not know job %s, which was acknowledged", name, o.Job)
				continue
			case !j.State.Ended():
				v.lose("job %s has not ended at %s: it is %s", o.Job, name, j.State)
			case j.State != fax.Done && j.Reason == "" && (j.Last == nil || j.Last.Reason == ""):
				v.violate("job %s is %s without a reason", o.Job, j.State)
			case j.State == fax.Done && j.Confirmed != o.Pages:
				v.violate("job %s is sent with %d of %d pages confirmed", o.Job, j.Confirmed, o.Pages)
			}
			if first != nil && first.State != j.State {
				v.violate("job %s is %s at one node and %s at %s", o.Job, first.State, j.State, name)
			}
			first = &j
		}
	}
}

// checkArrivals: a fax that is sent has arrived whole, no page comes twice but
// one whose confirmation was in flight when its sender fell, and none comes
// that nobody has sent.
func checkArrivals(v *verdict, f facts) {
	orders := map[uint64]order{}
	for _, o := range f.orders {
		orders[o.Fax] = o
	}
	arrived := map[mark][]reception{}
	for _, c := range f.calls {
		for _, m := range c.Confirmed {
			arrived[m] = append(arrived[m], c)
		}
	}
	noted := map[string]int{}
	for _, l := range f.logged {
		noted[fmt.Sprint(l.Job, " ", l.Page)]++
	}
	for m, calls := range arrived {
		o, ok := orders[m.Fax]
		if !ok || int(m.Page) >= o.Pages {
			v.violate("%v has arrived, which nobody has sent", m)
			continue
		}
		again := len(calls) - 1
		if again == 0 {
			continue
		}
		unnoted := max(0, len(calls)-noted[fmt.Sprint(o.Job, " ", m.Page)])
		excused := 0
		for _, c := range calls {
			if excused < min(again, unnoted) && fell(f, c) {
				excused++
			}
		}
		v.InFlight += excused
		if again > excused {
			v.Duplicated += again - excused
			v.violate("duplicated: %v of job %s has arrived %d times, the sender has noted %d", m, o.Job, len(calls), noted[fmt.Sprint(o.Job, " ", m.Page)])
		}
	}
	for _, o := range f.orders {
		if !sentBy(f, o) {
			continue
		}
		for p := range o.Pages {
			if len(arrived[mark{o.Fax, uint16(p)}]) == 0 {
				v.lose("page %d of job %s, which is sent, has not arrived", p+1, o.Job)
			}
		}
	}
}

// sentBy reports whether a node shows the order as sent.
func sentBy(f facts, o order) bool {
	for _, n := range f.nodes {
		if n.jobs[o.Job].State == fax.Done {
			return true
		}
	}
	return false
}

// notedLate is how long after the end of a call its sender may have fallen for
// the confirmation to have been in flight.
const notedLate = time.Second

// felling are the rows of the menu that end calls: processes, disks, lines.
var felling = []int{rowLine, 1, 2, 6, 7, 8, 9, 10, 11, 13, 14, 15}

// fell reports whether something that ends calls has happened in a call.
func fell(f facts, c reception) bool {
	within := func(from, to time.Duration) bool { return from <= c.To+notedLate && to >= c.From }
	return slices.ContainsFunc(f.ended, func(e ending) bool { return within(e.At, e.At) }) ||
		slices.ContainsFunc(f.faults, func(e event) bool { return slices.Contains(felling, e.Row) && within(e.From, e.To) })
}

// checkReceived: what was confirmed to an outside caller can be read from every
// node, once.
func checkReceived(v *verdict, f facts) {
	for name, n := range f.nodes {
		for _, m := range f.told {
			if n.received[m] == 0 {
				v.lose("%v, which was confirmed to its sender, cannot be read from %s", m, name)
			}
		}
		for m, times := range n.received {
			if times > 1 {
				v.Duplicated += times - 1
				v.violate("duplicated: %v lies %d times in the received faxes of %s", m, times, name)
			}
		}
		for _, t := range n.trouble {
			v.lose("at %s: %s", name, t)
		}
	}
}

// checkOneDialAtATime: two calls for a job never run at the same time.
func checkOneDialAtATime(v *verdict, f facts) {
	last := map[uint64]reception{}
	calls := slices.Clone(f.calls)
	slices.SortFunc(calls, func(a, b reception) int { return int(a.From - b.From) })
	for _, c := range calls {
		if len(c.Confirmed) == 0 {
			continue
		}
		id := c.Confirmed[0].Fax
		for _, m := range c.Confirmed {
			if m.Fax != id {
				v.violate("a call has brought pages of fax %x and of %x", id, m.Fax)
			}
		}
		// A machine notices the end of a call later than its sender.
		if before, ok := last[id]; ok && c.From < before.To && before.Ended == "OK" {
			v.violate("two calls for fax %x ran at the same time, at %v and %v", id, before.From, c.From)
		}
		last[id] = c
	}
}

// checkAttempts: an attempt is given to one line only.
func checkAttempts(v *verdict, f facts) {
	given := map[string]assignment{}
	for _, a := range f.assigned {
		key := fmt.Sprint(a.Job, " ", a.Attempt)
		if b, twice := given[key]; twice {
			v.violate("attempt %d of job %s was given to %s by %s and to %s by %s", a.Attempt, a.Job, b.Node, b.Leader, a.Node, a.Leader)
		}
		given[key] = a
	}
}

// checkRefused: what was refused is not there.
func checkRefused(v *verdict, f facts) {
	for name, n := range f.nodes {
		for _, account := range f.refused {
			if slices.Contains(n.accounts, account) {
				v.violate("%s has the account %s, which was refused", name, account)
			}
		}
	}
}

// checkAgreement: all nodes have the same ledger, and the activity record is
// whole.
func checkAgreement(v *verdict, f facts) {
	var first *found
	for name, n := range f.nodes {
		if n.activity != nil {
			v.violate("the activity record of %s: %v", name, n.activity)
		}
		if first == nil {
			first = n
			continue
		}
		if n.applied != first.applied || n.chain != first.chain || n.digest != first.digest {
			v.violate("the ledgers differ: %s is at %d with chain %.12s, tables %.12s, another node at %d with chain %.12s, tables %.12s",
				name, n.applied, n.chain, n.digest, first.applied, first.chain, first.digest)
		}
	}
}

// checkProcesses: nothing has crashed, and nothing has grown.
func checkProcesses(v *verdict, f facts) {
	for _, e := range f.ended {
		if e.Crash != "" {
			v.violate("%s has crashed at %v: %s", e.Node, e.At, e.Crash)
		}
	}
	for name, n := range f.nodes {
		if d := n.descriptors; d[1] > d[0]+moreDescriptors {
			v.violate("%s has %d descriptors open, %d at the start", name, d[1], d[0])
		}
		if n.goroutines > mostGoroutines {
			v.violate("%s has %d goroutines, at most %d are fair", name, n.goroutines, mostGoroutines)
		}
		if n.memory > mostMemory {
			v.violate("%s has needed %d MiB of memory, at most %d are fair", name, n.memory, mostMemory)
		}
	}
}
