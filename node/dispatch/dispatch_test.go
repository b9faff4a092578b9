package dispatch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/journal"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/node/queue"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// cluster is a real ledger without consensus: one log, one state, which all
// nodes of a test see at once.
type cluster struct {
	t      *testing.T
	ledger *ledger.Ledger

	mu    sync.Mutex
	index uint64
	cut   map[string]bool                             // nodes that cannot reach the majority
	dead  map[string]bool                             // nodes that do not answer
	old   map[string][]fax.Job                        // of nodes whose ledger stands still: what runs, as they see it
	alone map[string]bool                             // and of these, those that know it; set before they are served
	take  func(ledger.Command) (ledger.Result, error) // what they do then
	lines map[string]fax.LineState
	log   []ledger.Command
	bells []chan struct{}

	reads atomic.Int64 // of the queue
}

func newCluster(t *testing.T) *cluster {
	l, err := ledger.Open(filepath.Join(t.TempDir(), "ledger"), quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c := &cluster{t: t, ledger: l, cut: map[string]bool{}, dead: map[string]bool{"gone": true}, lines: map[string]fax.LineState{}}
	c.setLine("south", "s1", "free")
	return c
}

func (c *cluster) apply(cmd ledger.Command) (ledger.Result, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	data, err := ledger.Encode(cmd)
	if err != nil {
		return ledger.Result{}, err
	}
	c.index++
	r, err := c.ledger.ApplyBatch([]ledger.Entry{{Index: c.index, Data: data}})
	if err != nil {
		return ledger.Result{}, err
	}
	if r[0].Err == nil {
		c.log = append(c.log, cmd)
	}
	c.ringLocked()
	return r[0], nil
}

func (c *cluster) ringLocked() {
	for _, b := range c.bells {
		select {
		case b <- struct{}{}:
		default:
		}
	}
}

func (c *cluster) setLine(node, name, state string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines[node+name] = fax.LineState{Node: node, Name: name, State: state}
	c.ringLocked()
}

func (c *cluster) setCut(node string, cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut[node] = cut
}

func (c *cluster) changed() (<-chan struct{}, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := make(chan struct{}, 1)
	c.bells = append(c.bells, b)
	return b, func() {}
}

// applyAll applies commands at once.
func (c *cluster) applyAll(commands []ledger.Command) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	var entries []ledger.Entry
	for _, cmd := range commands {
		data, err := ledger.Encode(cmd)
		if err != nil {
			c.t.Fatal(err)
		}
		c.index++
		entries = append(entries, ledger.Entry{Index: c.index, Data: data})
	}
	results, err := c.ledger.ApplyBatch(entries)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil {
			c.t.Fatal(r.Err)
		}
	}
}

func (c *cluster) submit(id, number string, pages int) {
	c.t.Helper()
	c.applyAll([]ledger.Command{submit(id, number, pages)})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ringLocked()
}

func submit(id, number string, pages int) ledger.Command {
	return ledger.Submit{Job: fax.Job{ID: id, Owner: "reception", Number: number, Home: "north",
		Submitted: fax.At(time.Now()), Fax: fax.Document{Hash: fmt.Sprintf("%064x", 1), Size: 9, Pages: pages}}}
}

func (c *cluster) job(id string) fax.Job {
	c.t.Helper()
	j, err := c.ledger.Job(id)
	if err != nil {
		c.t.Fatal(err)
	}
	return j
}

func (c *cluster) history() []ledger.Command {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.log)
}

// member is the cluster as one node sees it.
type member struct {
	*cluster
	name   string
	leader bool
}

func (m member) Propose(ctx context.Context, cmd ledger.Command) (ledger.Result, error) {
	m.mu.Lock()
	cut := m.cut[m.name]
	m.mu.Unlock()
	if m.alone[m.name] {
		return m.take(cmd)
	}
	if cut {
		<-ctx.Done()
		return ledger.Result{}, ctx.Err()
	}
	return m.apply(cmd)
}

func (m member) IsLeader() bool { return m.leader }

func (m member) Alone() bool { return m.alone[m.name] }

func (m member) Running() ([]fax.Job, error) {
	if old, still := m.old[m.name]; still {
		return slices.Clone(old), nil
	}
	return m.ledger.Jobs(ledger.JobFilter{States: []fax.State{fax.Assigned, fax.Dialing, fax.Sending}})
}

