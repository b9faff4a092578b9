package dispatch

import (
	"fmt"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/node/lines"
	"github.com/faxmesh/faxmesh/node/queue"
)

// unseen ends an attempt of which only the confirmed pages are known. If these
// are all, the fax is sent: what the remote station has confirmed it has.
func unseen(job string, attempt int, node string, confirmed, pages int, p queue.Policy, now fax.Millis) ledger.Finish {
	f := ledger.Finish{Job: job, Attempt: attempt, Node: node, Confirmed: confirmed, At: now}
	if pages > 0 && confirmed >= pages {
		f.State = fax.Done
		return f
	}
	f.State, f.NotBefore = p.Retry(status.Unseen, attempt, now)
	f.Status, f.Reason = int(status.Unseen), status.Unseen.Sentence()
	return f
}

// ending is what a call's report means for its job. cause is why the call was
// ended from here, nil if it was not.
func (c *call) ending(rep modem.Report, cause error, p queue.Policy, now fax.Millis) ledger.Finish {
	confirmed := c.confirmed()
	f := ledger.Finish{Job: c.job.ID, Attempt: c.attempt, Node: c.node, Confirmed: confirmed,
		Remote: rep.Remote, Details: lines.Details(rep), At: now}
	if n := len(rep.Converted); n > 0 {
		f.Details += fmt.Sprintf(", pages converted: %d", n)
	}
	if pages := c.job.Fax.Pages; pages > 0 && confirmed >= pages {
		f.State = fax.Done // even if the line dropped after the last confirmation
		return f
	}
	code := rep.Status
	switch {
	case code == status.OK: // a report that claims more than was confirmed
		code = status.Disconnected
	case code == status.Aborted && cause == errTooLong:
		code = status.LineDropped
	}
	f.Status, f.Reason = int(code), code.Sentence()
	f.State, f.NotBefore = p.Retry(code, c.attempt, now)
	if code == status.Aborted && cause != errCancelled {
		// Not by a person: it goes on, here or at another node.
		f.State, f.NotBefore = p.Retry(status.Glare, c.attempt, now)
		f.Reason = "The call was stopped by node " + c.node + "; it is repeated."
		if f.State == fax.Undone {
			f.Reason = "The call was stopped by node " + c.node + " too often."
		}
	}
	return f
}

// notDialled ends an attempt before its call: the document or the lease was
// not to be had.
func (c *call) notDialled(why string, p queue.Policy, now fax.Millis) ledger.Finish {
	f := ledger.Finish{Job: c.job.ID, Attempt: c.attempt, Node: c.node, Confirmed: c.confirmed(),
		Status: int(status.Aborted), Reason: why, At: now}
	f.State, f.NotBefore = p.Retry(status.Glare, c.attempt, now)
	return f
}
