package clientconn

import (
	"context"

	"github.com/faxmesh/faxmesh/clientlib/wire"
)

func direct(ctx context.Context, c *conn, q *wire.Direct) (wire.Message, error) {
	j, err := c.desk.Direct(ctx, c.session, q.ID, q.To)
	return &wire.Job{Job: j}, err
}