func (m member) Waiting(after ledger.Place, limit int) ([]fax.Job, error) {
	m.reads.Add(1)
	return m.ledger.Jobs(ledger.JobFilter{States: []fax.State{fax.Queued}, Oldest: true, After: after, Limit: limit})
}

func (m member) DialRules() ([]fax.DialRule, error) { return m.ledger.DialRules() }

func (m member) Lines() []fax.LineState {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []fax.LineState
	for _, l := range m.lines {
		all = append(all, l)
	}
	return all
}

func (m member) Answers(_ context.Context, node string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.dead[node]
}

type document int

func (d document) Len() int                     { return int(d) }
func (d document) Page(int) (modem.Page, error) { return modem.Page{}, nil }
func (d document) Close() error                 { return nil }

// server is a node's dispatch with a scripted line.
type server struct {
	*Dispatch
	journal *journal.Journal
}

type dialler func(ctx context.Context, line, job string, out modem.Outgoing) modem.Report

func (c *cluster) serve(name string, leader bool, dir string, dial dialler) *server {
	c.t.Helper()
	return c.open(name, leader, dir, dial, func(_ context.Context, doc fax.Document) (Document, error) { return document(doc.Pages), nil })
}

// open is serve with a way to fetch documents.
func (c *cluster) open(name string, leader bool, dir string, dial dialler, fetch func(context.Context, fax.Document) (Document, error)) *server {
	c.t.Helper()
	j, err := journal.Open(filepath.Join(dir, "journal"), quiet)
	if err != nil {
		c.t.Fatal(err)
	}
	d, err := Open(Config{Node: name, Cluster: member{c, name, leader}, Journal: j, Changed: c.changed, Dial: dial,
		Stations: filepath.Join(dir, "stations.json"),
		Document: fetch, Log: quiet})
	if err != nil {
		c.t.Fatal(err)
	}
	return &server{d, j}
}

func (s *server) close() {
	s.Close()
	s.journal.Close()
}

func noCall(t *testing.T) dialler {
	return func(context.Context, string, string, modem.Outgoing) modem.Report {
		t.Error("dialled, but must not")
		return modem.Report{Status: status.Busy}
	}
}

// sends confirms all pages from out.First on, one each second.
func sends(_ context.Context, _, _ string, out modem.Outgoing) modem.Report {
	for i := out.First; i < out.Pages.Len(); i++ {
		out.Stage(modem.Stage{Name: "page", Page: i, Detail: "V.17 14400, ECM, MMR"})
		time.Sleep(time.Second)
		if err := out.Confirmed(i); err != nil {
			return modem.Report{Status: status.Aborted, Err: err}
		}
	}
	return modem.Report{Status: status.OK, Pages: out.Pages.Len() - out.First, Remote: "+1 WEST"}
}

func kinds(log []ledger.Command) (names []string) {
	for _, c := range log {
		switch c := c.(type) {
		case ledger.Assign:
			names = append(names, fmt.Sprintf("assign %d %s/%s", c.Attempt, c.Node, c.Line))
		case ledger.Progress:
			names = append(names, fmt.Sprintf("%s %d", c.State, c.Confirmed))
		case ledger.Finish:
			names = append(names, fmt.Sprintf("finish %s %d", c.State, c.Confirmed))
		}
	}
	return names
}

func TestSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		s := c.serve("south", true, t.TempDir(), sends)
		defer s.close()
		c.submit("a", "+1 (2) 3", 3)
		time.Sleep(5 * time.Second)
		j := c.job("a")
		if j.State != fax.Done || j.Confirmed != 3 || j.Last.Status != 0 || j.Last.Remote != "+1 WEST" || j.Tries != 1 {
			t.Errorf("job = %+v, last %+v", j, j.Last)
		}
		want := []string{"assign 1 south/s1", "dialing 0", "sending 0", "sending 1", "sending 2", "sending 3", "finish sent 3"}
		// News that come together are told together: confirming a page and
		// beginning the next is one.
		got := slices.Compact(kinds(c.history()))
		if !slices.Equal(got, want) && !slices.Equal(got, slices.Delete(slices.Clone(want), 5, 6)) {
			t.Errorf("told %q, want %q", got, want)
		}
		if r, _ := s.journal.Records(); len(r) != 0 {
			t.Errorf("the journal still has %d records", len(r))
		}
	})
}

