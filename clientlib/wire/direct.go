package wire

import "github.com/faxmesh/faxmesh/clientlib/fax"

// CmdDirect cancels, holds or resumes a job; answered by Job.
const CmdDirect = "direct"

// Direct is the order: To is Cancelled, Held or Queued.
type Direct struct {
	ID string    `msgpack:"id"`
	To fax.State `msgpack:"to"`
}

// Check implements Message.
func (d *Direct) Check() error {
	var f fields
	f.id("the job's id", d.ID)
	switch d.To {
	case fax.Cancelled, fax.Held, fax.Queued:
	default:
		f.fail("a job can be cancelled, held or resumed, not brought to %q", string(d.To))
	}
	return f.err
}
