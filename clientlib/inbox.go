package clientlib

import (
	"context"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// Inbox lists received faxes, the newest first, at most limit of them; 0 is
// the node's default.
func (c *Client) Inbox(ctx context.Context, limit int) ([]fax.ReceivedFax, error) {
	return collect(ctx, c, wire.CmdInbox, &wire.Inbox{Limit: limit}, func(p *wire.FaxList) []fax.ReceivedFax { return p.Faxes })
}
