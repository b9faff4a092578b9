//go:build linux

package scenario

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
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
	s.tell(t, "the sender is stopped", 2, func(job string) {
		s.firstPage(t, job)
		south.proc.stop(t)
		south.run(t)
	})
	s.tell(t, "the sender is killed", 2, func(job string) {
		s.firstPage(t, job)
		south.proc.kill()
		south.run(t)
	})
}

// TestReceiverFalls: the node that receives is stopped and killed in the middle
// of a call, and at its end; what it has confirmed it has.
func TestReceiverFalls(t *testing.T) {
	t.Parallel()
	s := begin(t)
	west := s.receiver
	s.tell(t, "the receiver is stopped", 2, func(job string) {
		s.firstPage(t, job)
		west.proc.stop(t)
		west.run(t)
	})
	s.tell(t, "the receiver is killed", 2, func(job string) {
		s.firstPage(t, job)
		west.proc.kill()
		west.run(t)
	})
	s.tell(t, "the receiver is killed when it has all", 1, func(string) {
		west.proc.said.awaitMatch(t, west.proc.said.mark(), allThere, 3*pageTime)
		west.proc.kill()
		west.run(t)
	})
}

// allThere is what a receiver says when a call has ended as it should.
var allThere = regexp.MustCompile(`msg="call ended"[^\n]* status=ok `)

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

// firstPage waits until the sender has the confirmation of the first page.
func (s *story) firstPage(t *testing.T, job string) {
	t.Helper()
	s.sender.proc.said.await(t, 0, "job="+job+" line=line1 page=1 pages=3", (1+mostLost)*pageTime)
}

// tell sends the letter, has the call interrupted, and looks at what came of
// it: every page has arrived, in order, once, in as many calls as it takes. The
// modems' timers, made faster with the lines, are some tenths of a second; a
// busy machine misses one now and then, and the sender hangs up. Each such call
// has to be on record as one that has failed; it is followed by one more, and
// brings at most one page that the sender did not know to have arrived.
func (s *story) tell(t *testing.T, what string, calls int, interrupt func(job string)) {
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
	before := s.sender.proc
	interrupt(job.ID)
	until(t, what+": the fax is sent", sentTime, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), askTime)
		defer cancel()
		if job, err = s.client.Job(ctx, job.ID); err != nil {
			t.Fatal(err)
		}
		return job.State.Ended()
	})
	lost := lostCalls(job.ID, before)
	if before == s.sender.proc {
		lost -= calls - 1 // the sender has seen the interrupted calls fail
	} else {
		lost += lostCalls(job.ID, s.sender.proc)
	}
	if lost < 0 || lost > mostLost || job.State != fax.Done || job.Confirmed != 3 || job.Tries != calls+lost {
		t.Errorf("%s: the fax is %s with %d pages confirmed after %d attempts, %d of them lost: %s", what, job.State, job.Confirmed, job.Tries, lost, job.Reason)
	}
	if answered := strings.Count(s.exchange.said.String()[mark:], ", answered"); answered > job.Tries || answered < job.Tries-lost {
		t.Errorf("%s: %d calls were answered in %d attempts:\n%s", what, answered, job.Tries, s.exchange.said.String()[mark:])
	}
	s.check(t, what, job.ID, lost)
	s.settle(t)
}

// mostLost is how many calls of a fax may fail without anybody's doing.
const mostLost = 2

// lostCalls counts the calls of a job that its sender's processes have seen
// fail; those that a process has ended itself when it was stopped are not lost.
func lostCalls(job string, procs ...*process) (lost int) {
	failed := regexp.MustCompile(`msg="call ended"[^\n]* job=` + job + ` [^\n]* state=queued `)
	for _, p := range procs {
		for _, line := range failed.FindAllString(p.said.String(), -1) {
			if !strings.Contains(line, " status=aborted ") {
				lost++
			}
		}
	}
	return lost
}

// check compares the pages that have arrived with those that were sent.
func (s *story) check(t *testing.T, what, job string, lost int) {
	t.Helper()
	want := s.pages(t, job)
	var got, once []*t4.Bitmap
	until(t, what+": all pages are in the inbox", sentTime, func() bool {
		got = s.arrived(t)
		once = slices.CompactFunc(slices.Clone(got), samePage)
		return len(once) >= len(want)
	})
	if !slices.EqualFunc(once, want, samePage) || len(got) > len(want)+lost {
		t.Errorf("%s: %d pages have arrived in %d calls too many, which are not the %d that were sent", what, len(got), lost, len(want))
	}
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
