package ledger

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"go.etcd.io/bbolt"
)

func openAt(t testing.TB, path string) *Ledger {
	t.Helper()
	l, err := Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func fresh(t testing.TB) *Ledger {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "ledger.db"))
}

// do applies one command at the next index.
func do(t testing.TB, l *Ledger, c Command) Result {
	t.Helper()
	data, err := Encode(c)
	if err != nil {
		t.Fatal(err)
	}
	index, _ := l.Applied()
	results, err := l.ApplyBatch([]Entry{{index + 1, data}})
	if err != nil {
		t.Fatal(err)
	}
	return results[0]
}

// must applies a command that has to be taken.
func must(t testing.TB, l *Ledger, c Command) Result {
	t.Helper()
	r := do(t, l, c)
	if r.Err != nil {
		t.Fatalf("%#v: %v", c, r.Err)
	}
	return r
}

// refused applies a command that has to be refused, and checks that nothing
// has changed but the place in the log.
func refused(t testing.TB, l *Ledger, kind fax.Kind, c Command) Result {
	t.Helper()
	before := dump(t, l, false)
	r := do(t, l, c)
	if r.Err == nil || r.Err.Kind != kind {
		t.Fatalf("%#v: %v, want a refusal of kind %s", c, r.Err, kind)
	}
	if after := dump(t, l, false); after != before {
		t.Fatalf("%#v was refused and changed the state:\n%s\nbefore\n%s", c, after, before)
	}
	return r
}

