package node

import (
	"context"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/node/lines"
)

// alarm puts a line that goes out of service, or comes back, on record.
func (p *parts) alarm(_ context.Context, a lines.Alarm) error {
	what := "line-up"
	if a.Down {
		what = "line-down"
	}
	return p.cluster.Keep(ledger.Note{Activity: fax.Activity{At: a.At, Who: p.cluster.Name(), Node: p.cluster.Name(),
		What: what, Object: a.Line, Detail: a.Cause}})
}
