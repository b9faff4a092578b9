package clientlib

import (
	"context"

	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// NewToken makes a token with which that many nodes may join in that time.
func (c *Client) NewToken(ctx context.Context, uses, hours int) (string, error) {
	var answer wire.Token
	err := c.ask(ctx, once, wire.CmdNewToken, &wire.NewToken{Uses: uses, Hours: hours}, &answer)
	return answer.Token, err
}
