package clientconn

import (
	"context"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

func events(ctx context.Context, c *conn, q *wire.EventsAfter) ([]fax.Event, error) {
	limit := q.Limit
	if limit == 0 {
		limit = wire.MaxEvents
	}
	return c.desk.Events(ctx, c.session, q.After, limit)
}

func eventPage(page []fax.Event) wire.Message { return &wire.Events{Events: page} }

func ack(ctx context.Context, c *conn, q *wire.Seqs) (wire.Message, error) {
	return &wire.Done{}, c.desk.Ack(ctx, c.session, q.Seqs)
}
