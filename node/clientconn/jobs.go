package clientconn

import (
	"context"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

func jobs(ctx context.Context, c *conn, q *wire.Jobs) ([]fax.Job, error) {
	return c.desk.Jobs(ctx, c.session, q.Filter)
}

func jobPage(page []fax.Job) wire.Message { return &wire.JobList{Jobs: page} }

func job(ctx context.Context, c *conn, q *wire.ByID) (wire.Message, error) {
	j, err := c.desk.Job(ctx, c.session, q.ID)
	return &wire.Job{Job: j}, err
}
