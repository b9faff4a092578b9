package queue

import (
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Clocks of nodes are set, and set wrong; how long something takes on one
// machine is known all the same. Times elapsed count from any one moment, as
// the start of the process, by a clock that nobody sets.

// MaxAhead is how many retries that a wrong clock has put off are remembered.
// Others wait until there is room.
const MaxAhead = 10_000

// Ahead is retries that were put off too far, since the clock of the node that
// made the call was ahead. A retry is due when its wait has elapsed since it was
// seen here. The time that a person has chosen is kept.
type Ahead map[string]ahead

type ahead struct {
	tries int
	due   time.Duration
}

// See takes in waiting jobs.
func (a Ahead) See(now fax.Millis, elapsed time.Duration, jobs []fax.Job) {
	for i := range jobs {
		j := &jobs[i]
		wait, off := putOff(now, j)
		if !off || a[j.ID].tries == j.Tries {
			continue
		}
		if len(a) >= MaxAhead {
			a.forget(elapsed)
		}
		if len(a) < MaxAhead {
			a[j.ID] = ahead{j.Tries, elapsed + wait}
		}
	}
}

// forget drops those that were due: they have been tried, or are seen anew.
func (a Ahead) forget(elapsed time.Duration) {
	for id, x := range a {
		if x.due <= elapsed {
			delete(a, id)
		}
	}
}

func (a Ahead) due(elapsed time.Duration, j *fax.Job) bool {
	x, ok := a[j.ID]
	return ok && x.tries == j.Tries && x.due <= elapsed
}

// putOff reports whether a job waits for a retry that is further off than its
// wait, which began when the last attempt ended, and so not after now.
func putOff(now fax.Millis, j *fax.Job) (wait time.Duration, off bool) {
	if j.State != fax.Queued || j.Tries == 0 || j.Last == nil || j.Last.Ended == 0 {
		return 0, false
	}
	most := fax.Millis(longestWait().Milliseconds())
	millis := min(max(j.NotBefore-j.Last.Ended, 0), most)
	return time.Duration(millis) * time.Millisecond, j.NotBefore-now > millis+fax.Millis(Skew.Milliseconds())
}

// Silence is since when nothing has been heard of running attempts.
type Silence map[string]silence

type silence struct {
	attempt   int
	renewed   fax.Millis // as its node's clock has it: it says which renewal, not when
	confirmed int
	since     time.Duration
}

// See takes in all running jobs.
func (s Silence) See(elapsed time.Duration, running []fax.Job) {
	old := make(Silence, len(s))
	for id, x := range s {
		old[id] = x
	}
	clear(s)
	for i := range running {
		x := silenceOf(&running[i])
		if o, known := old[running[i].ID]; known && o.same(x) {
			x.since = o.since
		} else {
			x.since = elapsed
		}
		s[running[i].ID] = x
	}
}

func silenceOf(j *fax.Job) silence { return silence{j.Tries, j.Updated, j.Confirmed, 0} }

func (x silence) same(y silence) bool {
	x.since = y.since
	return x == y
}

// Lost reports whether nobody can be on the line any more for a running job:
// the lease has run out since it was renewed, and so has the longest call that
// could have begun under it. A node dials under a lease that it has just had
// renewed, and ends its call itself, both by elapsed time. Of an attempt that is
// still assigned there is no call; its node gives up within the lease.
func (s Silence) Lost(elapsed time.Duration, j *fax.Job) bool {
	left, ok := s.left(elapsed, j)
	return ok && left <= 0
}

// Next is how long to wait until an attempt of these jobs may be lost; false if
// none will be.
func (s Silence) Next(elapsed time.Duration, running []fax.Job) (wait time.Duration, ok bool) {
	for i := range running {
		if left, runs := s.left(elapsed, &running[i]); runs && left > 0 && (!ok || left < wait) {
			wait, ok = left, true
		}
	}
	return wait, ok
}

func (s Silence) left(elapsed time.Duration, j *fax.Job) (time.Duration, bool) {
	x, known := s[j.ID]
	if !known || !j.State.Running() || j.Last == nil || !x.same(silenceOf(j)) {
		return 0, false
	}
	if j.State == fax.Assigned {
		return x.since + Lease - elapsed, true
	}
	return x.since + Lease + LongestCall(j.Fax.Pages-j.Confirmed) + Skew - elapsed, true
}
