package clientlib

import (
	"context"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// Direct cancels (fax.Cancelled), holds (fax.Held) or resumes (fax.Queued) a
// job. If the connection is lost on the way, look at the job before you repeat
// it.
func (c *Client) Direct(ctx context.Context, id string, to fax.State) (fax.Job, error) {
	var answer wire.Job
	err := c.ask(ctx, once, wire.CmdDirect, &wire.Direct{ID: id, To: to}, &answer)
	return answer.Job, err
}
