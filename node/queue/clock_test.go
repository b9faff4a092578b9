package queue

import (
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"pgregory.net/rapid"
)

// Whatever a clock that was set says now, the time to look again lies in its
// future, so that the queue is not read in a circle; no call counts as lost for a
// clock that goes back; and a job whose time has come stays due.
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
		if then < now && Lost(then, &call) && !Lost(now, &call) {
			t.Fatal("lost for a clock that went back")
		}
		free := []Line{{"north", "2"}}
		if got := NewPlan(then, []fax.Job{call}, free).Assign([]fax.Job{due}, nil); (len(got) == 1) != (due.NotBefore <= then) {
			t.Fatalf("due at %d, planned at %d: %v", due.NotBefore, then, got)
		}
	})
}
