package main

import (
	"context"
	"fmt"
	"time"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cmd/terminal"
)

// askAgain is how often a fax that is waited for is asked after. Events tell at
// once; asking is for those that went to another client of the same session.
const askAgain = 5 * time.Second

// live is a line that is drawn over while something goes on. Where nobody looks
// it draws nothing.
type live struct {
	a     *app
	on    bool
	shown string
}

func (a *app) newLive() *live { return &live{a: a, on: a.Lively()} }

func (l *live) show(text string) {
	if !l.on || text == l.shown {
		return
	}
	if r := []rune(text); len(r) >= l.a.Width() {
		text = string(r[:l.a.Width()-1])
	}
	fmt.Fprintf(l.a.Out, "\r\x1b[K%s", text)
	l.shown = text
}

func (l *live) clear() {
	if l.on && l.shown != "" {
		fmt.Fprint(l.a.Out, "\r\x1b[K")
		l.shown = ""
	}
}

// follow waits until jobs have ended, telling what happens to them.
func (a *app) follow(ctx context.Context, c *clientlib.Client, jobs []fax.Job, asJSON bool) error {
	waiting := map[string]bool{}
	for _, j := range jobs {
		waiting[j.ID] = true
	}
	live := a.newLive()
	defer live.clear()
	again := time.NewTicker(askAgain)
	defer again.Stop()
	var lost error
	settle := func(id string) error {
		job, err := c.Job(ctx, id)
		if err != nil {
			return err
		}
		if !job.State.Ended() {
			return nil
		}
		delete(waiting, id)
		live.clear()
		if err := a.ended(job, asJSON); err != nil {
			lost = err
		}
		return nil
	}
	for len(waiting) > 0 {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; the fax goes on without this program, see: faxmesh status", ctx.Err())
		case d, open := <-c.Events():
			if !open {
				return c.Err()
			}
			if !waiting[d.Event.Fax] {
				continue
			}
			a.happened(live, d.Event, asJSON)
			if over(d.Event.Kind) {
				if err := settle(d.Event.Fax); err != nil {
					return err
				}
			}
		case <-again.C:
			for id := range waiting {
				if err := settle(id); err != nil {
					return err
				}
			}
		}
	}
	return lost
}

func over(kind fax.EventKind) bool {
	return kind == fax.EventSent || kind == fax.EventFailed || kind == fax.EventCancelled
}

// happened tells one event of a fax that is waited for. That it is queued was
// told when it was submitted; the end is told by ended, from the job itself.
func (a *app) happened(l *live, e fax.Event, asJSON bool) {
	if asJSON || e.Kind == fax.EventQueued || over(e.Kind) {
		return
	}
	text := describe(e)
	if l.on && e.Kind != fax.EventRetry {
		l.show(text)
		return
	}
	l.clear()
	fmt.Fprintln(a.Out, text)
}

// ended tells how a fax has ended; the error has the status for "not sent".
func (a *app) ended(j fax.Job, asJSON bool) error {
	if asJSON {
		if err := a.jsonLine(j); err != nil {
			return err
		}
	} else if j.State == fax.Done {
		remote := ""
		if j.Last != nil && j.Last.Remote != "" {
			remote = ", received by " + clean(j.Last.Remote)
		}
		by := ""
		if j.Last != nil {
			by = " by " + clean(j.Last.Node)
		}
		fmt.Fprintf(a.Out, "fax %s to %s is sent%s: %s confirmed%s\n", j.ID, clean(j.Number), by, pages(j.Confirmed), remote)
	}
	if j.State == fax.Done {
		return nil
	}
	reason := ""
	if j.Reason != "" {
		reason = ": " + clean(j.Reason)
	}
	return &terminal.Error{Status: statusNotSent, Err: fmt.Errorf("fax %s to %s is not sent, it is %s with %d of %s confirmed%s",
		j.ID, clean(j.Number), j.State, j.Confirmed, pages(j.Fax.Pages), reason)}
}

// describe is an event in words.
func describe(e fax.Event) string {
	what := "fax " + clean(e.Fax)
	switch e.Kind {
	case fax.EventQueued:
		what += fmt.Sprintf(" to %s is queued at %s", clean(e.Number), clean(e.Node))
	case fax.EventDialing:
		what += fmt.Sprintf(": %s dials %s", clean(e.Node), clean(e.Number))
	case fax.EventPage:
		what += fmt.Sprintf(": page %d of %d confirmed", e.Page, e.Pages)
	case fax.EventSent:
		what += fmt.Sprintf(" to %s is sent by %s: %s confirmed", clean(e.Number), clean(e.Node), pages(e.Pages))
	case fax.EventRetry:
		what += fmt.Sprintf(" to %s did not get through and is tried again", clean(e.Number))
	case fax.EventFailed:
		what += fmt.Sprintf(" to %s has failed", clean(e.Number))
	case fax.EventCancelled:
		what += fmt.Sprintf(" to %s is cancelled", clean(e.Number))
	case fax.EventReceived:
		what += fmt.Sprintf(" is received by %s from %s: %s", clean(e.Node), dash(e.Number), pages(e.Pages))
	case fax.EventAssigned:
		what += " is assigned to you"
	default:
		what += ": " + clean(string(e.Kind))
	}
	if e.Text != "" {
		what += ": " + clean(e.Text)
	}
	return what
}
