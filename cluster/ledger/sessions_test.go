package ledger

import (
	"fmt"
	"slices"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"go.etcd.io/bbolt"
)

func endSession(id string, at, expires fax.Millis) EndSession {
	return EndSession{ID: id, Account: "clerk", Expires: expires, Node: "north", At: at}
}

func TestEndSession(t *testing.T) {
	l := fresh(t)
	want := func(ids ...string) {
		t.Helper()
		var got []string
		for i := range 10 {
			id := fmt.Sprint("s", i)
			ended, err := l.SessionEnded(id)
			if err != nil {
				t.Fatal(err)
			}
			if ended {
				got = append(got, id)
			}
		}
		if !slices.Equal(got, ids) {
			t.Fatalf("ended: %q, want %q", got, ids)
		}
	}
	must(t, l, endSession("s1", 100, 200))
	must(t, l, endSession("s2", 100, 300))
	want("s1", "s2")
	before := dump(t, l, false)
	must(t, l, endSession("s1", 150, 900))
	if dump(t, l, false) != before {
		t.Error("a repetition changed the state")
	}
	must(t, l, endSession("s3", 199, 500))
	want("s1", "s2", "s3")
	must(t, l, endSession("s4", 200, 500)) // the first with nothing left to void
	want("s2", "s3", "s4")
	must(t, l, endSession("s5", 400, 500))
	want("s3", "s4", "s5")
	refused(t, l, fax.Invalid, endSession("s6", 400, 400))
	refused(t, l, fax.Invalid, endSession("s6", 400, 401+MaxSessionLife))
	refused(t, l, fax.Invalid, endSession("s6", -1, 400))
	refused(t, l, fax.Invalid, endSession("", 400, 500))
	refused(t, l, fax.Invalid, EndSession{ID: "s6", Account: "a\x00", At: 1, Expires: 2})
	if entries, err := l.Activity(0, 0); err != nil || len(entries) != 5 || entries[4].What != "logout" || entries[4].Who != "clerk" || entries[4].Object != "s5" {
		t.Errorf("on record: %+v, %v", entries, err)
	}
}

// However many have expired, one command drops no more than it may; when as
// many are kept as may be, there is room again once some have expired.
func TestEndedSessionsAreBounded(t *testing.T) {
	l := fresh(t)
	l.db.NoSync = true
	const many = maxDropped + 10
	for i := range many {
		must(t, l, endSession(fmt.Sprint("s", i), 1, 100+fax.Millis(many-i)))
	}
	full := func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(inMeta)).Put([]byte(keyEnded), []byte(number64(MaxEnded)))
	}
	if err := l.db.Update(full); err != nil {
		t.Fatal(err)
	}
	refused(t, l, fax.Busy, endSession("more", 1, 2))
	must(t, l, endSession("more", 1000, 2000))
	kept := 0
	for i := range many {
		ended, err := l.SessionEnded(fmt.Sprint("s", i))
		if err != nil {
			t.Fatal(err)
		}
		if ended {
			kept++
		}
		if ended != (i < many-maxDropped) {
			t.Errorf("s%d ended: %v; those that expire first are dropped first", i, ended)
		}
	}
	if err := l.agreed(func(tx *bbolt.Tx) error {
		if left := newDraft(state{base: tx}, 0).number(inMeta, keyEnded); left != MaxEnded-maxDropped+1 {
			t.Errorf("%d are kept, it says", left)
		}
		return nil
	}); err != nil || kept != many-maxDropped {
		t.Errorf("%d are kept, %v", kept, err)
	}
}

// The next account of a name has nothing of the one before.
func TestNameTakenAgain(t *testing.T) {
	l := fresh(t)
	must(t, l, account("admin", fax.Administrator))
	must(t, l, account("Clerk", fax.Individual))
	must(t, l, job("j", "clerk", 1))
	must(t, l, assign("j", 1))
	must(t, l, Receive{fax.ReceivedFax{ID: "r", Node: "west", At: 5, Assigned: []string{"admin", "clerk"}}})
	sees := func(name string) string {
		t.Helper()
		jobs, err := l.Jobs(JobFilter{Owner: name})
		if err != nil {
			t.Fatal(err)
		}
		faxes, err := l.ReceivedFor(name, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, job := l.JobOf(name, "j")
		_, received := l.ReceivedBy(name, "r")
		return fmt.Sprint(len(jobs), len(faxes), job == nil, received == nil)
	}
	if got := sees("CLERK"); got != "1 1 true true" {
		t.Fatalf("the first clerk sees %s", got)
	}
	must(t, l, DropAccount{Name: "clerk", At: 6})
	if got := sees("clerk"); got != "0 0 false false" {
		t.Errorf("a name without an account sees %s", got)
	}
	must(t, l, account("clerk", fax.Individual))
	if got := sees("clerk"); got != "0 0 false false" {
		t.Errorf("the second clerk sees %s", got)
	}
	refused(t, l, fax.Exists, job("j", "clerk", 1))
	// Nor is it told how the other's fax goes on.
	must(t, l, Finish{Job: "j", Attempt: 1, Node: "south", State: fax.Done, Confirmed: 1, At: 7})
	if events, err := l.Events("clerk", 0, 0); err != nil || len(events) != 0 {
		t.Errorf("the second clerk is told %+v, %v", events, err)
	}
	// What is assigned to the name now is assigned to the second one, alone.
	must(t, l, AssignFax{ID: "r", Accounts: []string{"clerk", "admin"}, By: "admin", At: 8})
	if got := sees("clerk"); got != "0 1 false true" {
		t.Errorf("the second clerk sees %s", got)
	}
	if f, err := l.Received("r"); err != nil || !slices.Equal(f.Assigned, []string{"admin", "clerk"}) {
		t.Errorf("the fax is assigned to %q, %v", f.Assigned, err)
	}
	if got := sees(""); got != "1 1 false false" {
		t.Errorf("everybody's: %s", got)
	}
}
