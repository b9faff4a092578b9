package clientlib_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/fax"
)

func TestGoesOnAtAnotherNode(t *testing.T) {
	c := start(t, "north", "south")
	client := login(t, c, "reception", clientlib.Options{})
	if client.Node() != "north" {
		t.Fatalf("logged in at %q", client.Node())
	}
	ctx := patience(t)
	c.Server("north").Stop()
	c.Desk.Record(fax.Event{Account: "reception", Kind: fax.EventSent, Fax: "job1", Node: "south"})
	if _, err := client.Jobs(ctx, fax.JobFilter{}); err != nil {
		t.Fatal(err)
	}
	if client.Node() != "south" || client.Session().Home != "south" {
		t.Errorf("went on at %q, home %q", client.Node(), client.Session().Home)
	}
	if d := <-client.Events(); d.Event.Seq != 1 || d.Via != clientlib.ViaCatchUp || d.Node != "south" {
		t.Errorf("delivery %+v", d)
	}
	c.Desk.Publish(fax.Event{Account: "reception", Kind: fax.EventReceived, Fax: "rx1", Node: "south"})
	if d := <-client.Events(); d.Event.Seq != 2 || d.Via != clientlib.ViaConnection {
		t.Errorf("delivery %+v", d)
	}
}

func TestUploadIsRepeatedAfterACut(t *testing.T) {
	c := start(t, "north", "south")
	client := login(t, c, "reception", clientlib.Options{})
	doc := document(2 << 20)
	cuts := 0
	job, err := client.Submit(patience(t), fax.Order{Number: "1"}, bytes.NewReader(doc), int64(len(doc)), func(sent int64) {
		if sent > 1<<20 && cuts < 2 {
			cuts++
			c.Server("north").Cut()
			c.Server("south").Cut()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if cuts != 2 || job.Source.Size != int64(len(doc)) {
		t.Errorf("%d cuts, job %+v", cuts, job)
	}
	jobs, err := client.Jobs(patience(t), fax.JobFilter{})
	if err != nil || len(jobs) != 1 {
		t.Errorf("%d jobs, %v: one order must be one job", len(jobs), err)
	}
}

func TestUploadThatCannotBeReadTwiceIsNotSentByHalves(t *testing.T) {
	c := start(t, "north")
	client := login(t, c, "reception", clientlib.Options{})
	doc := document(2 << 20)
	once := struct{ io.Reader }{bytes.NewReader(doc)}
	cut := false
	_, err := client.Submit(patience(t), fax.Order{Number: "1"}, once, int64(len(doc)), func(sent int64) {
		if sent > 1<<20 && !cut {
			cut = true
			c.Server("north").Cut()
		}
	})
	wantKind(t, err, fax.Unavailable)
	jobs, err := client.Jobs(patience(t), fax.JobFilter{})
	if err != nil || len(jobs) != 0 {
		t.Errorf("jobs %+v, %v", jobs, err)
	}
}

func TestFetchGoesOnAfterACut(t *testing.T) {
	c := start(t, "north", "south")
	client := login(t, c, "reception", clientlib.Options{})
	doc := document(3 << 20)
	c.Desk.PutJob(fax.Job{ID: "job1", Owner: "reception"}, doc)
	var got bytes.Buffer
	cut := false
	_, err := client.Fetch(patience(t), "job1", writerFunc(func(p []byte) (int, error) {
		if got.Len() > 1<<20 && !cut {
			cut = true
			c.Server("north").Cut()
		}
		return got.Write(p)
	}))
	if err != nil || !cut || !bytes.Equal(got.Bytes(), doc) {
		t.Errorf("%d octets, cut %v, %v", got.Len(), cut, err)
	}
}

func TestSessionEndsWhenItsTokenIsVoid(t *testing.T) {
	c := start(t, "north")
	client := login(t, c, "reception", clientlib.Options{})
	c.Desk.Void("reception")
	c.Server("north").Cut()
	if d, open := <-client.Events(); open {
		t.Fatalf("delivery %+v", d)
	}
	wantKind(t, client.Err(), fax.BadLogin)
	_, err := client.Jobs(patience(t), fax.JobFilter{})
	wantKind(t, err, fax.BadLogin)
}

func TestCloseEndsWhatWaits(t *testing.T) {
	c := start(t, "north")
	client := login(t, c, "reception", clientlib.Options{})
	c.Server("north").Stop()
	done := make(chan error)
	go func() {
		_, err := client.Jobs(patience(t), fax.JobFilter{})
		done <- err
	}()
	if err := errors.Join(client.Close(), client.Close()); err != nil {
		t.Fatal(err)
	}
	wantKind(t, <-done, fax.Unavailable)
	if _, open := <-client.Events(); open {
		t.Error("events go on after Close")
	}
}
