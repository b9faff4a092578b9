package clientconn

import (
	"context"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

func addAccount(ctx context.Context, c *conn, q *wire.AddAccount) (wire.Message, error) {
	return &wire.Done{}, c.desk.AddAccount(ctx, c.session, q.Name, q.Password, q.Rights)
}

func dropAccount(ctx context.Context, c *conn, q *wire.ByName) (wire.Message, error) {
	return &wire.Done{}, c.desk.DropAccount(ctx, c.session, q.Name)
}

func setPassword(ctx context.Context, c *conn, q *wire.SetPassword) (wire.Message, error) {
	return &wire.Done{}, c.desk.SetPassword(ctx, c.session, q.Name, q.Old, q.New)
}

func setRights(ctx context.Context, c *conn, q *wire.SetRights) (wire.Message, error) {
	return &wire.Done{}, c.desk.SetRights(ctx, c.session, q.Name, q.Rights)
}

func accounts(ctx context.Context, c *conn, _ *wire.Done) ([]fax.Account, error) {
	return c.desk.Accounts(ctx, c.session)
}

func accountPage(page []fax.Account) wire.Message { return &wire.AccountList{Accounts: page} }
