package queue

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/modem/status"
	"pgregory.net/rapid"
)

// Whatever a clock that was set says now, the time to look again lies in its
// future, so that the queue is not read in a circle; and a job whose time has
// come stays due.
func TestClockSteps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		step := func(name string) fax.Millis {
			return fax.Millis(rapid.Int64Range(-400*24*3600_000, 400*24*3600_000).Draw(t, name))
		}
		now := fax.Millis(1_800_000_000_000)
		call, due := running("r", "1", "north", "1"), queued("q", "2", now)
		call.Last.Until = now + step("lease")
		due.NotBefore = now + step("retry")
		then := now + step("clock")
		if at, ok := Next(then, []fax.Job{call, due}); ok && at <= then {
			t.Fatalf("at %d to look again at %d", then, at)
		}
		free := []Line{{"north", "2"}}
		if got := NewPlan(then, []fax.Job{call}, free).Assign([]fax.Job{due}, nil); (len(got) == 1) != (due.NotBefore <= then) {
			t.Fatalf("due at %d, planned at %d: %v", due.NotBefore, then, got)
		}
	})
}

// TestAhead: a retry is not put off by a clock that was wrong when it was
// scheduled; the time that a person has chosen is.
func TestAhead(t *testing.T) {
	const minute, hour, year = 60_000, 3600_000, 365 * 24 * 3600_000
	retry := func(tries int, ended, wait fax.Millis) fax.Job {
		j := queued("a", "1", 1)
		j.Tries, j.NotBefore, j.Last = tries, ended+wait, &fax.Attempt{Number: tries, Ended: ended}
		return j
	}
	chosen := queued("a", "1", 1)
	chosen.NotBefore = now + year
	for _, c := range []struct {
		name string
		job  fax.Job
		due  time.Duration // after it was seen, -1: not within a day
	}{
		{"a clock a year ahead", retry(1, now+year, minute), time.Minute},
		{"an hour ahead", retry(4, now+hour, hour), time.Hour},
		{"a minute ahead", retry(1, now+minute, 5*minute), 5 * time.Minute},
		{"as far as clocks may differ", retry(1, now+fax.Millis(Skew.Milliseconds()), minute), -1}, // its own time comes
		{"a right clock", retry(1, now, hour), -1},
		{"a clock that is behind", retry(1, now-year, hour), 0}, // due by the time itself
		{"longer than any wait", retry(1, now, year), time.Hour},
		{"before its end", retry(1, now+2*year, -year), 0},
		{"chosen by a person", chosen, -1},
	} {
		a := Ahead{}
		free := []Line{{"north", "1"}}
		planned := func(elapsed time.Duration) bool { // the wall clock stands still: only elapsed time counts
			a.See(now, elapsed, []fax.Job{c.job})
			return len(NewPlan(now, nil, free).With(a, elapsed).Assign([]fax.Job{c.job}, nil)) == 1
		}
		const start = 7 * time.Hour // of the process that looks
		for _, after := range []time.Duration{0, c.due - 1, c.due, 24 * time.Hour} {
			want := c.due >= 0 && after >= c.due
			if after >= 0 && planned(start+after) != want {
				t.Errorf("%s: after %v planned: %v", c.name, after, !want)
			}
		}
		again := c.job
		again.Tries++
		if len(a) > 0 {
			c.job = again
			if planned(start+24*time.Hour) && c.due > 0 {
				t.Errorf("%s: the next retry does not wait", c.name)
			}
		}
	}
}

func TestAheadIsBounded(t *testing.T) {
	a := Ahead{}
	var jobs []fax.Job
	for i := range MaxAhead + 100 {
		j := queued(fmt.Sprint(i), "1", 1)
		j.Tries, j.Last, j.NotBefore = 1, &fax.Attempt{Ended: now + 1e9}, now+1e9+60_000
		jobs = append(jobs, j)
	}
	a.See(now, 0, jobs)
	if len(a) != MaxAhead {
		t.Errorf("%d are remembered", len(a))
	}
	a.See(now, time.Hour, jobs[MaxAhead:])
	if !a.due(time.Hour+time.Minute, &jobs[len(jobs)-1]) {
		t.Error("there is no room when the first have been due")
	}
}

// TestSilence: an attempt is lost when the longest call has passed since it was
// renewed, as the leader has seen it, whatever clocks say.
func TestSilence(t *testing.T) {
	j := running("r", "1", "north", "1")
	j.Fax.Pages, j.Confirmed = 3, 1
	longest := Lease + LongestCall(2) + Skew
	s := Silence{}
	see := func(elapsed time.Duration, want bool, why string) {
		t.Helper()
		s.See(elapsed, []fax.Job{j})
		if got := s.Lost(elapsed, &j); got != want {
			t.Errorf("%s: lost: %v", why, got)
		}
	}
	if s.Lost(longest, &j) {
		t.Error("lost without having been seen")
	}
	const start = 5 * time.Hour
	see(start, false, "new")
	see(start+longest-1, false, "while the call could still be running")
	see(start+longest, true, "after lease and longest call")
	j.Last.Until -= 10 * 3600_000
	j.Updated -= 10 * 3600_000 // renewed by a clock that was set back
	see(start+longest, false, "renewed")
	if wait, ok := s.Next(start+longest+time.Minute, []fax.Job{j}); !ok || wait != longest-time.Minute {
		t.Errorf("Next = %v, %v", wait, ok)
	}
	j.Confirmed++
	see(start+2*longest, false, "a page more")
	other := j
	other.Tries, other.Last = 2, &fax.Attempt{Number: 2}
	if s.Lost(start+9*longest, &other) {
		t.Error("another attempt is lost that has not been seen")
	}
	j.State = fax.Queued
	see(start+9*longest, false, "a queued job")
	s.See(start, nil)
	if len(s) != 0 {
		t.Error("what has ended is remembered")
	}
	if LongestCall(1<<40) != callLongest || LongestCall(-1) != callLongest || LongestCall(1) >= LongestCall(2) {
		t.Error("LongestCall is not bounded or does not grow")
	}
}

// TestEveryEnding: each ending of the catalogue has a schedule of its own if it
// is temporary, and no other has one.
func TestEveryEnding(t *testing.T) {
	codes := status.Codes()
	for _, c := range codes {
		s, ok := schedules[c]
		if ok != (c.Kind() == status.Temporary) {
			t.Errorf("%v is of kind %v and has a schedule: %v", c, c.Kind(), ok)
		}
		if ok && (s.tries < 1 || len(s.minutes) == 0 || slices.Min(s.minutes) <= 0) {
			t.Errorf("%v: %+v", c, s)
		}
	}
	for c := range schedules {
		if !slices.Contains(codes, c) {
			t.Errorf("%d is no ending", c)
		}
	}
	if longestWait() != time.Hour {
		t.Errorf("the longest wait is %v", longestWait())
	}
}
