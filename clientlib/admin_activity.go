package clientlib

import (
	"context"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// Activity lists the activity record after a number, the oldest first.
func (c *Client) Activity(ctx context.Context, after uint64, limit int) ([]fax.Activity, error) {
	return collect(ctx, c, wire.CmdActivity, &wire.ActivityAfter{After: after, Limit: limit},
		func(p *wire.ActivityList) []fax.Activity { return p.Entries })
}
