package clientconn

import (
	"context"

	"github.com/faxmesh/faxmesh/clientlib/wire"
)

func submit(ctx context.Context, c *conn, q *wire.Submit) (wire.Message, error) {
	j, err := c.desk.Submit(ctx, c.session, q.Order)
	return &wire.Job{Job: j}, err
}
