package demo

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/modem/tiff"
)

// The number that reception faxes to: the dial rule gives it to south, and it
// rings a line of west.
const faxNumber = "0401"

// tell tells the story. An error is a step that could not be taken at all; what
// was taken but is not true is on the timeline's record.
func tell(ctx context.Context, s *stage) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	reception, err := s.seat(ctx, "reception", "north")
	if err != nil {
		return err
	}
	records, err := s.seat(ctx, "records", "south")
	if err != nil {
		return err
	}
	job, err := s.submit(ctx, reception)
	if err != nil {
		return err
	}
	sent, err := reception.wait(ctx, fax.EventSent, job.ID)
	if err != nil {
		return err
	}
	received, err := records.wait(ctx, fax.EventReceived, "")
	if err != nil {
		return err
	}
	s.checkTold(reception, sent, "south")
	s.checkTold(records, received, "west")
	if err := s.checkPages(ctx, records, received.Event.Fax); err != nil {
		return err
	}
	if err := s.loseNorth(ctx, reception, job); err != nil {
		return err
	}
	s.checkTold(reception, sent, "south") // and still once, after the change of node
	s.checkCalls()
	s.checkLedgers()
	return nil
}

// seat logs a clerk in.
func (s *stage) seat(ctx context.Context, name, node string) (*clerk, error) {
	c, err := logIn(ctx, s, name, passwordOf(name), node)
	if err != nil {
		return nil, err
	}
	s.clerks = append(s.clerks, c)
	s.line.say(node, "login", fmt.Sprintf("%s logs in on client port %s; notifications to port %d", name, s.clientAddr(node), c.port),
		fields{"account": name, "client_port": port(s.clientAddr(node)), "notification_port": c.port})
	s.line.check(c.session.Home == node, "%s's session is at home at %s, not at %s", name, c.session.Home, node)
	return c, nil
}

// submit hands the letter in at the clerk's node.
func (s *stage) submit(ctx context.Context, c *clerk) (fax.Job, error) {
	s.line.say(c.client.Node(), "upload", fmt.Sprintf("%s hands in %q, %d octets, for %s", c.name, "referral.tif", len(referral), faxNumber), nil)
	job, err := c.client.Submit(ctx, fax.Order{Number: faxNumber, Title: "referral.tif"}, bytes.NewReader(referral), int64(len(referral)), nil)
	if err != nil {
		return job, fmt.Errorf("submit: %w", err)
	}
	s.line.say(c.client.Node(), "submitted", fmt.Sprintf("job %s is on a majority of the ledgers, its %d pages are on two nodes", short(job.ID), job.Fax.Pages),
		fields{"job": job.ID, "pages": job.Fax.Pages})
	s.line.check(job.Fax.Pages == 2, "the letter has %d fax pages, not 2", job.Fax.Pages)
	return job, nil
}

// announce shows on the timeline what a clerk is told.
func (s *stage) announce(c *clerk, d clientlib.Delivery) {
	way := fmt.Sprintf("%s calls %s's port %d", d.Node, c.name, c.port)
	if d.Via != clientlib.ViaCallback {
		way = fmt.Sprintf("%s is told by way of %s (%s)", c.name, d.Node, d.Via)
	}
	e := d.Event
	s.line.say(e.Node, string(e.Kind), fmt.Sprintf("%s: %s", way, sentence(e)),
		fields{"account": c.name, "fax": e.Fax, "seq": e.Seq, "via": string(d.Via), "told_by": d.Node, "page": e.Page, "pages": e.Pages})
}

// sentence says an event in words.
func sentence(e fax.Event) string {
	switch e.Kind {
	case fax.EventPage:
		return fmt.Sprintf("page %d of %d is confirmed", e.Page, e.Pages)
	case fax.EventDialing:
		return "dialing " + e.Number
	case fax.EventSent:
		return fmt.Sprintf("SENT to %s, %d pages", e.Number, e.Pages)
	case fax.EventReceived:
		return fmt.Sprintf("RECEIVED, %d pages", e.Pages)
	}
	return strings.TrimSpace(string(e.Kind) + " " + e.Text)
}

