package clientlib

import (
	"context"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// EventsAfter lists the account's events after a number, the oldest first. The
// stream of Events needs no such question.
func (c *Client) EventsAfter(ctx context.Context, after uint64, limit int) ([]fax.Event, error) {
	return collect(ctx, c, wire.CmdEvents, &wire.EventsAfter{After: after, Limit: limit},
		func(p *wire.Events) []fax.Event { return p.Events })
}

// askTime bounds one question for missed events; another follows.
const askTime = 15 * time.Second

// missed is EventsAfter for the feed, with the node that answered.
func (c *Client) missed(ctx context.Context, after uint64) ([]fax.Event, string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	events, err := c.EventsAfter(ctx, after, wire.MaxEvents)
	return events, c.Node(), err
}

// acknowledge tells the session's home which events have arrived, so that it
// need not tell them again.
func (c *Client) acknowledge() {
	for {
		seqs, ok := c.feed.toAck(c.ctx)
		if !ok {
			return
		}
		if err := c.ask(c.ctx, safely, wire.CmdAck, &wire.Seqs{Seqs: seqs}, &wire.Done{}); err != nil && c.ctx.Err() == nil {
			c.options.Logger.Warn("events not acknowledged: they will come again", "err", err)
		}
	}
}
