//go:build linux

package scenario

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/modem/t4"
	"github.com/faxmesh/faxmesh/modem/tiff"
)

// Calls of these tests: lines run lineSpeed times as fast as real ones, so that
// a page of the letter takes about two seconds.
const (
	lineSpeed = 20
	pageTime  = 20 * time.Second // for a page to go through, on a slow machine
	sentTime  = 60 * time.Second // for a whole fax, with a repeated call
)

// TestSenderFalls: the node that sends is stopped and killed in the middle of
// a call; the fax goes on at the first page that was not confirmed.
func TestSenderFalls(t *testing.T) {
	t.Parallel()
	s := begin(t)
	south := s.sender
	s.tell(t, "the sender is stopped", 2, func() {
		south.proc.said.await(t, 0, "page=1 pages=3", pageTime)
		south.proc.stop(t)
		south.run(t)
	})
	s.tell(t, "the sender is killed", 2, func() {
		south.proc.said.await(t, 0, "page=1 pages=3", pageTime)
		south.proc.kill()
		south.run(t)
	})
}

// TestReceiverFalls: the node that receives is stopped and killed in the middle
// of a call, and at its end; what it has confirmed it has.
func TestReceiverFalls(t *testing.T) {
	t.Parallel()
	s := begin(t)
	south, west := s.sender, s.receiver
	s.tell(t, "the receiver is stopped", 2, func() {
		south.proc.said.await(t, south.proc.said.mark(), "page=1 pages=3", pageTime)
		west.proc.stop(t)
		west.run(t)
	})
	s.tell(t, "the receiver is killed", 2, func() {
		south.proc.said.await(t, south.proc.said.mark(), "page=1 pages=3", pageTime)
		west.proc.kill()
		west.run(t)
	})
	s.tell(t, "the receiver is killed when it has all", 1, func() {
		west.proc.said.await(t, west.proc.said.mark(), `msg="call ended"`, 3*pageTime)
		west.proc.kill()
		west.run(t)
	})
}

// story is one fax after another over the same lines.
type story struct {
	exchange *process
	client   *clientlib.Client
	north    *node
	sender   *node
	receiver *node
	letter   []byte
	received []string // ids of faxes that came in for earlier ones
}

// begin makes a cluster in which the clerk is at north, south dials what begins
// with 04, and west answers it.
func begin(t *testing.T) *story {
	t.Helper()
	l := newLab(t)
	s := &story{exchange: l.exchange(t, lineSpeed), letter: letter()}
	north := l.found(t, "north")
	s.north = north
	s.sender = l.join(t, north, "south", 1, "0301")
	s.receiver = l.join(t, north, "west", 2, "0401")
	s.client = north.login(t, "admin", adminPassword)
	ctx, cancel := asking(t)
	defer cancel()
	if err := s.client.PutDialRule(ctx, fax.DialRule{Prefix: "04", Node: "south"}); err != nil {
		t.Fatal(err)
	}
	return s
}

// letter is a text of three pages, of which the first two take their time.
func letter() []byte {
	var b bytes.Buffer
	for i := range 130 {
		fmt.Fprintf(&b, "%3d the quick brown fox jumps over the lazy dog, again\n", i)
	}
	return b.Bytes()
}

// tell sends the letter, has the call interrupted, and looks at what came of
// it: every page has arrived, in order, once, in as many calls as it takes.
func (s *story) tell(t *testing.T, what string, calls int, interrupt func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), askTime)
	defer cancel()
	mark := s.exchange.said.mark()
	job, err := s.client.Submit(ctx, fax.Order{Number: "0401", Title: "letter.txt"}, bytes.NewReader(s.letter), int64(len(s.letter)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if job.Fax.Pages != 3 {
		t.Fatalf("the letter has %d pages", job.Fax.Pages)
	}
	interrupt()
	until(t, what+": the fax is sent", sentTime, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), askTime)
		defer cancel()
		if job, err = s.client.Job(ctx, job.ID); err != nil {
			t.Fatal(err)
		}
		return job.State.Ended()
	})
	if job.State != fax.Done || job.Confirmed != 3 || job.Tries != calls {
		t.Errorf("%s: the fax is %s with %d pages confirmed after %d attempts: %s", what, job.State, job.Confirmed, job.Tries, job.Reason)
	}
	if answered := strings.Count(s.exchange.said.String()[mark:], ", answered"); answered != calls {
		t.Errorf("%s: %d calls were answered, want %d:\n%s", what, answered, calls, s.exchange.said.String()[mark:])
	}
	want := s.pages(t, job.ID)
	var got []*t4.Bitmap
	until(t, what+": all pages are in the inbox", sentTime, func() bool {
		got = s.arrived(t)
		return len(got) >= len(want)
	})
	if !slices.EqualFunc(got, want, samePage) {
		t.Errorf("%s: %d pages have arrived, which are not the %d that were sent", what, len(got), len(want))
	}
	s.settle(t)
}

func samePage(a, b *t4.Bitmap) bool {
	return a.Width == b.Width && a.Height == b.Height && bytes.Equal(a.Pix, b.Pix)
}

