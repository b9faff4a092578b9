package clientlib

import (
	"context"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// Cluster tells how the nodes and their lines are.
func (c *Client) Cluster(ctx context.Context) ([]fax.NodeStatus, error) {
	return collect(ctx, c, wire.CmdCluster, &wire.Done{}, func(p *wire.NodeList) []fax.NodeStatus { return p.Nodes })
}
