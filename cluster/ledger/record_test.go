package ledger

import (
	"fmt"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"go.etcd.io/bbolt"
)

// The chain tells apart histories that led to the same state.
func TestChainHoldsWholeHistory(t *testing.T) {
	first, second := account("a", fax.Individual), account("b", fax.Individual)
	bad := Command(assign("nothing", 1))
	chains := map[[32]byte]string{}
	for name, history := range map[string][]Command{
		"a, b": {first, second}, "b, a": {second, first}, "a": {first}, "b": {second},
		"a, refused": {first, bad}, "refused, a": {bad, first}, "refused": {bad},
	} {
		l := fresh(t)
		for _, c := range history {
			do(t, l, c)
		}
		_, chain := l.Applied()
		if other, ok := chains[chain]; ok {
			t.Errorf("the histories %q and %q have one chain value", name, other)
		}
		chains[chain] = name
	}
}

func TestVerifyActivityFindsTampering(t *testing.T) {
	l := fresh(t)
	for i := range 5 {
		must(t, l, Note{fax.Activity{At: fax.Millis(i), Who: "clerk", What: "login", Object: "\xff" + strings.Repeat("x", 2000)}})
	}
	honest, err := l.Activity(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	verify := func(entries []fax.Activity) error {
		_, err := VerifyActivity(func(yield func(fax.Activity, error) bool) {
			for _, a := range entries {
				if !yield(a, nil) {
					return
				}
			}
		})
		return err
	}
	if err := verify(honest); err != nil {
		t.Fatalf("the honest record: %v", err)
	}
	for name, tamper := range map[string]func(a []fax.Activity) []fax.Activity{
		"time":     func(a []fax.Activity) []fax.Activity { a[2].At++; return a },
		"who":      func(a []fax.Activity) []fax.Activity { a[2].Who = "other"; return a },
		"moved":    func(a []fax.Activity) []fax.Activity { a[2].Who, a[2].Node = "", "clerk"; return a },
		"what":     func(a []fax.Activity) []fax.Activity { a[4].What = "logout"; return a },
		"detail":   func(a []fax.Activity) []fax.Activity { a[0].Detail = "x"; return a },
		"removed":  func(a []fax.Activity) []fax.Activity { return append(a[:2], a[3:]...) },
		"no head":  func(a []fax.Activity) []fax.Activity { return a[1:] },
		"swapped":  func(a []fax.Activity) []fax.Activity { a[1], a[2] = a[2], a[1]; return a },
		"repeated": func(a []fax.Activity) []fax.Activity { return append(a, a[4]) },
		"chain":    func(a []fax.Activity) []fax.Activity { a[3].Chain = a[2].Chain; return a },
	} {
		if err := verify(tamper(append([]fax.Activity(nil), honest...))); err == nil {
			t.Errorf("not found: %s", name)
		}
	}
}

func TestEventsAreTrimmed(t *testing.T) {
	l := fresh(t)
	l.db.NoSync = true
	must(t, l, account("clerk", fax.Individual))
	const more = 7
	for i := range EventsKept + more {
		must(t, l, job(fmt.Sprint("j", i), "clerk", 1))
	}
	events, err := l.Events("CLERK", 0, 0)
	if err != nil || len(events) != EventsKept || events[0].Seq != more+1 || events[len(events)-1].Fax != fmt.Sprint("j", EventsKept+more-1) {
		t.Errorf("%d events from %d on, %v", len(events), events[0].Seq, err)
	}
	if last, err := l.LastEvent("Clerk"); err != nil || last != EventsKept+more {
		t.Errorf("the last event is %d, %v", last, err)
	}
	if rest, err := l.Events("clerk", EventsKept+more-2, 1); err != nil || len(rest) != 1 || rest[0].Seq != EventsKept+more-1 {
		t.Errorf("the next after the last but two: %+v, %v", rest, err)
	}
	if none, err := l.Events("clerk", ^uint64(0), 0); err != nil || len(none) != 0 {
		t.Errorf("after the end of all numbers: %v, %v", none, err)
	}
	must(t, l, DropAccount{Name: "clerk"})
	must(t, l, account("clerk", fax.Individual))
	if left, err := l.Events("clerk", 0, 0); err != nil || len(left) != 0 {
		t.Errorf("the next of the name reads %d events, %v", len(left), err)
	}
}

// A damaged record stops the node; it is not taken for a missing one.
func TestDamagedStateStopsTheNode(t *testing.T) {
	for in, c := range map[bucket]struct {
		key     string
		command Command
	}{
		inAccounts: {"clerk", SetPassword{Name: "clerk", Hash: "$new"}},
		inJobs:     {"j", assign("j", 1)},
		inEventSeq: {"clerk", Direct{Job: "j", State: fax.Cancelled}},
		inMeta:     {keyActivity, Note{}},
	} {
		l := fresh(t)
		must(t, l, account("clerk", fax.Individual))
		must(t, l, job("j", "clerk", 1))
		if err := l.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte(in)).Put([]byte(c.key), []byte{0xc1}) }); err != nil {
			t.Fatal(err)
		}
		before := dump(t, l, true)
		data, err := Encode(c.command)
		if err != nil {
			t.Fatal(err)
		}
		index, _ := l.Applied()
		if results, err := l.ApplyBatch([]Entry{{index + 1, data}}); err == nil {
			t.Errorf("with a damaged record in %s: %+v", in, results)
		}
		if dump(t, l, true) != before {
			t.Errorf("a batch that failed on %s left something behind", in)
		}
	}
}

func TestReadsOfOne(t *testing.T) {
	l := fresh(t)
	must(t, l, account("clerk", fax.Individual))
	must(t, l, job("j", "clerk", 1))
	must(t, l, PutNode{fax.Node{Name: "north", Fingerprint: hashOf(1)}})
	must(t, l, Receive{fax.ReceivedFax{ID: "r", Node: "north"}})
	for name, c := range map[string]struct{ there, missing, empty error }{
		"job":      {errOf(l.Job("j")), errOf(l.Job("k")), errOf(l.Job(""))},
		"node":     {errOf(l.Node("north")), errOf(l.Node("south")), errOf(l.Node(""))},
		"received": {errOf(l.Received("r")), errOf(l.Received("s")), errOf(l.Received(""))},
	} {
		if c.there != nil || fax.KindOf(c.missing) != fax.NotFound || fax.KindOf(c.empty) != fax.NotFound {
			t.Errorf("%s: %v, missing %v, empty %v", name, c.there, c.missing, c.empty)
		}
	}
	if nodes, err := l.Nodes(); err != nil || len(nodes) != 1 {
		t.Errorf("nodes %v, %v", nodes, err)
	}
}

func errOf[T any](_ T, err error) error { return err }