// TestLongQueue: however many jobs wait for a node that is gone, those behind
// them are sent, and tried again at their time; the queue is read no more often
// than there is a reason.
func TestLongQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		commands := []ledger.Command{
			ledger.PutNode{Node: fax.Node{Name: "gone", Fingerprint: fmt.Sprintf("%064x", 2)}},
			ledger.PutDialRule{Rule: fax.DialRule{Prefix: "9", Node: "gone"}},
		}
		const rounds = 3
		for i := range (rounds-1)*queuePage*queuePages + 7 {
			commands = append(commands, submit(fmt.Sprint("b", i), "9", 1))
		}
		c.applyAll(commands)
		time.Sleep(time.Second)
		c.submit("late", "1", 1)
		c.submit("later", "2", 1)
		busy := true
		s := c.serve("south", true, t.TempDir(), func(ctx context.Context, line, job string, out modem.Outgoing) modem.Report {
			if out.Number == "2" && busy {
				busy = false
				return modem.Report{Status: status.Busy}
			}
			return sends(ctx, line, job, out)
		})
		defer s.close()
		time.Sleep(4 * time.Second)
		if late, later := c.job("late"), c.job("later"); late.State != fax.Done || later.State != fax.Queued || later.Tries != 1 {
			t.Fatalf("behind a blocked queue the jobs are %s and %s after %d tries", late.State, later.State, later.Tries)
		}
		before := c.reads.Load()
		time.Sleep(time.Until(c.job("later").NotBefore.Time()) + 2*time.Second)
		if j := c.job("later"); j.State != fax.Done || j.Tries != 2 {
			t.Errorf("tried again, the job is %s after %d tries", j.State, j.Tries)
		}
		// It was due, was leased, dialled, told of and ended, and the line was
		// taken and let go: no more than that many sweeps.
		if n := c.reads.Load() - before; n > 8*rounds*queuePages {
			t.Errorf("the queue was read %d times", n)
		}
	})
}

// TestRetry: busy twice, then sent; the schedule is kept and nobody has to
// wake the leader.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		var at []time.Duration
		begun := time.Now()
		s := c.serve("south", true, t.TempDir(), func(ctx context.Context, line, job string, out modem.Outgoing) modem.Report {
			if at = append(at, time.Since(begun).Round(time.Second)); len(at) < 3 {
				return modem.Report{Status: status.Busy}
			}
			return sends(ctx, line, job, out)
		})
		defer s.close()
		c.submit("a", "1", 1)
		time.Sleep(10 * time.Minute)
		if j := c.job("a"); j.State != fax.Done || j.Tries != 3 {
			t.Errorf("job = %+v", j)
		}
		if want := []time.Duration{0, time.Minute, 3 * time.Minute}; !slices.Equal(at, want) {
			t.Errorf("dialled at %v, want %v", at, want)
		}
	})
}

func TestCancelWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		s := c.serve("south", true, t.TempDir(), func(ctx context.Context, _, _ string, out modem.Outgoing) modem.Report {
			if err := out.Confirmed(0); err != nil {
				t.Error(err)
			}
			<-ctx.Done()
			return modem.Report{Status: status.Aborted}
		})
		defer s.close()
		c.submit("a", "1", 2)
		time.Sleep(time.Second)
		if r, err := c.apply(ledger.Direct{Job: "a", State: fax.Cancelled, By: "reception", Node: "north", At: fax.At(time.Now())}); err != nil || r.Err != nil {
			t.Fatal(err, r.Err)
		}
		time.Sleep(time.Second)
		if j := c.job("a"); j.State != fax.Cancelled || j.Confirmed != 1 || j.Reason != "cancelled by reception" {
			t.Errorf("job = %+v", j)
		}
	})
}

// TestLeaseIsRenewed: a call longer than its lease keeps it, and the leader
// does not take it away.
func TestLeaseIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		calls := 0
		s := c.serve("south", true, t.TempDir(), func(ctx context.Context, line, job string, out modem.Outgoing) modem.Report {
			calls++
			select {
			case <-time.After(15 * time.Minute): // longer than lease and reclaim of one page, short of its longest time
			case <-ctx.Done():
			}
			return sends(ctx, line, job, out)
		})
		defer s.close()
		c.submit("a", "1", 1)
		for range 14 {
			time.Sleep(time.Minute)
			if j := c.job("a"); j.Last.Until < fax.At(time.Now()) || !j.State.Running() {
				t.Fatalf("the lease ran out: %+v, last %+v", j, j.Last)
			}
		}
		time.Sleep(5 * time.Minute)
		if j := c.job("a"); j.State != fax.Done || calls != 1 {
			t.Errorf("after %d calls: %+v", calls, j)
		}
	})
}

