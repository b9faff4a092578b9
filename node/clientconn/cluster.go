package clientconn

import (
	"context"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

func nodes(ctx context.Context, c *conn, _ *wire.Done) ([]fax.NodeStatus, error) {
	return c.desk.Cluster(ctx, c.session)
}

func nodePage(page []fax.NodeStatus) wire.Message { return &wire.NodeList{Nodes: page} }
