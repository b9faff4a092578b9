package queue

import (
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/modem/status"
)

// Limits of a policy.
const (
	MaxTries      = 12 // attempts of a job, whatever they failed of
	MaxLocalTries = 40 // attempts if the last failed before the number was called
)

// Policy is when a failed job is tried again.
type Policy struct {
	// Minute is how long a minute of the schedule is. It is shorter than a
	// minute only where simulated lines run faster than the clock; 0 means a
	// minute.
	Minute time.Duration
}

// schedule is the minutes to wait after the first, second… attempt; the last
// figure holds for all further ones. After its MaxTries a job has failed.
type schedule struct {
	minutes []float64
	tries   int
}

var (
	engaged  = schedule{[]float64{1, 2, 3, 5, 10, 15}, MaxTries}     // lines get free again soon
	nobody   = schedule{[]float64{5, 10, 30, 60}, 6}                 // people annoyed by calls sit there
	troubled = schedule{[]float64{1, 3, 10, 30}, 8}                  // another call finds another path
	refused  = schedule{[]float64{5, 15, 30, 60}, 8}                 // paper is put in by people
	local    = schedule{[]float64{0.1, 0.25, 0.5, 1}, MaxLocalTries} // nobody was called
	unseen   = schedule{[]float64{1, 5, 15}, 5}                      // the page may be there
)

var schedules = map[status.Code]schedule{
	status.Busy:             engaged,
	status.NoAnswer:         nobody,
	status.NoCarrier:        nobody,
	status.NoIdentification: nobody,
	status.NoDialtone:       local,
	status.Blacklisted:      engaged,
	status.Glare:            local,
	status.ModemFailure:     local,
	status.CannotReceive:    refused,
	status.Unseen:           unseen,
}

// Retry is what becomes of a job after attempt number tries has ended with
// code at time now: Done, Undone, Cancelled, or Queued and not tried again
// before the time returned.
func (p Policy) Retry(code status.Code, tries int, now fax.Millis) (fax.State, fax.Millis) {
	switch {
	case code.Kind() == status.Success:
		return fax.Done, 0
	case code == status.Aborted:
		return fax.Cancelled, 0
	case code.Kind() == status.Final:
		return fax.Undone, 0
	}
	s, ok := schedules[code]
	if !ok {
		s = troubled
	}
	if tries >= s.tries {
		return fax.Undone, 0
	}
	minute := p.Minute
	if minute <= 0 {
		minute = time.Minute
	}
	step := min(max(tries-1, 0), len(s.minutes)-1)
	wait := time.Duration(s.minutes[step] * float64(minute))
	return fax.Queued, now + fax.Millis(wait.Milliseconds())
}