// TestCutOff: a node that loses the majority in the middle of a call finishes
// it, and the leader waits until no call can be running before it tries
// elsewhere; here the node is back before that.
func TestCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		lead := c.serve("north", true, t.TempDir(), noCall(t))
		defer lead.close()
		s := c.serve("south", false, t.TempDir(), func(ctx context.Context, line, job string, out modem.Outgoing) modem.Report {
			c.setCut("south", true)
			time.Sleep(5 * time.Minute)
			return sends(ctx, line, job, out)
		})
		defer s.close()
		c.setLine("north", "n1", "free")
		if r, err := c.apply(ledger.PutNode{Node: fax.Node{Name: "south", PeerAddr: "h:1", ClientAddr: "h:2", Fingerprint: fmt.Sprintf("%064x", 2)}}); err != nil || r.Err != nil {
			t.Fatal(err, r.Err)
		}
		if r, err := c.apply(ledger.PutDialRule{Rule: fax.DialRule{Prefix: "1", Node: "south"}, Node: "north"}); err != nil || r.Err != nil {
			t.Fatal(err, r.Err)
		}
		c.submit("a", "1", 2)
		time.Sleep(8 * time.Minute)
		if j := c.job("a"); !j.State.Running() || j.Tries != 1 {
			t.Fatalf("while the node is cut off: %+v", j)
		}
		c.setCut("south", false)
		time.Sleep(time.Minute)
		if j := c.job("a"); j.State != fax.Done || j.Confirmed != 2 || j.Tries != 1 {
			t.Errorf("after it is back: %+v", j)
		}
	})
}

// TestReclaim: a node that never comes back loses the attempt that it has begun
// to dial, but only after the longest call. (One that it has not begun is taken
// back at once: TestTakeBack.)
func TestReclaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.submit("a", "1", 1)
		now := fax.At(time.Now())
		if r, err := c.apply(ledger.Assign{Job: "a", Attempt: 1, Node: "gone", Line: "g1", At: now, Until: now + 30_000}); err != nil || r.Err != nil {
			t.Fatal(err, r.Err)
		}
		if r, err := c.apply(ledger.Progress{Job: "a", Attempt: 1, Node: "gone", State: fax.Dialing, At: now, Until: now + 30_000}); err != nil || r.Err != nil {
			t.Fatal(err, r.Err)
		}
		s := c.serve("south", true, t.TempDir(), sends)
		defer s.close()
		last := 30*time.Second + queue.LongestCall(1) + queue.Skew
		time.Sleep(last - time.Second)
		if j := c.job("a"); j.State != fax.Dialing {
			t.Fatalf("reclaimed too early: %+v", j)
		}
		time.Sleep(2 * time.Second)
		if j := c.job("a"); j.State != fax.Queued || j.Last.Status != int(status.Unseen) {
			t.Fatalf("not reclaimed: %+v", j)
		}
		time.Sleep(2 * time.Minute)
		if j := c.job("a"); j.State != fax.Done || j.Last.Node != "south" {
			t.Errorf("not sent elsewhere: %+v", j)
		}
	})
}

// TestRestart: a process that dies in a call goes on at the first page that
// was not confirmed, and confirmed pages that nobody has heard of count.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, dir := newCluster(t), t.TempDir()
		s := c.serve("south", true, dir, func(ctx context.Context, _, _ string, out modem.Outgoing) modem.Report {
			c.setCut("south", true) // so that the ledger hears nothing more
			if err := errors.Join(out.Confirmed(0), out.Confirmed(1)); err != nil {
				t.Error(err)
			}
			<-ctx.Done()
			return modem.Report{Status: status.Aborted}
		})
		c.submit("a", "1", 4)
		time.Sleep(time.Second)
		before, err := s.journal.Records()
		if err != nil {
			t.Fatal(err)
		}
		s.close()

		// What a dead process would have left: the records before the end.
		dead := t.TempDir()
		j, err := journal.Open(filepath.Join(dead, "journal"), quiet)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range before {
			if err := j.Append(r); err != nil {
				t.Fatal(err)
			}
		}
		j.Close()
		if at := c.job("a"); at.Confirmed != 0 || !at.State.Running() {
			t.Fatalf("the ledger knows too much for this test: %+v", at)
		}
		c.setCut("south", false)
		var first []int
		s = c.serve("south", true, dead, func(ctx context.Context, line, job string, out modem.Outgoing) modem.Report {
			first = append(first, out.First)
			return sends(ctx, line, job, out)
		})
		defer s.close()
		time.Sleep(100 * time.Millisecond)
		if j := c.job("a"); j.State != fax.Queued || j.Confirmed != 2 || j.Last.Status != int(status.Unseen) {
			t.Fatalf("after the restart: %+v, last %+v", j, j.Last)
		}
		time.Sleep(3 * time.Minute)
		if j := c.job("a"); j.State != fax.Done || j.Confirmed != 4 || !slices.Equal(first, []int{2}) {
			t.Errorf("then: %+v, begun at pages %v", j, first)
		}
	})
}

