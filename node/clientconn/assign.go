package clientconn

import (
	"context"

	"github.com/faxmesh/faxmesh/clientlib/wire"
)

func assign(ctx context.Context, c *conn, q *wire.Assign) (wire.Message, error) {
	return &wire.Done{}, c.desk.Assign(ctx, c.session, q.ID, q.Accounts)
}
