package clientconn

import (
	"context"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

func dialRules(ctx context.Context, c *conn, _ *wire.Done) ([]fax.DialRule, error) {
	return c.desk.DialRules(ctx, c.session)
}

func rulePage(page []fax.DialRule) wire.Message { return &wire.DialRuleList{Rules: page} }

func putDialRule(ctx context.Context, c *conn, q *wire.PutDialRule) (wire.Message, error) {
	return &wire.Done{}, c.desk.PutDialRule(ctx, c.session, q.Rule)
}

func dropDialRule(ctx context.Context, c *conn, q *wire.DropDialRule) (wire.Message, error) {
	return &wire.Done{}, c.desk.DropDialRule(ctx, c.session, q.Prefix)
}

func routes(ctx context.Context, c *conn, _ *wire.Done) ([]fax.Route, error) {
	return c.desk.Routes(ctx, c.session)
}

func routePage(page []fax.Route) wire.Message { return &wire.RouteList{Routes: page} }

func putRoute(ctx context.Context, c *conn, q *wire.PutRoute) (wire.Message, error) {
	return &wire.Done{}, c.desk.PutRoute(ctx, c.session, q.Route)
}