// TestRestartAfterLastPage: all pages confirmed, the end not seen: it is sent,
// not sent again.
func TestRestartAfterLastPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, dir := newCluster(t), t.TempDir()
		c.submit("a", "1", 2)
		now := fax.At(time.Now())
		if r, err := c.apply(ledger.Assign{Job: "a", Attempt: 1, Node: "south", Line: "s1", At: now, Until: now + 30_000}); err != nil || r.Err != nil {
			t.Fatal(err, r.Err)
		}
		j, err := journal.Open(filepath.Join(dir, "journal"), quiet)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{`somebody else's`, `call {"job":"a","attempt":1,"pages":2,"confirmed":2}`} {
			if err := j.Append([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		j.Close()
		s := c.serve("south", true, dir, noCall(t))
		defer s.close()
		time.Sleep(time.Hour)
		if j := c.job("a"); j.State != fax.Done || j.Confirmed != 2 {
			t.Errorf("job = %+v", j)
		}
		if r, _ := s.journal.Records(); len(r) != 1 || string(r[0]) != "somebody else's" {
			t.Errorf("journal = %q", r)
		}
	})
}

// TestNoMajorityNoCall: a lease that cannot be renewed is not dialled under,
// nor is one that has run out.
func TestNoMajorityNoCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.setCut("south", true)
		s := c.serve("south", false, t.TempDir(), noCall(t))
		defer s.close()
		c.submit("a", "1", 1)
		c.submit("b", "2", 1)
		now := fax.At(time.Now())
		for _, a := range []ledger.Assign{
			{Job: "a", Attempt: 1, Node: "south", Line: "s1", At: now, Until: now + 30_000},
			{Job: "b", Attempt: 1, Node: "south", Line: "s2", At: now - 30_000, Until: now - 1},
		} {
			if r, err := c.apply(a); err != nil || r.Err != nil {
				t.Fatal(err, r.Err)
			}
		}
		time.Sleep(time.Minute)
		c.setCut("south", false)
		time.Sleep(time.Minute)
		for _, id := range []string{"a", "b"} {
			if j := c.job(id); j.State != fax.Queued || j.Reason == "" {
				t.Errorf("job = %+v", j)
			}
		}
	})
}

// TestClose: a node that is stopped gives its call back at once.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		s := c.serve("south", true, t.TempDir(), func(ctx context.Context, _, _ string, out modem.Outgoing) modem.Report {
			if err := out.Confirmed(0); err != nil {
				t.Error(err)
			}
			<-ctx.Done()
			return modem.Report{Status: status.Aborted}
		})
		c.submit("a", "1", 2)
		time.Sleep(time.Second)
		s.close()
		s.Close()
		if j := c.job("a"); j.State != fax.Queued || j.Confirmed != 1 || j.NotBefore > fax.At(time.Now())+10_000 {
			t.Errorf("job = %+v", j)
		}
	})
}

// TestJournalFails: a page that cannot be noted ends the call; it is never
// told as confirmed.
func TestJournalFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		var s *server
		s = c.serve("south", true, t.TempDir(), func(_ context.Context, _, _ string, out modem.Outgoing) modem.Report {
			s.journal.Close()
			if err := out.Confirmed(0); err == nil {
				t.Error("confirmed a page without a journal")
			}
			return modem.Report{Status: status.Aborted}
		})
		defer s.close()
		c.submit("a", "1", 2)
		time.Sleep(time.Second)
		if j := c.job("a"); j.State != fax.Queued || j.Confirmed != 0 {
			t.Errorf("job = %+v", j)
		}
	})
}
