package clientlib_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/clienttest"
	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

const password = "correct horse"

// start runs servers with two accounts, a clerk and an administrator.
func start(t *testing.T, names ...string) *clienttest.Cluster {
	t.Helper()
	c := clienttest.Start(t, names...)
	c.Desk.AddPerson("reception", password, fax.Individual)
	c.Desk.AddPerson("admin", password, fax.Administrator)
	return c
}

func patience(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func dial(t *testing.T, c *clienttest.Cluster, o clientlib.Options) *clientlib.Client {
	t.Helper()
	if o.Fingerprint == "" {
		o.Fingerprint = c.Authority.Fingerprint()
	}
	client, err := clientlib.Dial(patience(t), c.Addrs(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func login(t *testing.T, c *clienttest.Cluster, account string, o clientlib.Options) *clientlib.Client {
	t.Helper()
	client := dial(t, c, o)
	if _, err := client.Login(patience(t), account, password); err != nil {
		t.Fatal(err)
	}
	return client
}

// document is n octets that no two parts of are the same.
func document(n int) []byte {
	b := make([]byte, 0, n+sha256.Size)
	for sum := sha256.Sum256(nil); len(b) < n; sum = sha256.Sum256(sum[:]) {
		b = append(b, sum[:]...)
	}
	return b[:n]
}

func wantKind(t *testing.T, err error, kind fax.Kind) {
	t.Helper()
	if err == nil || fax.KindOf(err) != kind {
		t.Fatalf("error %v of kind %v, want %v", err, fax.KindOf(err), kind)
	}
}

func TestFaxIsSubmittedListedFetched(t *testing.T) {
	c := start(t, "north")
	client := login(t, c, "Reception", clientlib.Options{})
	ctx := patience(t)
	for _, size := range []int{0, 1, wire.Chunk, wire.Window, wire.Window + 1, 3<<20 + 7} {
		doc := document(size)
		var told []int64
		job, err := client.Submit(ctx, fax.Order{Number: "+49 30 1234", Title: "Grüße"}, bytes.NewReader(doc), int64(size),
			func(sent int64) { told = append(told, sent) })
		if err != nil {
			t.Fatal(err)
		}
		if job.Number != "+49 30 1234" || job.Title != "Grüße" || job.Source.Size != int64(size) {
			t.Errorf("job %+v", job)
		}
		if !slices.IsSorted(told) || size > 0 && (len(told) == 0 || told[len(told)-1] != int64(size)) {
			t.Errorf("size %d: progress %v", size, told)
		}
		var got bytes.Buffer
		d, err := client.Fetch(ctx, job.ID, &got)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(doc)
		if !bytes.Equal(got.Bytes(), doc) || d.Hash != hex.EncodeToString(sum[:]) {
			t.Errorf("size %d: fetched %d octets with hash %s", size, got.Len(), d.Hash)
		}
	}
	jobs, err := client.Jobs(ctx, fax.JobFilter{Drawer: fax.Pending})
	if err != nil || len(jobs) != 6 {
		t.Fatalf("%d jobs, %v", len(jobs), err)
	}
	one, err := client.Job(ctx, jobs[2].ID)
	if err != nil || one.ID != jobs[2].ID {
		t.Fatalf("job %+v, %v", one, err)
	}
	if one, err = client.Direct(ctx, one.ID, fax.Cancelled); err != nil || one.State != fax.Cancelled {
		t.Fatalf("after cancel: %+v, %v", one, err)
	}
	_, err = client.Direct(ctx, one.ID, fax.Held)
	wantKind(t, err, fax.Conflict)
}

func TestLongListsCome(t *testing.T) {
	c := start(t, "north")
	for i := range 1500 {
		c.Desk.PutJob(fax.Job{ID: fmt.Sprintf("job%05d", i), Owner: "reception", Number: "1", State: fax.Done,
			Reason: strings.Repeat("because ", 100), Last: &fax.Attempt{Number: 1, Remote: "far away"}}, nil)
	}
	client := login(t, c, "reception", clientlib.Options{})
	jobs, err := client.Jobs(patience(t), fax.JobFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if len(jobs) != 1500 || jobs[0].ID != "job00000" || jobs[1499].ID != "job01499" || jobs[700].Last.Remote != "far away" {
		t.Fatalf("%d jobs came", len(jobs))
	}
}

func TestErrorsComeAsTheyAre(t *testing.T) {
	c := start(t, "north")
	client := login(t, c, "reception", clientlib.Options{})
	ctx := patience(t)
	_, err := client.Job(ctx, "nosuch")
	wantKind(t, err, fax.NotFound)
	wantKind(t, client.AddAccount(ctx, "other", password, fax.Individual), fax.NotAllowed)
	_, err = client.Jobs(ctx, fax.JobFilter{All: true})
	wantKind(t, err, fax.NotAllowed)
	c.Desk.Fail(wire.CmdJobs, errors.New("bbolt: page 17 is torn"))
	_, err = client.Jobs(ctx, fax.JobFilter{})
	wantKind(t, err, fax.Internal)
	if strings.Contains(err.Error(), "bbolt") {
		t.Errorf("the client was told %q", err)
	}
	_, err = client.Fetch(ctx, "nosuch", io.Discard)
	wantKind(t, err, fax.NotFound)
	_, err = client.Submit(ctx, fax.Order{Number: "call me"}, strings.NewReader("x"), 1, nil)
	wantKind(t, err, fax.Invalid)
	_, err = client.Submit(ctx, fax.Order{Number: "1"}, strings.NewReader("x"), 1<<30, nil)
	wantKind(t, err, fax.TooLarge)
	_, err = client.Submit(ctx, fax.Order{Number: "1"}, strings.NewReader("four"), 5, nil)
	wantKind(t, err, fax.Invalid)
	if _, err := client.Jobs(ctx, fax.JobFilter{}); err != nil {
		t.Errorf("after the errors: %v", err)
	}
}

func TestLogin(t *testing.T) {
	c := start(t, "north")
	client := dial(t, c, clientlib.Options{Program: "test/1"})
	ctx := patience(t)
	_, err := client.Jobs(ctx, fax.JobFilter{})
	wantKind(t, err, fax.BadLogin)
	for _, name := range []string{"", "../x", "a\x00b", " padded ", strings.Repeat("n", 65), "bad\xff"} {
		_, err = client.Login(ctx, name, password)
		wantKind(t, err, fax.Invalid)
	}
	for range 5 { // more often than one connection may try
		_, err = client.Login(ctx, "reception", "wrong")
		wantKind(t, err, fax.BadLogin)
	}
	session, err := client.Login(ctx, "RECEPTION", password)
	if err != nil || session.Account != "reception" || session.Home != "north" || client.Session().ID != session.ID {
		t.Fatalf("session %+v, %v", session, err)
	}
	_, err = client.Login(ctx, "admin", password)
	wantKind(t, err, fax.Conflict)

	second := dial(t, c, clientlib.Options{})
	if again, err := second.Resume(ctx, session.Token); err != nil || again.ID != session.ID {
		t.Fatalf("resumed %+v, %v", again, err)
	}
	if err := second.Logout(ctx); err != nil {
		t.Fatal(err)
	}
	if _, open := <-second.Events(); open || second.Err() != nil {
		t.Errorf("after logout: events open %v, %v", open, second.Err())
	}
	third := dial(t, c, clientlib.Options{})
	_, err = third.Resume(ctx, session.Token)
	wantKind(t, err, fax.BadLogin)
}

func TestAdministration(t *testing.T) {
	c := start(t, "north")
	client := login(t, c, "admin", clientlib.Options{})
	ctx := patience(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(client.AddAccount(ctx, "Jörg", "secret phrase", fax.Individual))
	wantKind(t, client.AddAccount(ctx, "jörg", "secret phrase", fax.Individual), fax.Exists)
	must(client.SetRights(ctx, "Jörg", fax.Administrator))
	must(client.SetPassword(ctx, "Jörg", "", "another phrase"))
	wantKind(t, client.SetPassword(ctx, "admin", "not it", "x"), fax.BadLogin)
	list, err := client.Accounts(ctx)
	must(err)
	if len(list) != 3 || list[0].Name != "Jörg" || list[0].Rights != fax.Administrator {
		t.Errorf("accounts %+v", list)
	}
	must(client.DropAccount(ctx, "jörg"))
	must(client.PutDialRule(ctx, fax.DialRule{Prefix: "02", Node: "south"}))
	rules, err := client.DialRules(ctx)
	must(err)
	if len(rules) != 1 || rules[0].Node != "south" {
		t.Errorf("rules %+v", rules)
	}
	must(client.DropDialRule(ctx, "02"))
	must(client.PutRoute(ctx, fax.Route{Number: "300", Accounts: []string{"reception"}}))
	routes, err := client.Routes(ctx)
	must(err)
	if len(routes) != 1 || routes[0].Accounts[0] != "reception" {
		t.Errorf("routes %+v", routes)
	}
	token, err := client.NewToken(ctx, 1, 24)
	must(err)
	if !strings.HasSuffix(token, "-1-24") {
		t.Errorf("token %q", token)
	}
	record, err := client.Activity(ctx, 0, 10)
	must(err)
	if len(record) != 1 || record[0].What != "login" {
		t.Errorf("activity %+v", record)
	}
	c.Desk.PutReceived(fax.ReceivedFax{ID: "rx1", Called: "300", Fax: fax.Document{Pages: 2}}, document(10))
	must(client.Assign(ctx, "rx1", []string{"reception"}))
	in, err := login(t, c, "reception", clientlib.Options{}).Inbox(ctx, 0)
	must(err)
	if len(in) != 1 || in[0].ID != "rx1" || in[0].Fax.Pages != 2 {
		t.Errorf("inbox %+v", in)
	}
	nodes, err := client.Cluster(ctx)
	must(err)
	if len(nodes) != 1 || nodes[0].Node.Name != "north" || !nodes[0].Alive {
		t.Errorf("nodes %+v", nodes)
	}
}

func TestManyAtOnceOverOneConnection(t *testing.T) {
	c := start(t, "north")
	client := login(t, c, "reception", clientlib.Options{})
	ctx := patience(t)
	errs := make(chan error)
	for i := range 12 {
		go func() {
			doc := document(300<<10 + i)
			job, err := client.Submit(ctx, fax.Order{Number: "1"}, bytes.NewReader(doc), -1, nil)
			var got bytes.Buffer
			if err == nil {
				_, err = client.Fetch(ctx, job.ID, &got)
			}
			if err == nil && !bytes.Equal(got.Bytes(), doc) {
				err = errors.New("another document came back")
			}
			errs <- err
		}()
	}
	for range 12 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestGivingUpARequestLeavesTheConnectionWhole(t *testing.T) {
	c := start(t, "north")
	client := login(t, c, "reception", clientlib.Options{})
	ctx, cancel := context.WithCancel(patience(t))
	_, err := client.Submit(ctx, fax.Order{Number: "1"}, readerFunc(func(p []byte) (int, error) {
		cancel()
		return len(p), nil
	}), -1, nil)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	node := client.Node()
	if _, err := client.Jobs(patience(t), fax.JobFilter{}); err != nil || node != "north" {
		t.Fatalf("after giving up at %q: %v", node, err)
	}
	broken := errors.New("the disk is full")
	c.Desk.PutJob(fax.Job{ID: "job1", Owner: "reception"}, document(1<<20))
	_, err = client.Fetch(patience(t), "job1", writerFunc(func([]byte) (int, error) { return 0, broken }))
	if !errors.Is(err, broken) {
		t.Fatalf("error %v", err)
	}
	_, err = client.Submit(patience(t), fax.Order{Number: "1"}, readerFunc(func([]byte) (int, error) { return 0, broken }), -1, nil)
	if !errors.Is(err, broken) {
		t.Fatalf("error %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
