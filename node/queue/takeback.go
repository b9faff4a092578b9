package queue

import (
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// AskAfter is how long a node may leave an attempt assigned before it is asked
// whether it is there. If it does not answer, the attempt is taken back: a node
// dials only after the ledger has taken that it does, and then the ledger
// refuses to take the attempt back. So nobody has to wait for a call.
const AskAfter = time.Second

// Quiet is the jobs whose nodes have not begun to dial for AskAfter, and how
// long to wait until there may be another one; no time if none can be. Jobs that
// were not seen yet are waited for as if they were seen now.
func (s Silence) Quiet(elapsed time.Duration, running []fax.Job) (quiet []*fax.Job, wait time.Duration, ok bool) {
	for i := range running {
		j := &running[i]
		if j.State != fax.Assigned || j.Last == nil || j.Alone != "" {
			continue
		}
		left := AskAfter
		if x, known := s[j.ID]; known && x.same(silenceOf(j)) {
			left += x.since - elapsed
		}
		if left <= 0 {
			quiet = append(quiet, j)
		} else if !ok || left < wait {
			wait, ok = left, true
		}
	}
	return quiet, wait, ok
}
