package clientlib_test

import (
	"testing"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/clienttest"
	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/settings"
)

func listen(t *testing.T) *clientlib.Listener {
	t.Helper()
	l, err := clientlib.Listen(settings.NotifyPort{Low: 20100, High: 20400})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func event(kind fax.EventKind) fax.Event {
	return fax.Event{Account: "reception", Kind: kind, Fax: "job1", Node: "south"}
}

func expect(t *testing.T, client *clientlib.Client, seq uint64, via clientlib.Via, node string) {
	t.Helper()
	select {
	case d := <-client.Events():
		if d.Event.Seq != seq || d.Via != via || d.Node != node {
			t.Fatalf("event %d via %s from %q, want %d via %s from %q", d.Event.Seq, d.Via, d.Node, seq, via, node)
		}
	case <-patience(t).Done():
		t.Fatalf("event %d does not come", seq)
	}
}

// settled waits until the desk knows that an event has arrived.
func settled(t *testing.T, c *clienttest.Cluster, seq uint64) {
	t.Helper()
	if err := c.Desk.WaitAcked(patience(t), "reception", seq); err != nil {
		t.Fatal(err)
	}
}

func TestEventsComeOnceByWhicheverWay(t *testing.T) {
	c := start(t, "north", "south")
	client := login(t, c, "reception", clientlib.Options{Listener: listen(t)})
	tell := func(events ...fax.Event) {
		t.Helper()
		seqs, err := c.Server("south").Tell(patience(t), c.Desk, client.Session(), events...)
		if err != nil || len(seqs) != len(events) {
			t.Fatalf("told %d events, %v acknowledged, %v", len(events), seqs, err)
		}
	}
	one, two, three := c.Desk.Record(event(fax.EventDialing)), c.Desk.Record(event(fax.EventPage)), c.Desk.Record(event(fax.EventSent))
	tell(one, two)
	expect(t, client, 1, clientlib.ViaCallback, "south")
	expect(t, client, 2, clientlib.ViaCallback, "south")
	c.Desk.Push(two) // once more, by another way
	tell(one)        // and again
	c.Desk.Push(three)
	expect(t, client, 3, clientlib.ViaConnection, "north")
	for seq := uint64(1); seq <= 3; seq++ {
		settled(t, c, seq)
	}
}

func TestEventsAreBroughtInOrder(t *testing.T) {
	c := start(t, "north")
	client := login(t, c, "reception", clientlib.Options{})
	one, two, three := c.Desk.Record(event(fax.EventDialing)), c.Desk.Record(event(fax.EventPage)), c.Desk.Record(event(fax.EventSent))
	c.Desk.Push(three)
	c.Desk.Push(one)
	expect(t, client, 1, clientlib.ViaConnection, "north")
	expect(t, client, 2, clientlib.ViaCatchUp, "north") // nobody told it
	expect(t, client, 3, clientlib.ViaConnection, "north")
	_ = two
}

func TestWhatHappenedMeanwhileIsTold(t *testing.T) {
	c := start(t, "north")
	for range 700 { // more than one answer holds
		c.Desk.Record(event(fax.EventPage))
	}
	c.Desk.Forget("reception", 10)
	client := login(t, c, "reception", clientlib.Options{After: new(uint64)})
	for seq := uint64(11); seq <= 700; seq++ {
		expect(t, client, seq, clientlib.ViaCatchUp, "north")
	}
	c.Desk.Publish(event(fax.EventSent))
	expect(t, client, 701, clientlib.ViaConnection, "north")

	fresh := login(t, c, "reception", clientlib.Options{})
	c.Desk.Publish(event(fax.EventReceived))
	expect(t, fresh, 702, clientlib.ViaConnection, "north")
}

func TestNobodyTakesEventsForAWhile(t *testing.T) {
	c := start(t, "north")
	client := login(t, c, "reception", clientlib.Options{})
	const many = 3000 // more than wait in a client
	for range many {
		c.Desk.Publish(event(fax.EventPage))
	}
	for seq := uint64(1); seq <= many; seq++ {
		d := <-client.Events()
		if d.Event.Seq != seq {
			t.Fatalf("event %d, want %d", d.Event.Seq, seq)
		}
	}
}

// TestRequestsNameTheNewestEvent: a node that lags behind the one that told an
// event must be able to know that it does.
func TestRequestsNameTheNewestEvent(t *testing.T) {
	c := start(t, "north")
	client := login(t, c, "reception", clientlib.Options{})
	c.Desk.Publish(event(fax.EventReceived))
	told := <-client.Events()
	if _, err := client.Inbox(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if seen := c.Desk.Seen("reception"); seen != told.Event.Seq || seen == 0 {
		t.Errorf("the request named event %d; %d was told", seen, told.Event.Seq)
	}
}
