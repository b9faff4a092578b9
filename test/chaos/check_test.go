//go:build linux

package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

const second = time.Second

// good is a run in which nothing was wrong: a fax of two pages was sent, its
// first page twice, because the sender was killed with the confirmation in
// flight; one fax came in.
func good() facts {
	f := facts{
		orders: []order{{Job: "j1", Fax: 7, Pages: 2, Acked: true}, {Job: "j2", Fax: 8, Pages: 1}},
		calls: []reception{
			{From: 1 * second, To: 3 * second, Confirmed: []mark{{7, 0}}, Ended: "disconnected"},
			{From: 5 * second, To: 7 * second, Confirmed: []mark{{7, 0}, {7, 1}}, Ended: "OK"},
		},
		told:     []mark{{9, 0}},
		logged:   []confirmation{{"n2", "j1", 0, 5 * second}, {"n2", "j1", 1, 6 * second}},
		assigned: []assignment{{"n1", "j1", 1, "n2", 0}, {"n1", "j1", 2, "n2", 4 * second}},
		ended:    []ending{{Node: "n2", At: 2 * second, Wanted: true, Status: -1}},
		refused:  []string{"forbidden"},
		nodes:    map[string]*found{},
	}
	for _, name := range []string{"n1", "n2", "n3"} {
		f.nodes[name] = &found{
			jobs: map[string]fax.Job{"j1": {ID: "j1", State: fax.Done, Confirmed: 2}},
			news: map[string][]fax.Event{"clerk": {{Seq: 4, Kind: fax.EventQueued, Fax: "j1"}, {Seq: 5, Kind: fax.EventPage, Fax: "j1", Page: 1},
				{Seq: 6, Kind: fax.EventSent, Fax: "j1"}}},
			received: map[mark]int{{9, 0}: 1},
			accounts: []string{"admin"},
			applied:  40, chain: "c", digest: "d",
			descriptors: [2]int{30, 32}, goroutines: 90, memory: 60,
		}
	}
	return f
}

func TestNothingWrong(t *testing.T) {
	v := judge(good())
	if v.Lost != 0 || v.Duplicated != 0 || v.InFlight != 1 || len(v.Violations) != 0 {
		t.Errorf("%+v", v)
	}
}

