package queue

import (
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// TestQuiet: a node is asked when it has left an attempt assigned for AskAfter,
// and not when it dials, is cut off, or has got another attempt since.
func TestQuiet(t *testing.T) {
	assigned := running("a", "1", "north", "1")
	assigned.State = fax.Assigned
	dialing, alone, next := assigned, assigned, assigned
	dialing.State, alone.Alone, next.Tries = fax.Dialing, "north", 2
	const seen = time.Hour
	for _, c := range []struct {
		name  string
		job   fax.Job
		after time.Duration
		quiet bool
		wait  time.Duration
	}{
		{"just assigned", assigned, 0, false, AskAfter},
		{"nearly", assigned, AskAfter - 1, false, 1},
		{"long enough", assigned, AskAfter, true, 0},
		{"dialling", dialing, time.Minute, false, 0},
		{"of a node that is cut off", alone, time.Minute, false, 0},
		{"of another attempt than was seen", next, time.Minute, false, AskAfter},
	} {
		s := Silence{}
		first := c.job
		first.Tries = 1
		s.See(seen, []fax.Job{first})
		quiet, wait, ok := s.Quiet(seen+c.after, []fax.Job{c.job})
		if (len(quiet) == 1) != c.quiet || ok != (c.wait > 0) || wait != c.wait {
			t.Errorf("%s: %v, wait %v %v", c.name, quiet, wait, ok)
		}
	}
	if quiet, wait, ok := (Silence{}).Quiet(seen, []fax.Job{assigned}); quiet != nil || !ok || wait != AskAfter {
		t.Errorf("a job that was never seen: %v, wait %v %v", quiet, wait, ok)
	}
}

// TestLostBeforeDialling: a node that answers and yet does not dial has given
// up with its lease; there is no call to wait for.
func TestLostBeforeDialling(t *testing.T) {
	j := running("a", "1", "north", "1")
	j.State, j.Fax.Pages = fax.Assigned, 100
	s := Silence{}
	s.See(0, []fax.Job{j})
	if s.Lost(Lease-1, &j) || !s.Lost(Lease, &j) {
		t.Error("an attempt that was never dialled is not lost with its lease")
	}
	j.State = fax.Dialing
	s.See(0, []fax.Job{j})
	if s.Lost(Lease+LongestCall(100), &j) {
		t.Error("a call that may be running is lost")
	}
}
