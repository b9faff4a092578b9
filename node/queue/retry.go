package queue

import (
	"slices"
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

// schedules has every ending that is temporary. The last ones are those of a
// call that was answered; a job has none of them unless a modem says so.
var schedules = map[status.Code]schedule{
	status.Busy:             engaged,
	status.NoAnswer:         nobody,
	status.NoDialtone:       local,
	status.NoCarrier:        nobody,
	status.Blacklisted:      engaged,
	status.Glare:            local,
	status.ModemFailure:     local,
	status.LineDropped:      troubled,
	status.Unseen:           unseen,
	status.NoIdentification: nobody,
	status.CannotReceive:    refused,
	status.TrainingFailed:   troubled,
	status.NoResponse:       troubled,
	status.Disconnected:     troubled,
	status.PageRejected:     troubled,
	status.BadResponse:      troubled,
	status.ECMFailed:        troubled,
	status.NotRecorded:      troubled, // a call was made and paid for, unlike local
	status.NothingToPoll:    refused,
	status.NoTrainResponse:  troubled,
	status.RemoteBusy:       engaged,
	status.PollRefused:      refused,

	status.NoCommand:      troubled,
	status.SenderLeft:     troubled,
	status.NotStored:      troubled,
	status.RecvBadFormat:  troubled,
	status.Fruitless:      troubled,
	status.PageAbandoned:  troubled,
	status.NothingOffered: refused,
	status.WrongPassword:  refused,
	status.WrongSelection: refused,
	status.RowTooLong:     troubled,
}

// longestWait is the most minutes between two attempts.
func longestWait() time.Duration {
	most := 0.0
	for _, s := range schedules {
		most = max(most, slices.Max(s.minutes))
	}
	return time.Duration(most * float64(time.Minute))
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
	if !ok { // of a newer program
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
