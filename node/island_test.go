package node

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// heard are the events that a client gets, until one is of the kind.
type heard struct {
	t    *testing.T
	c    *clientlib.Client
	seen map[fax.Event]int
	all  []clientlib.Delivery
}

func (h *heard) until(id string, kind fax.EventKind) {
	h.t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case d, open := <-h.c.Events():
			if !open {
				h.t.Fatalf("no more events: %v", h.c.Err())
			}
			h.seen[d.Event.Identity()]++
			h.all = append(h.all, d)
			if d.Event.Kind == kind && (id == "" || d.Event.Fax == id) {
				return
			}
		case <-timeout:
			h.t.Fatalf("no event %q of %s; there were %+v", kind, id, h.all)
		}
	}
}

// TestIslandTown: north loses the others. The clerk there sends, receives,
// assigns, looks, cancels and is told; when the others are back everybody knows
// all of it, and nobody is told twice.
func TestIslandTown(t *testing.T) {
	t.Parallel()
	w := foundWith(t, 3*time.Second)
	admin := w.login("north", "admin")
	if err := errors.Join(admin.AddAccount(patience(t), "reception", password, fax.Individual),
		admin.PutRoute(patience(t), fax.Route{Number: "0102", Accounts: []string{"reception"}}),
		admin.PutDialRule(patience(t), fax.DialRule{Prefix: "01", Node: "south"})); err != nil {
		t.Fatal(err)
	}
	// From before: it waits, and the others may dial it.
	doc := text(1)
	before := must(admin.Submit(patience(t), fax.Order{Number: "0399", Title: "before", NotBefore: fax.At(time.Now().Add(time.Hour))}, strings.NewReader(doc), int64(len(doc)), nil))(t)
	reception := w.login("north", "reception")
	told := &heard{t: t, c: reception, seen: map[fax.Event]int{}}
	for _, name := range names[1:] {
		if err := w.nodes[name].Close(); err != nil {
			t.Fatal(err)
		}
	}
	north := w.nodes["north"]
	waitFor(t, "north knows that it is cut off", func() bool { _, alone := north.Cluster().Alone(); return alone })

	sent := send(t, reception, "0102", 1) // by 0101, although a rule says south
	if sent.Alone != "north" {
		t.Errorf("%+v", sent)
	}
	told.until(sent.ID, fax.EventSent)
	in := must(reception.Inbox(patience(t), 0))(t)
	for len(in) == 0 { // it is filed a moment after its end is confirmed
		told.until("", fax.EventReceived)
		in = must(reception.Inbox(patience(t), 0))(t)
	}
	if len(fetch(t, reception, in[0].ID)) != 1 {
		t.Error("the pages are not there")
	}
	if err := admin.Assign(patience(t), in[0].ID, []string{"admin"}); err != nil {
		t.Error(err)
	}
	busy := send(t, reception, "0399", 1)
	told.until(busy.ID, fax.EventRetry)
	must(reception.Direct(patience(t), busy.ID, fax.Cancelled))(t)
	told.until(busy.ID, fax.EventCancelled)
	begun := time.Now()
	_, direct := admin.Direct(patience(t), before.ID, fax.Cancelled)
	for _, err := range []error{direct, admin.AddAccount(patience(t), "late", password, fax.Individual)} {
		if fax.KindOf(err) != fax.Unavailable || !strings.Contains(err.Error(), "cut off") {
			t.Errorf("what needs the majority: %v", err)
		}
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("two refusals took %v", took)
	}

	for _, name := range names[1:] {
		w.open(name)
	}
	waitFor(t, "north is no island", func() bool { _, alone := north.Cluster().Alone(); return !alone })
	for _, name := range names {
		c := w.login(name, "reception")
		waitFor(t, name+" knows all", func() bool {
			in, err := c.Inbox(patience(t), 0)
			return err == nil && len(in) == 1 && len(in[0].Assigned) == 2
		})
		for id, state := range map[string]fax.State{sent.ID: fax.Done, busy.ID: fax.Cancelled} {
			if j := must(c.Job(patience(t), id))(t); j.State != state || j.Alone != "" {
				t.Errorf("at %s: %+v", name, j)
			}
		}
	}
	// The clerk has heard of each thing once, the merge included.
	after := send(t, reception, "0102", 1)
	told.until(after.ID, fax.EventSent)
	for e, n := range told.seen {
		if n != 1 {
			t.Errorf("told %d times: %+v", n, e)
		}
	}
	if j := must(reception.Job(patience(t), after.ID))(t); j.Last.Node != "south" {
		t.Errorf("the dial rule does not hold again: %+v", j.Last)
	}
	whats := map[string]int{}
	for _, a := range must(admin.Activity(patience(t), 0, 0))(t) {
		if a.Object == in[0].ID || a.Object == sent.ID || a.Object == busy.ID {
			whats[a.What]++
		}
	}
	for what, n := range map[string]int{"submit": 2, "sent": 1, "receive": 1, "assign": 1, "view": 1, "cancel": 1} {
		if whats[what] != n {
			t.Errorf("on record: %v, want %s %d times", whats, what, n)
		}
	}
}
