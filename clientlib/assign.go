package clientlib

import (
	"context"

	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// Assign lets further accounts see a received fax.
func (c *Client) Assign(ctx context.Context, id string, accounts []string) error {
	return c.ask(ctx, safely, wire.CmdAssign, &wire.Assign{ID: id, Accounts: accounts}, &wire.Done{})
}