// checkTold: the clerk was told of this once, by the node that did the work,
// on the clerk's own port.
func (s *stage) checkTold(c *clerk, d clientlib.Delivery, node string) {
	kind := d.Event.Kind
	s.line.check(d.Event.Node == node, "%q was the work of %s, not of %s", kind, d.Event.Node, node)
	s.line.check(d.Node == node && d.Via == clientlib.ViaCallback, "%s was told %q by %s over the %s, not by %s calling back", c.name, kind, d.Node, d.Via, node)
	n := c.count(kind, d.Event.Fax)
	s.line.check(n == 1, "%s was told %q %d times", c.name, kind, n)
}

// checkPages: the clerk sees the pages at the own node, which did not receive
// them, and they are bit for bit what was sent.
func (s *stage) checkPages(ctx context.Context, c *clerk, id string) error {
	var got bytes.Buffer
	if _, err := c.client.Fetch(ctx, id, &got); err != nil {
		return fmt.Errorf("view %s: %w", id, err)
	}
	node := c.client.Node()
	s.line.check(node != "west", "the pages were viewed at west, which received them")
	same, err := samePages(got.Bytes(), referral)
	if err != nil {
		return err
	}
	s.line.check(same == 2, "only %d of the 2 pages received are bit for bit what was sent", same)
	s.line.say(node, "viewed", fmt.Sprintf("%s views fax %s at %s: %d pages, bit for bit what reception sent", c.name, short(id), node, same),
		fields{"account": c.name, "fax": id, "identical_pages": same})
	return nil
}

// samePages counts the pages of two documents that have the same pels.
func samePages(a, b []byte) (same int, err error) {
	first, err := tiff.Open(bytes.NewReader(a), int64(len(a)))
	if err != nil {
		return 0, err
	}
	second, err := tiff.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return 0, err
	}
	for i := range min(first.Len(), second.Len()) {
		p, _, err := first.Page(i)
		if err != nil {
			return same, err
		}
		q, _, err := second.Page(i)
		if err != nil {
			return same, err
		}
		if p.Width == q.Width && p.Height == q.Height && bytes.Equal(p.Pix, q.Pix) {
			same++
		}
	}
	if first.Len() != second.Len() {
		return 0, fmt.Errorf("%d pages were received of %d", first.Len(), second.Len())
	}
	return same, nil
}

// loseNorth stops reception's node. The session goes on at another one, with
// its token and without a password.
func (s *stage) loseNorth(ctx context.Context, c *clerk, job fax.Job) error {
	s.line.say("north", "stopping", "north is stopped; reception is still logged in", nil)
	if err := s.stop("north"); err != nil {
		return fmt.Errorf("stop north: %w", err)
	}
	again, err := c.client.Job(ctx, job.ID)
	if err != nil {
		return fmt.Errorf("go on without north: %w", err)
	}
	node := c.client.Node()
	s.line.say(node, "failover", fmt.Sprintf("reception goes on at %s without a new password and finds the fax %s", node, again.State),
		fields{"account": c.name, "state": string(again.State)})
	s.line.check(node != "north", "reception is still connected to north, which was stopped")
	s.line.check(again.State == fax.Done && again.Confirmed == 2, "after the change of node the fax is %s with %d pages confirmed", again.State, again.Confirmed)
	s.line.check(again.Tries == 1, "the fax took %d attempts", again.Tries)
	if err := s.start(ctx, "north"); err != nil {
		return fmt.Errorf("start north again: %w", err)
	}
	s.line.say("north", "back", "north is started again and has caught up with the others", nil)
	return nil
}

// checkCalls: there was one call, from a line of south to a line of west.
func (s *stage) checkCalls() {
	calls := s.calls()
	s.line.check(len(calls) == 1, "%d calls were made for one fax", len(calls))
	for _, c := range calls {
		s.line.check(s.owner(c.from) == "south" && s.owner(c.to) == "west", "a call went from %s's line %s to %s's line %s", s.owner(c.from), c.from, s.owner(c.to), c.to)
	}
}

func short(id string) string {
	if len(id) > 8 {
		return id[len(id)-8:]
	}
	return id
}

func port(addr string) string {
	_, p, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return p
}