// TestEveryCheckCanFail spoils the good run in one place at a time.
func TestEveryCheckCanFail(t *testing.T) {
	job := func(f facts, change func(*fax.Job)) {
		j := f.nodes["n2"].jobs["j1"]
		change(&j)
		f.nodes["n2"].jobs["j1"] = j
	}
	for _, c := range []struct {
		name             string
		spoil            func(*facts)
		lost, duplicated bool
		says             string
	}{
		{"a node has forgotten a job", func(f *facts) { delete(f.nodes["n3"].jobs, "j1") }, true, false, "n3 does not know job j1"},
		{"a job waits for ever", func(f *facts) { job(*f, func(j *fax.Job) { j.State = fax.Queued }) }, true, false, "has not ended at n2: it is queued"},
		{"failed, nobody knows why", func(f *facts) { job(*f, func(j *fax.Job) { j.State = fax.Undone }) }, false, false, "is failed without a reason"},
		{"sent, but not all confirmed", func(f *facts) { job(*f, func(j *fax.Job) { j.Confirmed = 1 }) }, false, false, "1 of 2 pages"},
		{"nodes disagree", func(f *facts) { job(*f, func(j *fax.Job) { j.State, j.Reason = fax.Cancelled, "by a" }) }, false, false, "at one node and"},
		{"a page of a sent fax never came", func(f *facts) { f.calls[1].Confirmed = f.calls[1].Confirmed[:1] }, true, false, "page 2 of job j1, which is sent, has not arrived"},
		{"a page that nobody sent", func(f *facts) { f.calls[0].Confirmed[0].Fax = 5 }, false, false, "which nobody has sent"},
		{"twice although it was noted", func(f *facts) { f.logged = append(f.logged, f.logged[0]) }, false, true, "has arrived 2 times"},
		{"twice although nothing happened", func(f *facts) { f.ended = nil }, false, true, "has arrived 2 times"},
		{"twice, and the fall was later", func(f *facts) { f.ended[0].At = 20 * second }, false, true, "has arrived 2 times"},
		{"twice behind one fall", func(f *facts) {
			f.calls = append(f.calls, reception{From: 9 * second, To: 10 * second, Confirmed: []mark{{7, 0}}})
		}, false, true, "has arrived 3 times"},
		{"a received page is gone", func(f *facts) { delete(f.nodes["n1"].received, mark{9, 0}) }, true, false, "cannot be read from n1"},
		{"a received page is there twice", func(f *facts) { f.nodes["n1"].received[mark{9, 0}] = 2 }, false, true, "2 times in the received faxes of n1"},
		{"a document cannot be read", func(f *facts) { f.nodes["n1"].trouble = []string{"wrong hash"} }, true, false, "at n1: wrong hash"},
		{"two calls at once", func(f *facts) { f.calls[0].Ended, f.calls[0].To = "OK", 6*second }, false, false, "ran at the same time"},
		{"two faxes in a call", func(f *facts) { f.calls[1].Confirmed[1] = mark{8, 0} }, true, false, "pages of fax 7 and of 8"},
		{"an attempt given twice", func(f *facts) { f.assigned[1].Attempt, f.assigned[1].Leader = 1, "n3" }, false, false, "attempt 1 of job j1 was given to n2 by n1 and to n2 by n3"},
		{"news are missing", func(f *facts) { f.nodes["n2"].news["clerk"][2].Seq = 7 }, false, false, "at n2 event 7 of clerk follows 5"},
		{"news come twice", func(f *facts) {
			n := f.nodes["n2"].news
			n["clerk"] = append(n["clerk"], n["clerk"][1])
			n["clerk"][3].Seq = 7
		}, false, false, "clerk is told twice of page of j1"},
		{"the clerk is not told", func(f *facts) { f.nodes["n3"].news["clerk"] = f.nodes["n3"].news["clerk"][:2] }, false, false, "at n3 job j1 is sent and was told to be sent 0 times"},
		{"a refused account", func(f *facts) { f.nodes["n2"].accounts = append(f.nodes["n2"].accounts, "forbidden") }, false, false, "has the account forbidden"},
		{"another chain", func(f *facts) { f.nodes["n2"].chain = "x" }, false, false, "the ledgers differ"},
		{"another place", func(f *facts) { f.nodes["n2"].applied = 39 }, false, false, "the ledgers differ"},
		{"other tables", func(f *facts) { f.nodes["n2"].digest = "x" }, false, false, "the ledgers differ"},
		{"a changed activity record", func(f *facts) { f.nodes["n2"].activity = errors.New("entry 3 has been changed") }, false, false, "entry 3 has been changed"},
		{"a crash", func(f *facts) { f.ended[0].Crash = "panic: nil map" }, false, false, "n2 has crashed at 2s: panic"},
		{"descriptors grow", func(f *facts) { f.nodes["n2"].descriptors[1] = 190 }, false, false, "190 descriptors open, 30 at the start"},
		{"goroutines grow", func(f *facts) { f.nodes["n2"].goroutines = 9000 }, false, false, "9000 goroutines"},
		{"memory grows", func(f *facts) { f.nodes["n2"].memory = 9000 }, false, false, "9000 MiB"},
	} {
		f := good()
		c.spoil(&f)
		v := judge(f)
		all := strings.Join(v.Violations, "\n")
		if (v.Lost > 0) != c.lost || (v.Duplicated > 0) != c.duplicated || !strings.Contains(all, c.says) {
			t.Errorf("%s: %d lost, %d duplicated:\n%s", c.name, v.Lost, v.Duplicated, all)
		}
	}
}

// TestFaultsExcuse: a call that a fault of its row has cut may repeat a page, a
// partition may not.
func TestFaultsExcuse(t *testing.T) {
	for row, excused := range map[int]bool{rowLine: true, 8: true, 3: false, 4: false, 5: false} {
		f := good()
		f.ended = nil
		f.faults = []event{{Row: row, From: second, To: 2 * second}}
		if v := judge(f); (v.Duplicated == 0) != excused {
			t.Errorf("row %d: %+v", row, v)
		}
	}
}

func TestUnavailable(t *testing.T) {
	ms := func(all ...int) (out []time.Duration) {
		for _, n := range all {
			out = append(out, time.Duration(n)*time.Millisecond)
		}
		return out
	}
	for _, c := range []struct {
		writes       []time.Duration
		sum, longest int64
	}{
		{ms(1100, 1900, 2800, 3700, 4600), 0, 0},
		{ms(500, 1100, 4600), 3500, 3500},
		{ms(2500, 3400, 9000), 3100, 1600}, // at the beginning and at the end
		{nil, 4000, 4000},
	} {
		if sum, longest := unavailable(c.writes, second, 5*second); sum != c.sum || longest != c.longest {
			t.Errorf("%v: %d and %d ms, want %d and %d", c.writes, sum, longest, c.sum, c.longest)
		}
	}
}
