package ledger

import "github.com/faxmesh/faxmesh/clientlib/fax"

// Importable reports whether a command is one that a node may take alone while
// it is cut off from the majority, which imports it later.
func Importable(c Command) bool {
	switch c.(type) {
	case Submit, Assign, Progress, Finish, Direct, Receive, AssignFax, Note, EndSession:
		return true
	}
	return false
}

// mayAlone says why a node must not take a command alone. A job that was not
// submitted to it while it was cut off may be dialled by the majority too: of
// such a one it may go on with a call that is under way, or end it.
func mayAlone(d *draft, c Command) error {
	switch c := c.(type) {
	case Submit:
		if c.Job.Home != d.alone || c.Job.Alone != "" && c.Job.Alone != d.alone {
			return fax.Errorf(fax.Invalid, "node %s is cut off and takes only its own faxes", d.alone)
		}
	case Assign:
		if c.Node != d.alone {
			return fax.Errorf(fax.Unavailable, "node %s is cut off and cannot have node %.64q dial", d.alone, c.Node)
		}
		return mayChange(d, c.Job, false)
	case Progress:
		return mayChange(d, c.Job, true)
	case Finish:
		j, err := d.job(c.Job)
		if err != nil || j.Last != nil && j.Last.Node == d.alone {
			return err
		}
		return mayChange(d, c.Job, false)
	case Direct:
		return mayChange(d, c.Job, c.State == fax.Cancelled)
	case Receive, AssignFax, Note, EndSession:
	default:
		return fax.Errorf(fax.Unavailable, "node %s is cut off from the majority of the servers; accounts, rights, rules and members can be changed when the link is back", d.alone)
	}
	return nil
}

// mayChange lets a node change its own jobs, and with calling those for which a
// call of this node is on the line.
func mayChange(d *draft, job string, calling bool) error {
	j, err := d.job(job)
	if err != nil || j.Alone == d.alone {
		return err
	}
	if calling && j.Last != nil && j.Last.Node == d.alone && (j.State == fax.Dialing || j.State == fax.Sending) {
		return nil
	}
	return fax.Errorf(fax.Unavailable, "node %s is cut off from the majority of the servers, which may be sending job %.80s meanwhile; try again when the link is back", d.alone, job)
}

// renewed is the job if a command does no more than renew its lease.
func renewed(d *draft, c Command) *jobRecord {
	p, ok := c.(Progress)
	if !ok {
		return nil
	}
	j := load[jobRecord](d, inJobs, p.Job)
	if j == nil || checkAttempt(j, p.Attempt, p.Node) != nil || p.Confirmed != j.Confirmed || p.Details != "" && p.Details != j.Last.Details {
		return nil
	}
	if p.State == j.State || j.State == fax.Sending && p.State == fax.Dialing {
		return j
	}
	return nil
}
