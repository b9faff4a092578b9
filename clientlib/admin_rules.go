package clientlib

import (
	"context"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// DialRules lists which numbers are given to which node.
func (c *Client) DialRules(ctx context.Context) ([]fax.DialRule, error) {
	return collect(ctx, c, wire.CmdDialRules, &wire.Done{}, func(p *wire.DialRuleList) []fax.DialRule { return p.Rules })
}

// PutDialRule adds or replaces the rule of a prefix.
func (c *Client) PutDialRule(ctx context.Context, rule fax.DialRule) error {
	return c.ask(ctx, safely, wire.CmdPutDialRule, &wire.PutDialRule{Rule: rule}, &wire.Done{})
}

// DropDialRule removes the rule of a prefix.
func (c *Client) DropDialRule(ctx context.Context, prefix string) error {
	return c.ask(ctx, once, wire.CmdDropDialRule, &wire.DropDialRule{Prefix: prefix}, &wire.Done{})
}

// Routes lists for whom faxes to which numbers are.
func (c *Client) Routes(ctx context.Context) ([]fax.Route, error) {
	return collect(ctx, c, wire.CmdRoutes, &wire.Done{}, func(p *wire.RouteList) []fax.Route { return p.Routes })
}

// PutRoute adds or replaces the route of a number; without accounts it removes
// it.
func (c *Client) PutRoute(ctx context.Context, route fax.Route) error {
	return c.ask(ctx, safely, wire.CmdPutRoute, &wire.PutRoute{Route: route}, &wire.Done{})
}
