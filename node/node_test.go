package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/settings"
	"github.com/faxmesh/faxmesh/cluster"
	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/class1"
	"github.com/faxmesh/faxmesh/modem/exchange"
	"github.com/faxmesh/faxmesh/modem/t4"
	"github.com/faxmesh/faxmesh/modem/tiff"
	"github.com/faxmesh/faxmesh/node/desk"
	"github.com/faxmesh/faxmesh/node/lines"
	"github.com/faxmesh/faxmesh/node/queue"
)

const (
	password = "a good password"
	speed    = 60 // of the simulated lines
)

// town is three servers in one process, over real sockets, with simulated
// telephone lines: 01… at north, 02… at south, 03… at west.
type town struct {
	t     *testing.T
	x     *exchange.Exchange
	nodes map[string]*Node
	dirs  map[string]string
	peer  map[string]string // addresses of the cluster ports
	log   io.Writer
	after time.Duration // without a leader a node is an island
}

var names = []string{"north", "south", "west"}

func found(t *testing.T) *town { return foundWith(t, 0) }

// foundWith makes nodes that are islands after so long.
func foundWith(t *testing.T, after time.Duration) *town {
	t.Helper()
	x := exchange.New(exchange.Config{Speed: speed})
	t.Cleanup(func() { x.Close() })
	x.Reserve("0399", exchange.AlwaysBusy)
	w := &town{t: t, x: x, nodes: map[string]*Node{}, dirs: map[string]string{}, peer: map[string]string{}, log: io.Discard, after: after}
	if os.Getenv("FAXMESH_TEST_LOG") != "" {
		w.log = os.Stderr // not t.Output: memberlist may log after the test
	}
	hash, err := desk.HashPassword(password)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		w.dirs[name] = t.TempDir()
	}
	if err := cluster.Init(w.dirs["north"], cluster.Options{Name: "north", Admin: "admin", AdminHash: hash}); err != nil {
		t.Fatal(err)
	}
	w.open("north")
	token, err := w.nodes["north"].Cluster().NewToken(patience(t), "admin", 2, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names[1:] {
		if err := cluster.Join(patience(t), w.dirs[name], token, w.peer["north"], cluster.Options{Name: name}); err != nil {
			t.Fatal(err)
		}
		w.open(name)
	}
	w.settle()
	return w
}

// settle waits until all nodes vote and each sees the lines of all.
func (w *town) settle() {
	w.t.Helper()
	waitFor(w.t, "the nodes know one another", func() bool {
		for _, n := range w.nodes {
			voters := 0
			for _, m := range n.Cluster().Members() {
				if m.Voter && m.Alive {
					voters++
				}
			}
			if voters != len(names) || len(n.Cluster().Presence().Lines()) != 2*len(names) {
				return false
			}
		}
		return true
	})
}

func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func (w *town) plug(number string) modem.Modem {
	w.t.Helper()
	port, err := w.x.Plug(number)
	if err != nil {
		w.t.Fatal(err)
	}
	phone, err := class1.Open(patience(w.t), port, class1.Config{Speed: w.x.Speed(), CallerWait: -1})
	if err != nil {
		w.t.Fatal(err)
	}
	return modem.New(phone, modem.Options{})
}

func (w *town) open(name string) {
	w.t.Helper()
	listen := w.peer[name]
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	prefix := fmt.Sprintf("0%d0", slices.Index(names, name)+1)
	n, err := Open(patience(w.t), Config{
		Cluster: cluster.Options{Dir: w.dirs[name], Name: name, PeerListen: listen, IslandAfter: w.after,
			Logger: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))},
		ClientListen: "127.0.0.1:0",
		Station:      "+" + prefix,
		Lines: []Line{{Name: name + "-1", Number: prefix + "1", Kind: "simulated", Modem: w.plug(prefix + "1")},
			{Name: name + "-2", Number: prefix + "2", Kind: "simulated", Modem: w.plug(prefix + "2")}},
		Retry: queue.Policy{Minute: 200 * time.Millisecond},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.nodes[name], w.peer[name] = n, n.PeerAddr().String()
	w.t.Cleanup(func() {
		if err := n.Close(); err != nil {
			w.t.Error(err)
		}
	})
}

