package ledger

import (
	"fmt"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// apply compares and sets: a node dials only after its own Progress was taken,
// so an attempt that is still assigned has no call, whatever any clock says, and
// once it is taken back that Progress is refused.
func (c TakeBack) apply(d *draft) (*fax.Job, error) {
	old, err := d.job(c.Job)
	if err != nil {
		return nil, err
	}
	if err := checkAttempt(old, c.Attempt, c.Node); err != nil {
		return &old.Job, err
	}
	switch {
	case old.State != fax.Assigned:
		return &old.Job, fax.Errorf(fax.Conflict, "attempt %d of job %s is %s; only one that is not dialled yet can be taken back", c.Attempt, c.Job, old.State)
	case old.Alone != "":
		return &old.Job, fax.Errorf(fax.Conflict, "node %s has taken job %s while it was cut off and has not told all of it yet", old.Alone, c.Job)
	case c.State != fax.Queued && c.State != fax.Undone:
		return &old.Job, fax.Errorf(fax.Invalid, "a job is taken back to be queued or failed, not %.20q", c.State)
	}
	j, last := *old, *old.Last
	j.Last, j.State, j.Updated = &last, c.State, c.At
	last.Ended, last.Status, last.Reason = c.At, c.Status, clip(c.Reason, fax.MaxReason)
	j.Reason = last.Reason
	if old.Reason != "" { // the order to cancel it
		j.State, j.Reason = fax.Cancelled, old.Reason
	}
	d.storeJob(old, &j)
	d.record(fax.Activity{At: c.At, Who: c.By, Node: c.By, What: "take-back", Object: j.ID,
		Detail: clip(fmt.Sprintf("%s, attempt %d, from node %s: %s", j.Number, c.Attempt, c.Node, last.Reason), maxDetail)})
	d.tellOwner(&j, endings[j.State].tell, c.Node, j.Reason)
	return &j.Job, nil
}
