package desk

import (
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// What a job waits for is told with it, one or in a list, and is not kept.
func TestWaits(t *testing.T) {
	d, w := setUp(t)
	s := login(t, d, "clerk")
	submit(t, d, s, "waiting")
	d.WaitsBy(func(jobs []fax.Job) {
		for i := range jobs {
			jobs[i].Waits = "no line for " + jobs[i].ID
		}
	})
	const want = "no line for waiting"
	if j, err := d.Job(t.Context(), s, "wait"); err != nil || j.Waits != want {
		t.Errorf("%+v, %v", j, err)
	}
	if all, err := d.Jobs(t.Context(), s, fax.JobFilter{}); err != nil || len(all) != 1 || all[0].Waits != want {
		t.Errorf("%+v, %v", all, err)
	}
	if j, err := w.ledger.Job("waiting"); err != nil || j.Waits != "" {
		t.Errorf("kept: %+v, %v", j, err)
	}
}
