package clientconn

import (
	"context"
	"fmt"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

func activity(ctx context.Context, c *conn, s *stream, body []byte) error {
	var q wire.ActivityQuery
	if err := wire.CheckThenDecode(body, &q); err != nil {
		return err
	}
	entries, more, err := c.desk.Activity(ctx, c.session, q.ActivityFilter)
	if err != nil {
		return err
	}
	pages, err := wire.Split(entries, func(page []fax.Activity) wire.Message { return &wire.ActivityList{Entries: page, More: more} })
	if err != nil {
		return fmt.Errorf("answer: %v", err) // a fault of this node
	}
	return s.answerPages(ctx, pages)
}

func activityHead(ctx context.Context, c *conn, q *wire.ActivityAfter) (wire.Message, error) {
	head, err := c.desk.ActivityHead(ctx, c.session, q.After)
	return &wire.ActivityHead{ActivityHead: head}, err
}