// dial connects to a node, with a notification port.
func (w *town) dial(node string) *clientlib.Client {
	w.t.Helper()
	l, err := clientlib.Listen(settings.NotifyPort{Low: 1500, High: 20000})
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := clientlib.Dial(patience(w.t), []string{w.nodes[node].ClientAddr().String()}, clientlib.Options{
		OnFirstUse: func(string) error { return nil }, Listener: l, Program: "test"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c
}

func (w *town) login(node, account string) *clientlib.Client {
	w.t.Helper()
	c := w.dial(node)
	if _, err := c.Login(patience(w.t), account, password); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// must is for what has to succeed.
func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// until takes events, each of which must come after the last, until one is of
// the kind. It returns all.
func until(t *testing.T, c *clientlib.Client, id string, kind fax.EventKind) (all []clientlib.Delivery) {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case d, open := <-c.Events():
			if !open {
				t.Fatalf("no more events: %v", c.Err())
			}
			if n := len(all); n > 0 && d.Event.Seq != all[n-1].Event.Seq+1 {
				t.Errorf("event %d follows %d", d.Event.Seq, all[n-1].Event.Seq)
			}
			all = append(all, d)
			if d.Event.Kind == kind && (id == "" || d.Event.Fax == id) {
				return all
			}
		case <-timeout:
			t.Fatalf("no event %q; there were %+v", kind, all)
		}
	}
}

// text is a document of so many pages.
func text(pages int) string {
	var b strings.Builder
	for i := range pages {
		if i > 0 {
			b.WriteByte('\f')
		}
		fmt.Fprintf(&b, "Referral, page %d\n\nThe quick brown fox jumps over the lazy dog.\n", i+1)
	}
	return b.String()
}

func send(t *testing.T, c *clientlib.Client, number string, pages int) fax.Job {
	t.Helper()
	doc := text(pages)
	return must(c.Submit(patience(t), fax.Order{Number: number, Title: "referral"}, strings.NewReader(doc), int64(len(doc)), nil))(t)
}

func fetch(t *testing.T, c *clientlib.Client, id string) []*t4.Bitmap {
	t.Helper()
	var b bytes.Buffer
	must(c.Fetch(patience(t), id, &b))(t)
	f := must(tiff.Open(bytes.NewReader(b.Bytes()), int64(b.Len())))(t)
	var pages []*t4.Bitmap
	for i := range f.Len() {
		p, _, err := f.Page(i)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, p)
	}
	return pages
}

