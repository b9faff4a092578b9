package clientlib

import (
	"context"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// AddAccount makes a login.
func (c *Client) AddAccount(ctx context.Context, name, password string, rights fax.Rights) error {
	return c.ask(ctx, once, wire.CmdAddAccount, &wire.AddAccount{Name: name, Password: password, Rights: rights}, &wire.Done{})
}

// DropAccount removes a login; its faxes stay.
func (c *Client) DropAccount(ctx context.Context, name string) error {
	return c.ask(ctx, once, wire.CmdDropAccount, &wire.ByName{Name: name}, &wire.Done{})
}

// SetPassword changes a password; old is needed for one's own.
func (c *Client) SetPassword(ctx context.Context, name, old, password string) error {
	return c.ask(ctx, once, wire.CmdSetPassword, &wire.SetPassword{Name: name, Old: old, New: password}, &wire.Done{})
}

// SetRights replaces an account's rights.
func (c *Client) SetRights(ctx context.Context, name string, rights fax.Rights) error {
	return c.ask(ctx, safely, wire.CmdSetRights, &wire.SetRights{Name: name, Rights: rights}, &wire.Done{})
}

// Accounts lists the accounts.
func (c *Client) Accounts(ctx context.Context) ([]fax.Account, error) {
	return collect(ctx, c, wire.CmdAccounts, &wire.Done{}, func(p *wire.AccountList) []fax.Account { return p.Accounts })
}
