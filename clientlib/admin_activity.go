package clientlib

import (
	"context"
	"io"

	"github.com/faxmesh/faxmesh/clientlib/activity"
	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// exportPage is how many entries an export asks for at once.
const exportPage = 1000

// Activity lists the activity record after a number, the oldest first.
func (c *Client) Activity(ctx context.Context, after uint64, limit int) ([]fax.Activity, error) {
	entries, _, err := c.activityPage(ctx, fax.ActivityFilter{After: after, Limit: limit})
	return entries, err
}

// activityPage makes one search, and says where it stopped.
func (c *Client) activityPage(ctx context.Context, f fax.ActivityFilter) (entries []fax.Activity, more uint64, err error) {
	entries, err = collect(ctx, c, wire.CmdActivity, &wire.ActivityQuery{ActivityFilter: f}, func(p *wire.ActivityList) []fax.Activity {
		more = p.More
		return p.Entries
	})
	return entries, more, err
}

// FindActivity gives see the entries of the activity record that a filter
// chooses, however far the search has to go; f.Limit of them at most, if that is
// not 0.
func (c *Client) FindActivity(ctx context.Context, f fax.ActivityFilter, see func(fax.Activity) error) error {
	wanted := f.Limit
	for found := 0; ; {
		f.Limit = exportPage
		if wanted > 0 {
			f.Limit = min(exportPage, wanted-found)
		}
		entries, more, err := c.activityPage(ctx, f)
		if err != nil {
			return err
		}
		for _, a := range entries {
			if err := see(a); err != nil {
				return err
			}
		}
		if found += len(entries); more == 0 || wanted > 0 && found >= wanted {
			return nil
		}
		if f.Newest {
			f.Before = more
		} else {
			f.After = more
		}
	}
}

// ExportActivity writes the activity record after a number to w, up to its end
// at this moment, as activity.Verify reads it. If the node is lost on the way it
// goes on at another one. After an error what was written is worth nothing.
func (c *Client) ExportActivity(ctx context.Context, after uint64, w io.Writer) (fax.ActivityHead, error) {
	var answer wire.ActivityHead
	if err := c.ask(ctx, safely, wire.CmdActivityHead, &wire.ActivityAfter{After: after}, &answer); err != nil {
		return answer.ActivityHead, err
	}
	head := answer.ActivityHead
	export, err := activity.NewWriter(w, head)
	if err != nil {
		return head, err
	}
	for next := export.Next(); next != 0; next = export.Next() {
		entries, _, err := c.activityPage(ctx, fax.ActivityFilter{After: next - 1, Before: head.Last + 1, Limit: exportPage})
		if err != nil {
			return head, err
		}
		if len(entries) == 0 {
			return head, fax.Errorf(fax.Unavailable, "node %s has the activity record only up to entry %d; try again", c.Node(), next-1)
		}
		for _, a := range entries {
			if err := export.Add(a); err != nil {
				return head, err
			}
		}
	}
	return head, nil
}