// dump is the whole state as text; without the place in the log if !place.
func dump(t testing.TB, l *Ledger, place bool) string {
	t.Helper()
	var text string
	if err := l.agreed(func(tx *bbolt.Tx) error {
		text = dumpOf(tx, place)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return text
}

func dumpOf(tx *bbolt.Tx, place bool) string {
	var s strings.Builder
	for _, b := range buckets {
		c := tx.Bucket([]byte(b)).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			if !place && b == inMeta && (string(k) == keyApplied || string(k) == keyChain) {
				continue
			}
			fmt.Fprintf(&s, "%s %q %q\n", b, k, v)
		}
	}
	return s.String()
}

func hashOf(n int) string { return fmt.Sprintf("%064x", n) }

func account(name string, r fax.Rights) AddAccount {
	return AddAccount{Account: fax.Account{Name: name, Rights: r, Created: 1}, Hash: "$argon2id$x", Node: "north"}
}

func job(id, owner string, pages int) Submit {
	return Submit{Job: fax.Job{ID: id, Owner: owner, Number: "+49 30 1", Title: "t", Home: "north", Submitted: 1000,
		Source: fax.Document{Hash: hashOf(1), Size: 9}, Fax: fax.Document{Hash: hashOf(2), Size: 10, Pages: pages}}}
}

func assign(id string, n int) Assign {
	return Assign{Job: id, Attempt: n, Node: "south", Line: "a", At: 2000, Until: 3000}
}

func kinds(t testing.TB, l *Ledger, account string) string {
	t.Helper()
	events, err := l.Events(account, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var s []string
	for i, e := range events {
		if e.Seq != uint64(i+1) || e.Account != account {
			t.Errorf("event %d of %s is %+v", i+1, account, e)
		}
		s = append(s, fmt.Sprintf("%s@%s:%d/%d", e.Kind, e.Node, e.Page, e.Pages))
	}
	return strings.Join(s, " ")
}

func TestJobFromQueuedToSent(t *testing.T) {
	l := fresh(t)
	must(t, l, account("Clerk", fax.Individual))
	must(t, l, job("j", "clerk", 2))
	must(t, l, assign("j", 1))
	must(t, l, Progress{Job: "j", Attempt: 1, Node: "south", State: fax.Dialing, At: 2001, Until: 4000})
	must(t, l, Progress{Job: "j", Attempt: 1, Node: "south", State: fax.Sending, Confirmed: 1, At: 2002})
	// A renewal that was under way turns nothing back.
	late := must(t, l, Progress{Job: "j", Attempt: 1, Node: "south", State: fax.Dialing, At: 2003, Until: 5000}).Job
	if late.State != fax.Sending || late.Confirmed != 1 || late.Last.Until != 5000 {
		t.Errorf("after a late renewal the job is %+v, %+v", late, late.Last)
	}
	refused(t, l, fax.Invalid, Finish{Job: "j", Attempt: 1, Node: "south", State: fax.Done, Confirmed: 1, At: 2004})
	end := Finish{Job: "j", Attempt: 1, Node: "south", State: fax.Done, Confirmed: 2, Remote: "WEST", At: 2004}
	must(t, l, end)
	before := dump(t, l, false)
	if r := must(t, l, end); r.Job.State != fax.Done || dump(t, l, false) != before {
		t.Errorf("the repeated end changed the state, or its result is %+v", r.Job)
	}
	if got, want := kinds(t, l, "Clerk"), "queued@north:0/2 dialing@south:0/2 page@south:1/2 page@south:2/2 sent@south:2/2"; got != want {
		t.Errorf("events %s, want %s", got, want)
	}
	activity, err := l.Activity(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var what []string
	for _, a := range activity {
		what = append(what, a.Who+" "+a.What)
	}
	if got, want := strings.Join(what, ", "), "north add-account, clerk submit, south dial, south sent"; got != want {
		t.Errorf("activity %s, want %s", got, want)
	}
	last, err := VerifyActivity(l.WholeActivity())
	if err != nil || last.Seq != 4 {
		t.Errorf("the activity record is good up to %d: %v", last.Seq, err)
	}
}

func TestJobIsNeverGivenToTwo(t *testing.T) {
	l := fresh(t)
	must(t, l, account("clerk", fax.Individual))
	must(t, l, job("j", "clerk", 1))
	refused(t, l, fax.Conflict, assign("j", 2))
	refused(t, l, fax.NotFound, assign("k", 1))
	must(t, l, assign("j", 1))
	other := assign("j", 1)
	other.Node = "west"
	if r := refused(t, l, fax.Conflict, other); r.Job.Last.Node != "south" {
		t.Errorf("the refusal shows the job at %s", r.Job.Last.Node)
	}
	refused(t, l, fax.Conflict, assign("j", 2))
	refused(t, l, fax.Conflict, Progress{Job: "j", Attempt: 1, Node: "west", State: fax.Dialing, At: 2100})
	refused(t, l, fax.Conflict, Finish{Job: "j", Attempt: 1, Node: "west", State: fax.Queued, At: 2100})
	must(t, l, Finish{Job: "j", Attempt: 1, Node: "south", State: fax.Queued, NotBefore: 9000, Reason: "busy", At: 2100})
	refused(t, l, fax.Conflict, Progress{Job: "j", Attempt: 1, Node: "south", State: fax.Sending, At: 2101})
	refused(t, l, fax.Conflict, assign("j", 1))
	j := must(t, l, assign("j", 2)).Job
	if j.NotBefore != 9000 || j.Tries != 2 || j.Last.Number != 2 || j.Reason != "" {
		t.Errorf("the second attempt: %+v", j)
	}
	// The first attempt's end, told again, does not end the second.
	if r := must(t, l, Finish{Job: "j", Attempt: 1, Node: "south", State: fax.Undone, At: 2200}); r.Job.State != fax.Assigned {
		t.Errorf("a repeated end of attempt 1 made the job %s", r.Job.State)
	}
	refused(t, l, fax.Conflict, Finish{Job: "j", Attempt: 3, Node: "south", State: fax.Done, Confirmed: 1, At: 2300})
}

func TestDirect(t *testing.T) {
	l := fresh(t)
	must(t, l, account("clerk", fax.Individual))
	direct := func(s fax.State) Direct { return Direct{Job: "j", State: s, By: "clerk", Node: "north", At: 1500} }
	must(t, l, job("j", "clerk", 1))
	must(t, l, direct(fax.Held))
	refused(t, l, fax.Conflict, assign("j", 1))
	must(t, l, direct(fax.Queued))
	refused(t, l, fax.Invalid, direct(fax.Done))
	must(t, l, assign("j", 1))
	refused(t, l, fax.Conflict, direct(fax.Held))
	if j := must(t, l, direct(fax.Cancelled)).Job; j.State != fax.Assigned || j.Reason == "" {
		t.Errorf("a running job with an order to cancel is %s, reason %q", j.State, j.Reason)
	}
	// The order outlives the attempt: a retry does not follow.
	j := must(t, l, Finish{Job: "j", Attempt: 1, Node: "south", State: fax.Queued, Reason: "busy", At: 2100}).Job
	if j.State != fax.Cancelled || j.Reason != "cancelled by clerk" || j.Last.Reason != "busy" {
		t.Errorf("the job is %s, reason %q, last %+v", j.State, j.Reason, j.Last)
	}
	must(t, l, direct(fax.Cancelled))
	refused(t, l, fax.Conflict, direct(fax.Queued))
	if got, want := kinds(t, l, "clerk"), "queued@north:0/1 queued@north:0/1 cancelled@south:0/1"; got != want {
		t.Errorf("events %s, want %s", got, want)
	}
}

func TestSubmitRepeated(t *testing.T) {
	l := fresh(t)
	must(t, l, account("clerk", fax.Individual))
	must(t, l, job("j", "clerk", 1))
	must(t, l, assign("j", 1))
	before := dump(t, l, false)
	if r := must(t, l, job("j", "CLERK", 1)); r.Job.State != fax.Assigned || dump(t, l, false) != before {
		t.Errorf("the repeated submit changed the state, or its result is %+v", r.Job)
	}
	refused(t, l, fax.Exists, job("j", "other", 1))
	for name, spoil := range map[string]func(*fax.Job){
		"id":        func(j *fax.Job) { j.ID = "a b" },
		"long id":   func(j *fax.Job) { j.ID = strings.Repeat("x", maxID+1) },
		"owner":     func(j *fax.Job) { j.Owner = "a\x00b" },
		"number":    func(j *fax.Job) { j.Number = "call me" },
		"title":     func(j *fax.Job) { j.Title = "\xff" },
		"document":  func(j *fax.Job) { j.Fax.Hash = "../../etc/passwd" },
		"pages":     func(j *fax.Job) { j.Fax.Pages = -1 },
		"submitted": func(j *fax.Job) { j.Submitted = -1 },
		"source":    func(j *fax.Job) { j.Source.Hash = "x" },
		"home":      func(j *fax.Job) { j.Home = "" },
	} {
		t.Run(name, func(t *testing.T) {
			c := job("k", "clerk", 1)
			spoil(&c.Job)
			refused(t, l, fax.Invalid, c)
		})
	}
}

func TestAccounts(t *testing.T) {
	l := fresh(t)
	must(t, l, account("Admin", fax.Administrator))
	refused(t, l, fax.Exists, account("aDMIN", fax.Individual))
	refused(t, l, fax.Invalid, account("a/b", fax.Individual))
	refused(t, l, fax.Conflict, SetRights{Name: "admin", Rights: fax.Individual})
	refused(t, l, fax.Conflict, DropAccount{Name: "ADMIN"})
	must(t, l, account("two", fax.Administrator))
	must(t, l, SetRights{Name: "admin", Rights: fax.Individual, By: "two"})
	refused(t, l, fax.Conflict, DropAccount{Name: "two"})
	a, _, _ := l.Account("admin")
	must(t, l, SetPassword{Name: "admin", Hash: "$new", By: "admin"})
	b, hash, err := l.Account("ADMIN")
	if err != nil || b.Epoch <= a.Epoch || hash != "$new" || b.Name != "Admin" || b.Rights != fax.Individual {
		t.Errorf("after a new password: %+v, %q, %v; before: %+v", b, hash, err, a)
	}
	// Whoever gets a name next is nobody the old tokens, routes, or events speak of.
	must(t, l, PutRoute{Route: fax.Route{Number: "", Accounts: []string{"admin", "two", "Admin"}}})
	must(t, l, PutRoute{Route: fax.Route{Number: "", Caller: "07 77", Accounts: []string{"admin"}}}) // beside the other
	refused(t, l, fax.Invalid, PutRoute{Route: fax.Route{Caller: "nobody", Accounts: []string{"admin"}}})
	if routes, _ := l.Routes(); len(routes) != 2 || routes[1].Caller != "0777" {
		t.Errorf("routes %+v", routes)
	}
	must(t, l, Receive{fax.ReceivedFax{ID: "r", Node: "west", At: 5, Fax: fax.Document{Hash: hashOf(3), Pages: 1}, Assigned: []string{"admin"}}})
	must(t, l, DropAccount{Name: "admin"})
	if _, _, err := l.Account("admin"); fax.KindOf(err) != fax.NotFound {
		t.Errorf("a removed account is read with %v", err)
	}
	must(t, l, account("admin", fax.Individual))
	c, _, _ := l.Account("admin")
	events, _ := l.Events("admin", 0, 0)
	routes, _ := l.Routes()
	if c.Epoch <= b.Epoch || len(events) != 0 || len(routes) != 1 || fmt.Sprint(routes[0].Accounts) != "[two]" {
		t.Errorf("the next of the name: %+v, events %v, routes %v", c, events, routes)
	}
	must(t, l, AssignFax{ID: "r", Accounts: []string{"two"}})
	if last, _ := l.LastEvent("admin"); last != 1 {
		t.Errorf("the count of events fell back to %d", last)
	}
}

func TestMembersTokensRules(t *testing.T) {
	l := fresh(t)
	node := fax.Node{Name: "north", PeerAddr: "h:7487", ClientAddr: "h:7488", Fingerprint: hashOf(7), Joined: 5}
	must(t, l, PutNode{node})
	moved := node
	moved.PeerAddr, moved.Joined = "i:7487", 9
	must(t, l, PutNode{moved})
	if n, err := l.Node("north"); err != nil || n.PeerAddr != "i:7487" || n.Joined != 5 {
		t.Errorf("the moved node is %+v, %v", n, err)
	}
	thief := node
	thief.Fingerprint = hashOf(8)
	refused(t, l, fax.Conflict, PutNode{thief})

	must(t, l, PutToken{Hash: hashOf(1), Expires: 100, Uses: 1, At: 10})
	refused(t, l, fax.Conflict, SpendToken{Hash: hashOf(1), Node: "north", Fingerprint: hashOf(6), At: 20}) // the name is taken: nothing is spent
	must(t, l, SpendToken{Hash: hashOf(1), Node: "south", Fingerprint: hashOf(6), At: 20})
	must(t, l, SpendToken{Hash: hashOf(1), Node: "south", Fingerprint: hashOf(6), At: 21})
	refused(t, l, fax.NotAllowed, SpendToken{Hash: hashOf(1), Node: "west", Fingerprint: hashOf(6), At: 22})
	refused(t, l, fax.NotAllowed, SpendToken{Hash: hashOf(1), Node: "south", Fingerprint: hashOf(6), At: 100})
	refused(t, l, fax.NotFound, SpendToken{Hash: hashOf(2), Node: "south", Fingerprint: hashOf(6), At: 22})
	refused(t, l, fax.Invalid, PutToken{Hash: hashOf(3), Expires: 10, Uses: 1, At: 10})

	refused(t, l, fax.NotFound, PutDialRule{Rule: fax.DialRule{Prefix: "+49", Node: "nowhere"}})
	must(t, l, PutDialRule{Rule: fax.DialRule{Prefix: "+49 (30)", Node: "north"}})
	must(t, l, PutDialRule{Rule: fax.DialRule{Prefix: "", Node: "north"}})
	if rules, err := l.DialRules(); err != nil || len(rules) != 2 || rules[0].Prefix != "" || rules[1].Prefix != "+4930" {
		t.Errorf("rules %+v, %v", rules, err)
	}
	must(t, l, DropDialRule{Prefix: "+49-30"})
	refused(t, l, fax.NotFound, DropDialRule{Prefix: "+49-30"})
	must(t, l, member("south", 77))
	must(t, l, DropNode{Name: "north", By: "admin"})
	if rules, _ := l.DialRules(); len(rules) != 0 {
		t.Errorf("rules of a removed node stay: %+v", rules)
	}
}

func TestReceivedFaxes(t *testing.T) {
	l := fresh(t)
	must(t, l, account("a", fax.Individual))
	must(t, l, account("b", fax.Individual))
	in := func(id string, at fax.Millis, accounts ...string) Receive {
		return Receive{fax.ReceivedFax{ID: id, Node: "west", Line: "1", Remote: "\xffFAR" + strings.Repeat("R", 99), At: at,
			Fax: fax.Document{Hash: hashOf(int(at)), Pages: 3}, Assigned: accounts}}
	}
	must(t, l, in("one", 10, "A", "gone", "a"))
	must(t, l, in("two", 20))
	before := dump(t, l, false)
	must(t, l, in("one", 30, "b"))
	if dump(t, l, false) != before {
		t.Error("the same received fax again changed the state")
	}
	must(t, l, AssignFax{ID: "two", Accounts: []string{"a", "b"}, By: "b", Node: "north", At: 40})
	refused(t, l, fax.NotFound, AssignFax{ID: "two", Accounts: []string{"gone"}})
	refused(t, l, fax.NotFound, AssignFax{ID: "three", Accounts: []string{"a"}})
	if got, want := kinds(t, l, "a"), "received@west:3/3 assigned@north:3/3"; got != want {
		t.Errorf("events of a: %s, want %s", got, want)
	}
	for who, want := range map[string]string{"": "two one", "a": "two one", "B": "two", "c": ""} {
		faxes, err := l.ReceivedFor(who, 0)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, f := range faxes {
			ids = append(ids, f.ID)
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("received for %q: %q, want %q", who, got, want)
		}
	}
	var hashes []string
	for hash, err := range l.DocumentHashes() {
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, hash)
	}
	if len(hashes) != 2 || hashes[0] != hashOf(10) || hashes[1] != hashOf(20) {
		t.Errorf("documents %v", hashes)
	}
}
