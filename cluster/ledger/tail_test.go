package ledger

import (
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// island is a ledger with a tail, and what that has taken.
type island struct {
	*Ledger
	t    *testing.T
	kept [][]byte
}

func cutOff(t *testing.T, l *Ledger) *island {
	t.Helper()
	if err := l.OpenTail(filepath.Join(t.TempDir(), "tail.db"), "north", "era"); err != nil {
		t.Fatal(err)
	}
	return &island{Ledger: l, t: t}
}

// try has the island take a command, or refuse it.
func (i *island) try(c Command) (Result, bool) {
	i.t.Helper()
	data, err := Encode(c)
	if err != nil {
		i.t.Fatal(err)
	}
	r, kept, err := i.Try(uint64(len(i.kept)+1), c, func() error { i.kept = append(i.kept, data); return nil })
	if err != nil {
		i.t.Fatal(err)
	}
	return r, kept
}

func (i *island) take(c Command) *fax.Job {
	i.t.Helper()
	r, kept := i.try(c)
	if r.Err != nil || !kept {
		i.t.Fatalf("%#v: kept %v, %v", c, kept, r.Err)
	}
	return r.Job
}

// aloneJob is a job that north takes alone.
func aloneJob(id string, pages int) Submit {
	c := job(id, "clerk", pages)
	c.Job.Alone = "north"
	return c
}

// sending is a fax sent by north, from submit to end.
func sending(id string) []Command {
	return []Command{aloneJob(id, 1),
		Assign{Job: id, Attempt: 1, Node: "north", Line: "1", At: 2000, Until: 3000},
		Progress{Job: id, Attempt: 1, Node: "north", State: fax.Dialing, At: 2001, Until: 3001},
		Finish{Job: id, Attempt: 1, Node: "north", State: fax.Done, Confirmed: 1, At: 2002}}
}

func eventsOf(t *testing.T, l *Ledger, account string) (all []fax.Event) {
	t.Helper()
	all, err := l.Events(account, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestTailThenImport: what an island has taken shows there at once, and after
// the import the same is everywhere, once, whatever the majority did meanwhile.
func TestTailThenImport(t *testing.T) {
	north, south := fresh(t), fresh(t)
	both := func(c Command) { must(t, north, c); must(t, south, c) }
	both(account("clerk", fax.Individual))
	both(job("before", "clerk", 1))
	i := cutOff(t, north)
	for _, c := range sending("alone") {
		i.take(c)
	}
	i.take(aloneJob("waits", 2))
	i.take(Receive{fax.ReceivedFax{ID: "r", Node: "north", At: 5, Fax: fax.Document{Hash: hashOf(7), Pages: 1}, Assigned: []string{"clerk"}}})
	i.take(Note{fax.Activity{Who: "clerk", Node: "north", What: "view"}})
	if j, err := north.JobOf("clerk", "alone"); err != nil || j.State != fax.Done || j.Alone != "" {
		t.Fatalf("on the island: %+v, %v", j, err)
	}
	jobs, err := north.Jobs(JobFilter{Owner: "clerk"})
	if err != nil || len(jobs) != 3 {
		t.Fatalf("%d jobs, %v", len(jobs), err)
	}
	told := eventsOf(t, north, "clerk")
	if last, err := north.LastEvent("clerk"); err != nil || last != 1 || len(told) != 7 || told[0].Tentative() || !told[1].Tentative() {
		t.Fatalf("last %d, %v, told %+v", last, err, told)
	}
	if a, err := north.Activity(0, 0); err != nil || len(a) != 2 {
		t.Errorf("an island has put %d entries into the chain, %v", len(a), err)
	}
	if entry, err := north.ReceivedFor("clerk", 0); err != nil || len(entry) != 1 {
		t.Errorf("received %+v, %v", entry, err)
	}

	must(t, south, Direct{Job: "before", State: fax.Cancelled, By: "clerk", Node: "south", At: 3}) // meanwhile
	whole := Import{Node: "north", Era: "era", First: 1, Commands: i.kept, At: 9}
	for _, c := range []Import{{Node: "north", Era: "era", First: 1, Commands: i.kept[:2]}, whole, whole} {
		must(t, south, c)
	}
	refused(t, south, fax.Conflict, Import{Node: "north", Era: "era", First: uint64(len(i.kept) + 2), Commands: i.kept[:1]})
	if next, err := south.Imported("north", "era"); err != nil || next != uint64(len(i.kept)+1) {
		t.Errorf("imported up to %d, %v", next, err)
	}
	after := eventsOf(t, south, "clerk")
	var was, is []fax.Event
	for n, e := range after {
		if e.Seq != uint64(n+1) {
			t.Errorf("event %d has number %d", n+1, e.Seq)
		}
		if n >= 2 {
			is = append(is, e.Identity())
		}
	}
	for _, e := range told[1:] {
		was = append(was, e.Identity())
	}
	if !reflect.DeepEqual(was, is) {
		t.Errorf("told on the island:\n%+v\nafter the import:\n%+v", was, is)
	}
	if last, err := VerifyActivity(south.WholeActivity()); err != nil || last.Seq != 9 { // account, submit, cancel; submit, dial, sent, submit, receive, view
		t.Errorf("the record ends with %+v, %v", last, err)
	}

	// Only the island may dial what is not told yet; then everybody.
	refused(t, south, fax.Conflict, assign("waits", 1))
	if reserved, err := south.Reserved("north"); err != nil || !reserved {
		t.Errorf("reserved %v, %v", reserved, err)
	}
	for range 2 {
		must(t, south, Ashore{Node: "north", Era: "era", At: 10})
	}
	if reserved, err := south.Reserved("north"); err != nil || reserved {
		t.Errorf("reserved %v, %v", reserved, err)
	}
	must(t, south, assign("waits", 1))
}

// TestIslandRules: what an island may not do it refuses, and keeps nothing.
func TestIslandRules(t *testing.T) {
	l := fresh(t)
	must(t, l, account("clerk", fax.Individual))
	for _, id := range []string{"queued", "calling", "leased", "elsewhere"} {
		must(t, l, job(id, "clerk", 2))
	}
	for id, node := range map[string]string{"calling": "north", "leased": "north", "elsewhere": "south"} {
		must(t, l, Assign{Job: id, Attempt: 1, Node: node, Line: "1", At: 1, Until: 5})
		if id != "leased" {
			must(t, l, Progress{Job: id, Attempt: 1, Node: node, State: fax.Dialing, At: 2})
		}
	}
	i := cutOff(t, l)
	doubtful := job("doubtful", "clerk", 1) // another node may have it
	i.take(doubtful)
	foreign := job("foreign", "clerk", 1)
	foreign.Job.Home = "south"
	for name, c := range map[string]struct {
		command Command
		kind    fax.Kind
	}{
		"an account":                  {account("other", fax.Individual), fax.Unavailable},
		"rights":                      {SetRights{Name: "clerk", Rights: fax.Administrator}, fax.Unavailable},
		"a dial rule":                 {PutDialRule{Rule: fax.DialRule{Prefix: "1", Node: "north"}}, fax.Unavailable},
		"a job from before":           {Assign{Job: "queued", Attempt: 1, Node: "north", Line: "1", At: 1, Until: 2}, fax.Unavailable},
		"its cancelling":              {Direct{Job: "queued", State: fax.Cancelled}, fax.Unavailable},
		"holding a call":              {Direct{Job: "calling", State: fax.Held}, fax.Unavailable},
		"dialling under an old lease": {Progress{Job: "leased", Attempt: 1, Node: "north", State: fax.Dialing, At: 3, Until: 9}, fax.Unavailable},
		"another's call":              {Finish{Job: "elsewhere", Attempt: 1, Node: "south", State: fax.Queued, At: 3}, fax.Unavailable},
		"a doubtful job":              {Assign{Job: "doubtful", Attempt: 1, Node: "north", Line: "1", At: 1, Until: 2}, fax.Unavailable},
		"another node's dialling":     {Assign{Job: "doubtful", Attempt: 1, Node: "south", Line: "1", At: 1, Until: 2}, fax.Unavailable},
		"another node's fax":          {foreign, fax.Invalid},
		"no such job":                 {Direct{Job: "none", State: fax.Cancelled}, fax.NotFound},
	} {
		r, kept := i.try(c.command)
		if kept || r.Err == nil || r.Err.Kind != c.kind {
			t.Errorf("%s: kept %v, %v; want a refusal of kind %s", name, kept, r.Err, c.kind)
		}
	}
	// The call goes on, and may be ended; a mere renewal is not worth a record.
	before := len(i.kept)
	if r, kept := i.try(Progress{Job: "calling", Attempt: 1, Node: "north", State: fax.Dialing, At: 9, Until: 99}); kept || r.Err != nil || r.Job == nil {
		t.Errorf("a renewal: kept %v, %v", kept, r.Err)
	}
	i.take(Progress{Job: "calling", Attempt: 1, Node: "north", State: fax.Sending, Confirmed: 1, At: 10})
	i.take(Direct{Job: "calling", State: fax.Cancelled, By: "clerk", Node: "north", At: 11})
	i.take(Finish{Job: "leased", Attempt: 1, Node: "north", State: fax.Queued, At: 12})
	if j := i.take(Finish{Job: "calling", Attempt: 1, Node: "north", State: fax.Cancelled, Confirmed: 1, At: 13}); j.State != fax.Cancelled || len(i.kept) != before+4 {
		t.Errorf("%+v, %d kept", j, len(i.kept)-before)
	}
	// Nothing is shown that is not on the disk.
	full := errors.New("disk full")
	if _, kept, err := i.Try(99, aloneJob("lost", 1), func() error { return full }); kept || !errors.Is(err, full) {
		t.Errorf("kept %v, %v", kept, err)
	}
	if _, err := l.Job("lost"); fax.KindOf(err) != fax.NotFound {
		t.Errorf("a job that is not kept: %v", err)
	}
	if err := l.CloseTail(); err != nil {
		t.Fatal(err)
	}
	if j, err := l.Job("calling"); err != nil || j.State != fax.Dialing {
		t.Errorf("without the tail: %+v, %v", j, err)
	}
	if _, _, err := l.Try(1, aloneJob("x", 1), func() error { return nil }); !errors.Is(err, ErrNoTail) {
		t.Error(err)
	}
}

// TestImportRefusals: the majority's word stands, what an island did against
// it goes on record, and what no node may take alone is not taken.
func TestImportRefusals(t *testing.T) {
	l := fresh(t)
	must(t, l, account("clerk", fax.Individual))
	must(t, l, job("j", "clerk", 1))
	var commands [][]byte
	for _, c := range append([]Command{Direct{Job: "none", State: fax.Held}, account("spy", fax.Administrator),
		Import{Node: "north", Era: "inner", First: 1}}, sending("k")...) {
		data, err := Encode(c)
		if err != nil {
			t.Fatal(err)
		}
		commands = append(commands, data)
	}
	must(t, l, Import{Node: "north", Era: "e", First: 1, Commands: append(commands, []byte{0, 1, 0xff})})
	var notes int
	for a, err := range l.WholeActivity() {
		if err != nil {
			t.Fatal(err)
		}
		if a.What == "import-refused" && strings.HasPrefix(a.Object, "e/") && a.Detail != "" {
			notes++
		}
	}
	if _, _, err := l.Account("spy"); notes != 4 || fax.KindOf(err) != fax.NotFound {
		t.Errorf("%d refusals on record, the account: %v", notes, err)
	}
	if j, err := l.Job("k"); err != nil || j.State != fax.Done {
		t.Errorf("%+v, %v", j, err)
	}
	for _, bad := range []Import{{Node: "north", Era: "e", First: 0, Commands: commands}, {Node: "north", Era: "e", First: 1},
		{Node: "", Era: "e", First: 1, Commands: commands}, {Node: "north", First: 1, Commands: commands}} {
		refused(t, l, fax.Invalid, bad)
	}
	if _, err := Decode(append([]byte{0, 21}, mustBody(t, Import{Node: "n", Era: "e", First: 1, Commands: [][]byte{{0xff, 0}}})...)); !errors.Is(err, ErrUnknownCommand) {
		t.Errorf("an import of what a newer program wrote: %v", err)
	}
	// A job taken alone is free again when its node is removed for good.
	must(t, l, PutNode{fax.Node{Name: "south", Fingerprint: hashOf(5)}})
	must(t, l, PutNode{fax.Node{Name: "north", Fingerprint: hashOf(4)}})
	data, _ := Encode(aloneJob("orphan", 1))
	must(t, l, Import{Node: "north", Era: "f", First: 1, Commands: [][]byte{data}})
	refused(t, l, fax.Conflict, assign("orphan", 1))
	must(t, l, DropNode{Name: "north"})
	must(t, l, assign("orphan", 1))
}

func mustBody(t *testing.T, c Command) []byte {
	t.Helper()
	body, err := marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// TestFoundEnd: an end that its node has seen goes before "unknown".
func TestFoundEnd(t *testing.T) {
	sent := Finish{Job: "j", Attempt: 1, Node: "south", State: fax.Done, Confirmed: 2, At: 50}
	failed := Finish{Job: "j", Attempt: 1, Node: "south", State: fax.Undone, Status: 9, Reason: "no such number", At: 50}
	retry := Finish{Job: "j", Attempt: 1, Node: "south", State: fax.Queued, Confirmed: 1, Reason: "busy", NotBefore: 77, At: 50}
	second := Assign{Job: "j", Attempt: 2, Node: "west", Line: "1", At: 40, Until: 45}
	for _, c := range []struct {
		name  string
		since []Command // after the attempt was given up
		end   Finish
		state fax.State
		pages int
		tell  string // the last event
	}{
		{"sent", nil, sent, fax.Done, 2, "sent"},
		{"failed for good", nil, failed, fax.Undone, 0, "failed"},
		{"to be tried again", nil, retry, fax.Queued, 1, "page"},
		{"held since", []Command{Direct{Job: "j", State: fax.Held}}, failed, fax.Held, 0, "retry"},
		{"held since, sent", []Command{Direct{Job: "j", State: fax.Held}}, sent, fax.Done, 2, "sent"},
		{"cancelled since, sent", []Command{Direct{Job: "j", State: fax.Cancelled}}, sent, fax.Done, 2, "sent"},
		{"the next one runs", []Command{second}, failed, fax.Assigned, 0, "retry"},
		{"the next one runs, sent", []Command{second}, sent, fax.Assigned, 2, "page"},
		{"the next one has ended", []Command{second, Finish{Job: "j", Attempt: 2, Node: "west", State: fax.Queued, At: 46}}, sent, fax.Done, 2, "sent"},
		{"the next one has sent it", []Command{second, Finish{Job: "j", Attempt: 2, Node: "west", State: fax.Done, Confirmed: 2, At: 46}}, sent, fax.Done, 2, "sent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := fresh(t)
			must(t, l, account("clerk", fax.Individual))
			must(t, l, job("j", "clerk", 2))
			must(t, l, Assign{Job: "j", Attempt: 1, Node: "south", Line: "1", At: 1, Until: 5})
			must(t, l, Finish{Job: "j", Attempt: 1, Node: "south", State: fax.Queued, Reason: "unseen", At: 30, Lost: true})
			for _, before := range c.since {
				must(t, l, before)
			}
			must(t, l, c.end)
			told := kinds(t, l, "clerk")
			j := *must(t, l, c.end).Job // once more: nothing
			if j.State != c.state || j.Confirmed != c.pages || kinds(t, l, "clerk") != told || !strings.HasPrefix(last(told), c.tell+"@") {
				t.Errorf("%+v, told %s", j, kinds(t, l, "clerk"))
			}
			if c.state == fax.Assigned && c.pages == 2 {
				if j.Reason == "" {
					t.Error("the second call is not asked to end")
				}
				j = *must(t, l, Finish{Job: "j", Attempt: 2, Node: "west", State: fax.Cancelled, Status: 4, At: 60}).Job
				if j.State != fax.Done || !strings.HasPrefix(last(kinds(t, l, "clerk")), "sent@") {
					t.Errorf("in the end: %+v", j)
				}
			}
		})
	}
}

// last is the last word of a text.
func last(told string) string { return told[strings.LastIndex(told, " ")+1:] }

// TestRebase: a tail made anew over what was agreed meanwhile shows what fits.
func TestRebase(t *testing.T) {
	l := fresh(t)
	must(t, l, account("clerk", fax.Individual))
	i := cutOff(t, l)
	for _, c := range append(sending("a"), aloneJob("b", 1)) {
		i.take(c)
	}
	before := eventsOf(t, l, "clerk")
	must(t, l, job("c", "clerk", 1)) // an event of the agreed stream comes between
	must(t, l, Import{Node: "north", Era: "era", First: 1, Commands: i.kept[:2]})
	if err := l.Rebase(3, i.kept[2:]); err != nil {
		t.Fatal(err)
	}
	after := eventsOf(t, l, "clerk")
	if len(before) != 5 || len(after) != 6 || after[2] != before[1] || after[5] != before[4] || after[1].Identity() != before[0].Identity() {
		t.Errorf("before\n%+v\nafter\n%+v", before, after)
	}
	if j, err := l.Job("a"); err != nil || j.State != fax.Done {
		t.Errorf("%+v, %v", j, err)
	}
	jobs, err := l.Jobs(JobFilter{States: []fax.State{fax.Queued}})
	if err != nil || len(jobs) != 2 {
		t.Errorf("%+v, %v", jobs, err)
	}
}