// inbox is the faxes received for this story, the oldest first.
func (s *story) inbox(t *testing.T) []fax.ReceivedFax {
	t.Helper()
	ctx, cancel := asking(t)
	defer cancel()
	all, err := s.client.Inbox(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	all = slices.DeleteFunc(all, func(f fax.ReceivedFax) bool { return slices.Contains(s.received, f.ID) })
	slices.SortFunc(all, func(a, b fax.ReceivedFax) int { return strings.Compare(a.ID, b.ID) }) // ids grow with time
	return all
}

func (s *story) arrived(t *testing.T) (all []*t4.Bitmap) {
	t.Helper()
	for _, f := range s.inbox(t) {
		all = append(all, s.pages(t, f.ID)...)
	}
	return all
}

// settle remembers what has been received, so that the next fax begins anew.
func (s *story) settle(t *testing.T) {
	for _, f := range s.inbox(t) {
		s.received = append(s.received, f.ID)
	}
}

// pages fetches a fax, at a node that neither sends nor receives.
func (s *story) pages(t *testing.T, id string) (all []*t4.Bitmap) {
	t.Helper()
	ctx, cancel := asking(t)
	defer cancel()
	var file bytes.Buffer
	if _, err := s.client.Fetch(ctx, id, &file); err != nil {
		t.Fatalf("fetch the pages of %s: %v", id, err)
	}
	doc, err := tiff.Open(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for i := range doc.Len() {
		page, _, err := doc.Page(i)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page)
	}
	return all
}

// TestLeaderKilled: the leader is killed while clients submit. What was
// acknowledged is there, once, at every node; what was not was refused in
// words; and after a while submitting works again.
func TestLeaderKilled(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	nodes := []*node{l.found(t, "north")}
	for i, name := range []string{"south", "west"} {
		nodes = append(nodes, l.join(t, nodes[0], name, 1+i))
	}
	leader := settledLeader(t, nodes)
	var others []*node
	for _, n := range nodes {
		if n != leader {
			others = append(others, n)
		}
	}
	clerks := []*clerk{{client: leader.login(t, "admin", adminPassword)}, {client: others[0].login(t, "admin", adminPassword)}}
	ctx, cancel := context.WithTimeout(t.Context(), sentTime)
	defer cancel()
	var work sync.WaitGroup
	before, enough := make(chan struct{}, 2), make(chan struct{})
	for _, c := range clerks {
		work.Go(func() { c.submit(ctx, before, enough) })
	}
	for range clerks {
		<-before
	}
	leader.proc.kill()
	close(enough) // from now on each ends when the cluster has taken some more
	work.Wait()

	leader.run(t)
	for _, n := range nodes {
		c := n.login(t, "admin", adminPassword)
		for _, clerk := range clerks {
			clerk.check(t, n.name, c)
		}
	}
	for _, c := range clerks {
		t.Logf("%d orders were acknowledged, %d refused: %v", len(c.acknowledged), len(c.refused), c.refused)
		if len(c.acknowledged) < ordersBefore+ordersAfter {
			t.Errorf("only %d orders were acknowledged, the last refusal is %v", len(c.acknowledged), c.refused)
		}
	}
}

// How many orders a clerk has acknowledged before the leader is killed, and
// after it.
const (
	ordersBefore = 5
	ordersAfter  = 5
)

// clerk submits one order after another and remembers what he was told.
type clerk struct {
	client       *clientlib.Client
	acknowledged []string
	refused      []error
}

func (c *clerk) submit(ctx context.Context, before chan<- struct{}, enough <-chan struct{}) {
	left := ordersAfter
	for ctx.Err() == nil && left > 0 {
		id := clientlib.NewID()
		_, err := c.client.Submit(ctx, fax.Order{ID: id, Number: "0999", Title: "later", NotBefore: fax.At(time.Now().Add(time.Hour))},
			strings.NewReader("one page\n"), 9, nil)
		if err != nil {
			c.refused = append(c.refused, err)
			continue
		}
		c.acknowledged = append(c.acknowledged, id)
		if len(c.acknowledged) == ordersBefore {
			before <- struct{}{}
		}
		select {
		case <-enough:
			left--
		default:
		}
	}
}

// check: every acknowledged order is a job at this node, once, and every
// refusal has words for people.
func (c *clerk) check(t *testing.T, at string, client *clientlib.Client) {
	t.Helper()
	count := func() map[string]int {
		ctx, cancel := asking(t)
		defer cancel()
		jobs, err := client.Jobs(ctx, fax.JobFilter{})
		if err != nil {
			t.Fatal(err)
		}
		times := map[string]int{}
		for _, j := range jobs {
			times[j.ID]++
		}
		return times
	}
	until(t, at+" knows the acknowledged orders", readyTime, func() bool {
		times := count()
		return !slices.ContainsFunc(c.acknowledged, func(id string) bool { return times[id] != 1 })
	})
	for _, err := range c.refused {
		if kind := fax.KindOf(err); kind != fax.Unavailable && kind != fax.Busy {
			t.Errorf("an order was refused as %s: %v", kind, err)
		}
	}
}

// settledLeader waits until all nodes vote and gives the one that leads.
func settledLeader(t *testing.T, nodes []*node) *node {
	t.Helper()
	c := nodes[0].login(t, "admin", adminPassword)
	var leader *node
	until(t, "every node votes", readyTime, func() bool {
		ctx, cancel := asking(t)
		defer cancel()
		status, err := c.Cluster(ctx)
		if err != nil {
			t.Fatal(err)
		}
		voters := 0
		leader = nil
		for _, s := range status {
			if s.Voter {
				voters++
			}
			if i := slices.IndexFunc(nodes, func(n *node) bool { return n.name == s.Node.Name }); s.Leader && i >= 0 {
				leader = nodes[i]
			}
		}
		return voters == len(nodes) && leader != nil
	})
	return leader
}
