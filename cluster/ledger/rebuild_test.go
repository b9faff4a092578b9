package ledger

import (
	"fmt"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// asItWas is a ledger of two nodes as a backup finds it: jobs that wait, are
// held, on the line, sent, and kept by a node that was cut off.
func asItWas(t *testing.T) *Ledger {
	t.Helper()
	l := fresh(t)
	must(t, l, AddAccount{Account: fax.Account{Name: "admin", Rights: fax.Administrator}, Hash: "$argon2id$x"})
	for i, name := range []string{"north", "south"} {
		must(t, l, PutNode{Node: fax.Node{Name: name, Fingerprint: strings.Repeat(fmt.Sprint(i+1), 64)}})
		must(t, l, PutDialRule{Rule: fax.DialRule{Prefix: fmt.Sprint(i), Node: name}, At: 1})
	}
	must(t, l, PutToken{Hash: strings.Repeat("a", 64), Expires: 1 << 50, Uses: 1, At: 1})
	for _, id := range []string{"waits", "held", "calls", "sent", "kept"} {
		must(t, l, Submit{Job: fax.Job{ID: id, Owner: "admin", Number: "0301", Home: "north", Fax: fax.Document{Hash: strings.Repeat("b", 64), Size: 1, Pages: 2}}})
	}
	alone, err := Encode(Submit{Job: fax.Job{ID: "island", Owner: "admin", Number: "0301", Home: "south", Alone: "south", State: fax.Held,
		Fax: fax.Document{Hash: strings.Repeat("b", 64), Size: 1, Pages: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	must(t, l, Import{Node: "south", Era: "e1", First: 1, Commands: [][]byte{alone}, At: 2})
	if j, err := l.Job("island"); err != nil || j.Alone != "south" || j.State != fax.Held {
		t.Fatalf("the job of the node that was cut off is %s, kept by %q, %v", j.State, j.Alone, err)
	}
	must(t, l, Direct{Job: "held", State: fax.Held, By: "admin", Node: "north", At: 2})
	for _, id := range []string{"calls", "sent"} {
		must(t, l, Assign{Job: id, Attempt: 1, Node: "south", Line: "1", At: 2, Until: 100})
		must(t, l, Progress{Job: id, Attempt: 1, Node: "south", State: fax.Sending, Confirmed: 1, At: 3, Until: 100})
	}
	must(t, l, Finish{Job: "sent", Attempt: 1, Node: "south", State: fax.Done, Confirmed: 2, At: 4})
	return l
}

var rebuilt = Rebuild{Node: fax.Node{Name: "north", Fingerprint: strings.Repeat("9", 64), PeerAddr: "new:7487"}, Made: 1700000000000, At: 1700000100000}

func TestRebuild(t *testing.T) {
	for _, resume := range []bool{false, true} {
		l, c := asItWas(t), rebuilt
		c.Resume = resume
		for left := true; left; {
			must(t, l, c)
			var err error
			if left, err = l.Unsettled(c); err != nil {
				t.Fatal(err)
			}
		}
		nodes, err := l.Nodes()
		if err != nil || len(nodes) != 1 || nodes[0].Fingerprint != c.Node.Fingerprint || nodes[0].PeerAddr != "new:7487" {
			t.Errorf("the members are %v, %v", nodes, err)
		}
		for _, old := range []string{"1", "2"} {
			if revoked, err := l.Revoked(strings.Repeat(old, 64)); err != nil || !revoked {
				t.Errorf("the certificate of old node %s is good still (%v)", old, err)
			}
		}
		rules, err := l.DialRules()
		if err != nil || len(rules) != 1 || rules[0].Node != "north" {
			t.Errorf("the dial rules are %v, %v: those of the restored node stay", rules, err)
		}
		if tokens, err := readAll[tokenRecord](l, inTokens); err != nil || len(tokens) != 0 {
			t.Errorf("%d join tokens are good still (%v)", len(tokens), err)
		}
		waits, calls := fax.Held, fax.Held
		if resume {
			waits, calls = fax.Queued, fax.Queued
		}
		for id, want := range map[string]fax.State{"waits": waits, "kept": waits, "held": fax.Held, "island": fax.Held, "calls": calls, "sent": fax.Done} {
			j, err := l.Job(id)
			if err != nil || j.State != want || j.Alone != "" {
				t.Errorf("resume %v: job %s is %s, kept by %q, want %s (%v)", resume, id, j.State, j.Alone, want, err)
			}
		}
		j, err := l.Job("calls")
		if err != nil || j.Confirmed != 1 || j.Last.Ended != c.At || !strings.Contains(j.Reason, "attempt 1 at node south was under way when the backup of 2023-11-14 22:13 UTC was made") {
			t.Errorf("the job on the line has %d pages confirmed, reason %q", j.Confirmed, j.Reason)
		}
		if resume && j.NotBefore != c.Made+rebuiltBehind {
			t.Errorf("the job on the line is tried again at %d", j.NotBefore)
		}
		seq, _, err := l.ActivityEnd()
		if last, bad := VerifyActivity(l.WholeActivity()); err != nil || bad != nil || last.Seq != seq {
			t.Errorf("the activity record: %v, %v", bad, err)
		}
		index, _ := l.Applied()
		must(t, l, c)
		if again, _, _ := l.ActivityEnd(); again != seq {
			t.Errorf("a repetition at entry %d puts something on record", index+1)
		}
		if !resume { // what is held goes on when told to, and is not cancelled by its reason
			must(t, l, Direct{Job: "calls", State: fax.Queued, By: "admin", Node: "north", At: c.At + 1})
			must(t, l, Assign{Job: "calls", Attempt: 2, Node: "north", Line: "1", At: c.At + 2, Until: c.At + 100})
			if r := must(t, l, Finish{Job: "calls", Attempt: 2, Node: "north", State: fax.Queued, At: c.At + 3, Reason: "busy"}); r.Job.State != fax.Queued {
				t.Errorf("a resumed job that failed is %s", r.Job.State)
			}
		}
	}
}

func TestRebuildManyJobs(t *testing.T) {
	l := asItWas(t)
	for i := range maxRebuilt {
		must(t, l, Submit{Job: fax.Job{ID: fmt.Sprintf("more%d", i), Owner: "admin", Number: "0301", Home: "north", Fax: fax.Document{Hash: strings.Repeat("b", 64), Pages: 1}}})
	}
	must(t, l, rebuilt)
	if left, err := l.Unsettled(rebuilt); err != nil || !left {
		t.Errorf("one command settles all jobs (%v)", err)
	}
	must(t, l, rebuilt)
	if left, err := l.Unsettled(rebuilt); err != nil || left {
		t.Errorf("two commands do not settle all jobs (%v)", err)
	}
	if tally, err := l.Tally(); err != nil || tally.Queued+tally.Running != 0 || tally.Held != maxRebuilt+5 {
		t.Errorf("the jobs are %+v, %v", tally, err)
	}
}
