package ledger

import "github.com/faxmesh/faxmesh/clientlib/fax"

// Tally is how many jobs are in each state of their life before the end.
type Tally struct {
	Queued  int `json:"queued"`
	Held    int `json:"held"`
	Running int `json:"running"`
}

// Tally counts the jobs that have not ended. It holds no transaction between
// pages of them.
func (l *Ledger) Tally() (t Tally, err error) {
	f := JobFilter{States: []fax.State{fax.Queued, fax.Held, fax.Assigned, fax.Dialing, fax.Sending}, Oldest: true}
	for {
		page, err := l.Jobs(f)
		if err != nil {
			return t, err
		}
		for i := range page {
			switch {
			case page[i].State == fax.Queued:
				t.Queued++
			case page[i].State == fax.Held:
				t.Held++
			default:
				t.Running++
			}
		}
		if len(page) < MaxList {
			return t, nil
		}
		f.After = PlaceOf(page[len(page)-1])
	}
}
