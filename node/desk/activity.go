package desk

import (
	"context"
	"fmt"

	export "github.com/faxmesh/faxmesh/clientlib/activity"
	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Activity searches the activity record, and says where to go on: see
// ledger.FindActivity.
func (d *Desk) Activity(_ context.Context, s fax.Session, f fax.ActivityFilter) (entries []fax.Activity, more uint64, err error) {
	if _, err := d.who(s, fax.MayAdminister); err != nil {
		return nil, 0, err
	}
	return d.cfg.Ledger.FindActivity(f)
}

// ActivityHead is a signed head for an export of the entries after a number, up
// to the last one now. That they are exported goes on record behind them.
func (d *Desk) ActivityHead(_ context.Context, s fax.Session, after uint64) (fax.ActivityHead, error) {
	a, err := d.who(s, fax.MayAdminister)
	if err != nil {
		return fax.ActivityHead{}, err
	}
	last, end, err := d.cfg.Ledger.ActivityEnd()
	if err != nil {
		return fax.ActivityHead{}, err
	}
	if after >= last {
		return fax.ActivityHead{}, fax.Errorf(fax.NotFound, "the activity record ends with entry %d; there is nothing after entry %d to export", last, after)
	}
	before, err := d.cfg.Ledger.ActivityUpTo(after)
	if err != nil {
		return fax.ActivityHead{}, err
	}
	head, err := export.Sign(fax.ActivityHead{Cluster: d.cfg.ClusterID, Node: d.cfg.Node, Made: now(),
		First: after + 1, Last: last, Before: before, End: end}, d.cfg.Certificate())
	if err != nil {
		return fax.ActivityHead{}, err
	}
	d.note(fax.Activity{At: head.Made, Who: a.Name, Node: d.cfg.Node, What: "export-activity", Detail: fmt.Sprintf("entries %d to %d", head.First, head.Last)})
	return head, nil
}
