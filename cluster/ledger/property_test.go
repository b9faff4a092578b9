package ledger

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"pgregory.net/rapid"
)

// describe is the ledger in the model's words, through its public reads.
func describe(t *rapid.T, l *Ledger) string {
	var lines []string
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	accounts, err := l.Accounts()
	check(err)
	for _, a := range accounts {
		events, err := l.Events(a.Name, 0, 0)
		check(err)
		told := []string{}
		for _, e := range events {
			told = append(told, string(e.Kind))
		}
		lines = append(lines, fmt.Sprintf("account %s %s, told %v", fax.Fold(a.Name), a.Rights, told))
	}
	jobs, err := l.Jobs(JobFilter{})
	check(err)
	for _, j := range jobs {
		lines = append(lines, describeJob(j.ID, &j))
	}
	faxes, err := l.ReceivedFor("", 0)
	check(err)
	for _, f := range faxes {
		who := []string{}
		for _, a := range f.Assigned {
			who = append(who, fax.Fold(a))
		}
		slices.Sort(who)
		lines = append(lines, fmt.Sprintf("received %s for %v", f.ID, who))
	}
	for _, id := range sessions {
		ended, err := l.SessionEnded(id)
		check(err)
		if ended {
			lines = append(lines, "ended "+id)
		}
	}
	slices.Sort(lines)
	last, err := VerifyActivity(l.WholeActivity())
	check(err)
	return strings.Join(append(lines, fmt.Sprintf("%d entries", last.Seq)), "\n")
}

// checkIndexes holds the lists by owner, state and account against the records
// and what the model knows of births.
func checkIndexes(t *rapid.T, l *Ledger, m *model) {
	jobs, err := l.Jobs(JobFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(jobs, func(a, b fax.Job) int { return int(b.Submitted - a.Submitted) }) {
		t.Fatalf("not the newest first: %+v", jobs)
	}
	for _, owner := range []string{"", "A", "b", "c"} {
		for _, wanted := range [][]fax.State{nil, {fax.Queued}, {fax.Queued, fax.Held, fax.Queued}, {fax.Done, fax.Undone, fax.Cancelled}} {
			var want []string
			for _, j := range jobs {
				if (owner == "" || m.owns(owner, m.jobs[j.ID])) && (wanted == nil || slices.Contains(wanted, j.State)) {
					want = append(want, j.ID)
				}
			}
			found, err := l.Jobs(JobFilter{Owner: owner, States: wanted})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, j := range found {
				got = append(got, j.ID)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("jobs of %q in %v: %v, want %v", owner, wanted, got, want)
			}
			oldest, err := l.Jobs(JobFilter{Owner: owner, States: wanted, Oldest: true, Limit: 1})
			if err != nil || len(oldest) != min(1, len(want)) || len(want) > 0 && oldest[0].ID != want[len(want)-1] {
				t.Fatalf("oldest job of %q in %v: %v, %v, want the last of %v", owner, wanted, oldest, err, want)
			}
			// Page by page, the other way round.
			var paged []string
			for after := (Place{}); len(paged) <= len(want); {
				page, err := l.Jobs(JobFilter{Owner: owner, States: wanted, Oldest: true, After: after, Limit: 1})
				if err != nil {
					t.Fatal(err)
				}
				if len(page) == 0 {
					break
				}
				paged, after = append(paged, page[0].ID), PlaceOf(page[0])
			}
			if slices.Reverse(paged); !slices.Equal(paged, want) {
				t.Fatalf("jobs of %q in %v, paged: %v, want %v", owner, wanted, paged, want)
			}
		}
	}
	checkPresentLife(t, l, m)
}

// checkPresentLife asks for the faxes of each name: those of an account that
// had the name before are not among them.
func checkPresentLife(t *rapid.T, l *Ledger, m *model) {
	for _, name := range []string{"A", "b", "c"} {
		born := m.accounts[fax.Fold(name)].born
		var want, got []string
		for id, who := range m.received {
			b, assigned := who[fax.Fold(name)]
			mine := assigned && b == born
			if mine {
				want = append(want, id)
			}
			if _, err := l.ReceivedBy(name, id); (err == nil) != mine || err != nil && fax.KindOf(err) != fax.NotFound {
				t.Fatalf("%s received by %s, born %d of %v: %v", id, name, born, who, err)
			}
		}
		faxes, err := l.ReceivedFor(name, 0)
		for _, f := range faxes {
			got = append(got, f.ID)
		}
		slices.Sort(want)
		slices.Sort(got)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%s, born %d, has received %v, %v, want %v of %v", name, born, got, err, want, m.received)
		}
		for id, j := range m.jobs {
			if _, err := l.JobOf(name, id); (err == nil) != m.owns(name, j) || err != nil && fax.KindOf(err) != fax.NotFound {
				t.Fatalf("job %s of %s, born %d, as that of %s, born %d: %v", id, j.Owner, j.born, name, born, err)
			}
		}
	}
}

// The ledger does what the model does; a refused command changes nothing; the
// same commands in other batches, and told again, give the same state.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		one, many, m := fresh(t), fresh(t), newModel()
		defer one.Close()
		defer many.Close()
		one.db.NoSync, many.db.NoSync = true, true // nobody pulls the plug here
		var entries []Entry
		index := uint64(0)
		for range rapid.IntRange(1, 120).Draw(rt, "commands") {
			c := m.someCommand(rt)
			index += uint64(rapid.IntRange(1, 3).Draw(rt, "gap")) // raft's own entries lie between
			data, err := Encode(c)
			if err != nil {
				rt.Fatal(err)
			}
			entries = append(entries, Entry{index, data})
			before := dump(t, one, false)
			results, err := one.ApplyBatch(entries[len(entries)-1:])
			if err != nil {
				rt.Fatal(err)
			}
			got, want := taken, m.apply(c)
			if e := results[0].Err; e != nil {
				got = e.Kind
				if dump(t, one, false) != before {
					rt.Fatalf("%#v was refused and changed the state", c)
				}
			}
			if got != want {
				rt.Fatalf("%#v: %v, want %v (255: taken): %v", c, got, want, results[0].Err)
			}
			if got, want := describe(rt, one), m.describe(); got != want {
				rt.Fatalf("after %#v:\n%s\nwant\n%s", c, got, want)
			}
		}
		checkIndexes(rt, one, m)
		for at := 0; at < len(entries); {
			// Each batch begins with some that have been applied before.
			again := rapid.IntRange(0, at).Draw(rt, "again")
			next := at + rapid.IntRange(1, len(entries)-at).Draw(rt, "batch")
			results, err := many.ApplyBatch(entries[again:next])
			if err != nil {
				rt.Fatal(err)
			}
			for i, r := range results[:at-again] {
				if r != (Result{Index: entries[again+i].Index}) {
					rt.Fatalf("a repeated entry answered %+v", r)
				}
			}
			at = next
		}
		if dump(t, one, true) != dump(t, many, true) {
			rt.Fatalf("other batches gave another state:\n%s\nand\n%s", dump(t, one, true), dump(t, many, true))
		}
	})
}
