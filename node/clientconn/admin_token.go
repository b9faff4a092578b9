package clientconn

import (
	"context"

	"github.com/faxmesh/faxmesh/clientlib/wire"
)

func newToken(ctx context.Context, c *conn, q *wire.NewToken) (wire.Message, error) {
	token, err := c.desk.NewToken(ctx, c.session, q.Uses, q.Hours)
	return &wire.Token{Token: token}, err
}
