package clientconn

import (
	"context"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

func activity(ctx context.Context, c *conn, q *wire.ActivityAfter) ([]fax.Activity, error) {
	return c.desk.Activity(ctx, c.session, q.After, q.Limit)
}

func activityPage(page []fax.Activity) wire.Message { return &wire.ActivityList{Entries: page} }
