package clientconn

import (
	"context"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

func inbox(ctx context.Context, c *conn, q *wire.Inbox) ([]fax.ReceivedFax, error) {
	return c.desk.Inbox(ctx, c.session, q.Limit)
}

func faxPage(page []fax.ReceivedFax) wire.Message { return &wire.FaxList{Faxes: page} }
