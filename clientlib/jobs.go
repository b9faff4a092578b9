package clientlib

import (
	"context"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// Jobs lists outgoing faxes.
func (c *Client) Jobs(ctx context.Context, filter fax.JobFilter) ([]fax.Job, error) {
	return collect(ctx, c, wire.CmdJobs, &wire.Jobs{Filter: filter}, func(p *wire.JobList) []fax.Job { return p.Jobs })
}

// Job is the job of that id; a unique beginning of it will do.
func (c *Client) Job(ctx context.Context, id string) (fax.Job, error) {
	var answer wire.Job
	err := c.ask(ctx, safely, wire.CmdJob, &wire.ByID{ID: id}, &answer)
	return answer.Job, err
}