// TestTown is the product in small: the subtests share its three servers and
// follow one another.
func TestTown(t *testing.T) {
	t.Parallel()
	w := found(t)
	admin := w.login("north", "admin")
	for _, name := range []string{"reception", "records"} {
		if err := admin.AddAccount(patience(t), name, password, fax.Individual); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(
		admin.PutDialRule(patience(t), fax.DialRule{Prefix: "03", Node: "south"}),
		admin.PutRoute(patience(t), fax.Route{Number: "0301", Accounts: []string{"records"}}),
	); err != nil {
		t.Fatal(err)
	}
	t.Run("a fax crosses the cluster", w.crosses)
	t.Run("busy, then cancelled in the queue", w.busy)
	t.Run("cancelled on the line", w.cancelled)
	t.Run("logged out for good", w.loggedOut)
	t.Run("the next of a name", w.namesake)
	t.Run("bad documents", w.badDocuments)
	t.Run("what a crash left in the spool", w.spool)
	t.Run("a client goes on elsewhere", w.elsewhere)
}

func (w *town) crosses(t *testing.T) {
	reception, records := w.login("north", "reception"), w.login("south", "records")
	job := send(t, reception, "0301", 2)
	if job.Fax.Pages != 2 {
		t.Fatalf("job = %+v", job)
	}
	told := until(t, reception, job.ID, fax.EventSent)
	var kinds []fax.EventKind
	for _, d := range told {
		if kinds = append(kinds, d.Event.Kind); d.Event.Kind != fax.EventQueued && d.Event.Node != "south" {
			t.Errorf("%s was done by %s, want south", d.Event.Kind, d.Event.Node)
		}
		if d.Node != d.Event.Node || d.Via != clientlib.ViaCallback {
			t.Errorf("%s of %s came from %s by %s, want a callback by the node itself", d.Event.Kind, d.Event.Node, d.Node, d.Via)
		}
	}
	if kinds = slices.Compact(kinds); !slices.Equal(kinds, []fax.EventKind{fax.EventQueued, fax.EventDialing, fax.EventPage, fax.EventSent}) {
		t.Errorf("told %q", kinds)
	}
	got := until(t, records, "", fax.EventReceived)
	in := got[len(got)-1]
	if len(got) != 1 || in.Node != "west" || in.Event.Node != "west" || in.Via != clientlib.ViaCallback || in.Event.Pages != 2 {
		t.Errorf("records was told %+v", got)
	}
	sent, received := fetch(t, reception, job.ID), fetch(t, records, in.Event.Fax)
	if len(sent) != 2 || len(received) != 2 {
		t.Fatalf("%d pages sent, %d received", len(sent), len(received))
	}
	for i := range sent {
		if sent[i].Width != received[i].Width || sent[i].Height != received[i].Height || !bytes.Equal(sent[i].Pix, received[i].Pix) {
			t.Errorf("page %d differs", i+1)
		}
	}
	if j := must(reception.Job(patience(t), job.ID))(t); j.State != fax.Done || j.Tries != 1 || j.Last.Node != "south" || j.Confirmed != 2 {
		t.Errorf("job = %+v, last %+v", j, j.Last)
	}
	if text, ok := w.nodes["south"].Transcript(job.ID); !ok || !strings.Contains(text, "DIS") {
		t.Errorf("transcript %q", text)
	}
	if _, err := records.Job(patience(t), job.ID); fax.KindOf(err) != fax.NotFound {
		t.Errorf("records sees reception's job: %v", err)
	}
}

func (w *town) busy(t *testing.T) {
	c := w.login("west", "reception")
	job := send(t, c, "0399", 1)
	until(t, c, job.ID, fax.EventRetry)
	told := until(t, c, job.ID, fax.EventRetry)
	if last := told[len(told)-1]; !strings.Contains(last.Event.Text, "busy") {
		t.Errorf("told %+v", last)
	}
	if err := func() error {
		_, err := c.Direct(patience(t), job.ID, fax.Cancelled)
		return err
	}(); err != nil {
		t.Fatal(err)
	}
	until(t, c, job.ID, fax.EventCancelled)
	if j := must(c.Job(patience(t), job.ID))(t); j.State != fax.Cancelled || j.Tries < 2 {
		t.Errorf("job = %+v", j)
	}
}

func (w *town) cancelled(t *testing.T) {
	c := w.login("south", "reception")
	job := send(t, c, "0302", 30)
	until(t, c, job.ID, fax.EventPage)
	must(c.Direct(patience(t), job.ID, fax.Cancelled))(t)
	until(t, c, job.ID, fax.EventCancelled)
	if j := must(c.Job(patience(t), job.ID))(t); j.State != fax.Cancelled || j.Confirmed < 1 || j.Confirmed == 30 || j.Tries != 1 {
		t.Errorf("job = %+v", j)
	}
	// The receiving line has heard of it as soon as that: it does not wait for
	// a page that will not come.
	left := time.Now()
	waitFor(t, "the receiving line is free", func() bool {
		return slices.ContainsFunc(w.nodes["west"].Cluster().Presence().Lines(), func(l fax.LineState) bool {
			return l.Number == "0302" && l.State == lines.Free
		})
	})
	if took := time.Since(left); took > 5*time.Second {
		t.Errorf("the receiving line was busy for %v more", took)
	}
	// What was confirmed is there: it waits, unrouted, for those who assign.
	admin := w.login("north", "admin")
	waitFor(t, "the part that was received is filed", func() bool {
		in := must(admin.Inbox(patience(t), 0))(t)
		return len(in) > 0 && in[0].Called == "0302" && in[0].Fax.Pages >= 1 && in[0].Status != 0
	})
}

// loggedOut: a logout at one node voids the session at all.
func (w *town) loggedOut(t *testing.T) {
	c := w.login("north", "reception")
	token := c.Session().Token
	other := w.dial("south")
	again := must(other.Resume(patience(t), token))(t)
	if again.ID != c.Session().ID {
		t.Fatalf("another session: %s, %s", again.ID, c.Session().ID)
	}
	must(c.Jobs(patience(t), fax.JobFilter{}))(t)
	if err := other.Logout(patience(t)); err != nil {
		t.Fatal(err)
	}
	// The majority knows now, the third node in a moment.
	for _, name := range names {
		for _, old := range []string{token, again.Token} {
			waitFor(t, "the session has ended at "+name, func() bool {
				_, err := w.dial(name).Resume(patience(t), old)
				if err != nil && fax.KindOf(err) != fax.BadLogin {
					t.Fatal(err)
				}
				return err != nil
			})
		}
	}
	if _, err := c.Jobs(patience(t), fax.JobFilter{}); fax.KindOf(err) != fax.BadLogin {
		t.Errorf("a connection that was open: %v", err)
	}
}

// namesake: who has the name of an account that is gone has none of its faxes,
// and its news do not go to the sessions of the one before.
func (w *town) namesake(t *testing.T) {
	admin := w.login("north", "admin")
	add := func() {
		t.Helper()
		if err := admin.AddAccount(patience(t), "temp", password, fax.Individual); err != nil {
			t.Fatal(err)
		}
	}
	add()
	first := w.login("south", "temp")
	job := send(t, first, "0301", 1)
	until(t, first, job.ID, fax.EventSent)
	if err := admin.DropAccount(patience(t), "temp"); err != nil {
		t.Fatal(err)
	}
	add()
	second := w.login("south", "temp")
	jobs, in := must(second.Jobs(patience(t), fax.JobFilter{}))(t), must(second.Inbox(patience(t), 0))(t)
	if len(jobs) != 0 || len(in) != 0 {
		t.Errorf("the second sees %+v, %+v", jobs, in)
	}
	if _, err := second.Job(patience(t), job.ID); fax.KindOf(err) != fax.NotFound {
		t.Errorf("the first one's job: %v", err)
	}
	if all := must(admin.Jobs(patience(t), fax.JobFilter{All: true}))(t); !slices.ContainsFunc(all, func(j fax.Job) bool { return j.ID == job.ID }) {
		t.Error("the administrator does not see the job any more")
	}
	until(t, second, send(t, second, "0301", 1).ID, fax.EventSent)
	for {
		select {
		case d, open := <-first.Events():
			if !open {
				return
			}
			if d.Event.Fax != job.ID {
				t.Errorf("the first is told of the second's fax: %+v", d)
			}
		default:
			return
		}
	}
}

func (w *town) badDocuments(t *testing.T) {
	c := w.login("north", "reception")
	for doc, kind := range map[string]fax.Kind{"": fax.Invalid, "%PDF-1.7 ": fax.Unsupported, "II*\x00\xff\xff\xff\xff": fax.Invalid} {
		_, err := c.Submit(patience(t), fax.Order{Number: "0301"}, strings.NewReader(doc), int64(len(doc)), nil)
		if err == nil || fax.KindOf(err) != kind {
			t.Errorf("%q: %v, want an error of kind %v", doc, err, kind)
		}
	}
}

// spool: a server that died after it had confirmed a page files the page when
// it is back.
func (w *town) spool(t *testing.T) {
	if err := w.nodes["west"].Close(); err != nil {
		t.Fatal(err)
	}
	image := t4.NewBitmap(1728, 100)
	image.Pix[7] = 0xA5
	stored := make(chan error, 1)
	dead, err := lines.Open(lines.Config{Node: "west", Dir: w.dirs["west"], NewID: func() string { return desk.NewID(time.Now()) },
		Lines:   []lines.Line{{Name: "west-1", Number: "0301", Modem: &ringing{image: image, stored: stored}}},
		Publish: func(fax.LineState) {}, Log: slog.New(slog.DiscardHandler),
		Deliver: func(context.Context, fax.ReceivedFax, modem.Pages) error { return errors.New("about to die") }})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-stored; err != nil {
		t.Fatal(err)
	}
	dead.Close()
	records := w.login("south", "records")
	w.open("west")
	// A fax that was cut off earlier may be told of first. If this one never is,
	// until fails.
	for {
		told := until(t, records, "", fax.EventReceived)
		id := told[len(told)-1].Event.Fax
		// South may not have seen yet that west is back.
		waitFor(t, "the page can be fetched", func() bool {
			_, err := records.Fetch(patience(t), id, io.Discard)
			return err == nil
		})
		if pages := fetch(t, records, id); len(pages) == 1 && bytes.Equal(pages[0].Pix, image.Pix) {
			break
		}
	}
	if left := must(filepath.Glob(filepath.Join(w.dirs["west"], "spool", "*")))(t); len(left) != 0 {
		waitFor(t, "the spool is empty", func() bool {
			left, _ := filepath.Glob(filepath.Join(w.dirs["west"], "spool", "*"))
			return len(left) == 0
		})
	}
}

// ringing is a modem that has one call with one page.
type ringing struct {
	image  *t4.Bitmap
	stored chan error
	rung   bool
}

func (r *ringing) WaitRing(ctx context.Context) (modem.Ring, error) {
	if !r.rung {
		r.rung = true
		return modem.Ring{}, nil
	}
	<-ctx.Done()
	return modem.Ring{}, ctx.Err()
}

func (r *ringing) Receive(ctx context.Context, in modem.Incoming) modem.Report {
	r.stored <- in.Store(ctx, modem.ReceivedPage{Image: r.image, Resolution: t4.Fine})
	return modem.Report{Pages: 1}
}

func (r *ringing) Send(context.Context, modem.Outgoing) modem.Report { return modem.Report{} }
func (r *ringing) Reset(context.Context) error                       { return nil }
func (r *ringing) Close() error                                      { return nil }

// elsewhere: the client's node stops; it goes on at another one with the same
// session, and a fax is sent without the stopped one.
func (w *town) elsewhere(t *testing.T) {
	c := w.login("north", "reception")
	session := c.Session().ID
	if err := errors.Join(w.nodes["north"].Close(), w.nodes["north"].Close()); err != nil {
		t.Fatal(err)
	}
	var job fax.Job
	waitFor(t, "a job is taken elsewhere", func() bool {
		var err error
		doc := text(1)
		job, err = c.Submit(patience(t), fax.Order{Number: "0301"}, strings.NewReader(doc), int64(len(doc)), nil)
		return err == nil
	})
	if c.Session().ID != session || c.Node() == "north" {
		t.Errorf("session %s at %s, was %s", c.Session().ID, c.Node(), session)
	}
	told := until(t, c, job.ID, fax.EventSent)
	if last := told[len(told)-1]; last.Node != "south" {
		t.Errorf("told by %s", last.Node)
	}
}

func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not come about that %s", what)
		}
	}
}

// TestOpenRefuses: a server that cannot start says why and leaves nothing.
func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(t.Context(), Config{Cluster: cluster.Options{Dir: dir}, ClientListen: "127.0.0.1:0"}); fax.KindOf(err) != fax.NotFound {
		t.Errorf("a directory without a cluster: %v", err)
	}
	hash := must(desk.HashPassword(password))(t)
	if err := cluster.Init(dir, cluster.Options{Name: "north", Admin: "admin", AdminHash: hash}); err != nil {
		t.Fatal(err)
	}
	options := cluster.Options{Dir: dir, PeerListen: "127.0.0.1:0"}
	n := must(Open(t.Context(), Config{Cluster: options, ClientListen: "127.0.0.1:0"}))(t)
	m := &ringing{rung: true}
	_, err := Open(t.Context(), Config{Cluster: options, ClientListen: n.ClientAddr().String(), Lines: []Line{{Name: "l", Modem: m}}})
	if err == nil || !strings.Contains(err.Error(), "client port") {
		t.Errorf("a port in use: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	again := must(Open(t.Context(), Config{Cluster: options, ClientListen: n.ClientAddr().String()}))(t)
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}
