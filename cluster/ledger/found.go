package ledger

import (
	"fmt"
	"slices"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// found takes the end of an attempt that was given up as unseen, the i-th of
// the job's lost ones. What its node has seen goes before "unknown": a job that
// is sent is sent, whatever was decided meanwhile; one that has failed for good
// is not tried again. A call that was begun since is ended like a cancelled
// one; its Finish finds every page confirmed.
func (d *draft) found(old *jobRecord, i int, c Finish) (*fax.Job, error) {
	if err := checkConfirmed(old, c.Confirmed); err != nil {
		return &old.Job, err
	}
	j := *old
	j.Lost = slices.Delete(slices.Clone(old.Lost), i, i+1)
	j.Confirmed, j.Updated = max(old.Confirmed, c.Confirmed), c.At
	sent := c.State == fax.Done && j.Fax.Pages > 0 && j.Confirmed >= j.Fax.Pages
	ending, tell := endings[c.State], false
	switch {
	case old.State == fax.Done:
	case sent && old.State.Running():
		if j.Reason == "" {
			j.Reason = clip(fmt.Sprintf("attempt %d at node %s has sent it", c.Attempt, c.Node), fax.MaxReason)
		}
	case sent:
		j.State, j.Reason, tell = fax.Done, "", true
	case old.State == fax.Queued && (c.State == fax.Undone || c.State == fax.Cancelled):
		j.State, j.Reason, tell = c.State, clip(c.Reason, fax.MaxReason), true
	}
	if j.Last.Number == c.Attempt {
		last := *old.Last
		last.Ended, last.Status = c.At, c.Status
		last.Reason, last.Remote = clip(c.Reason, fax.MaxReason), clip(c.Remote, fax.MaxName)
		if c.Details != "" {
			last.Details = clip(c.Details, fax.MaxTitle)
		}
		j.Last = &last
		if j.State == fax.Queued {
			j.Reason, j.NotBefore = last.Reason, c.NotBefore
		}
	}
	d.storeJob(old, &j)
	what := "end-learned"
	if tell {
		what = ending.what
	}
	d.record(fax.Activity{At: c.At, Who: c.Node, Node: c.Node, What: what, Object: j.ID,
		Detail: clip(fmt.Sprintf("%s, attempt %d, given up before, status %d, %d pages confirmed: %s", j.Number, c.Attempt, c.Status, j.Confirmed, c.Reason), maxDetail)})
	if j.Confirmed > old.Confirmed {
		d.tellOwner(&j, fax.EventPage, c.Node, "")
	}
	if tell {
		d.tellOwner(&j, ending.tell, c.Node, j.Reason)
	}
	return &j.Job, nil
}
