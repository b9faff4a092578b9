package consensus

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

const ms = time.Millisecond

func TestTimeoutsOver(t *testing.T) {
	for _, c := range []struct {
		base                       Timeouts
		roundTrip                  time.Duration
		heartbeat, election, lease time.Duration
	}{
		{roundTrip: -1, heartbeat: 500 * ms, election: 500 * ms, lease: 500 * ms},
		{roundTrip: 1 * ms, heartbeat: 500 * ms, election: 500 * ms, lease: 500 * ms},
		{roundTrip: 50 * ms, heartbeat: 500 * ms, election: 500 * ms, lease: 500 * ms},
		{roundTrip: 150 * ms, heartbeat: 1500 * ms, election: 1500 * ms, lease: 900 * ms},
		{roundTrip: 700 * ms, heartbeat: maxHeartbeat, election: maxHeartbeat, lease: 4200 * ms},
		{roundTrip: 1 << 62, heartbeat: maxHeartbeat, election: maxHeartbeat, lease: maxHeartbeat},
		{base: Timeouts{Heartbeat: 100 * ms}, roundTrip: 1 * ms, heartbeat: 100 * ms, election: 500 * ms, lease: 100 * ms},
		{base: Timeouts{Heartbeat: 9 * time.Second, Election: time.Second}, roundTrip: time.Second, heartbeat: 9 * time.Second, election: 9 * time.Second, lease: 6 * time.Second},
	} {
		got := c.base.orDefaults().Over(c.roundTrip)
		if got.Heartbeat != c.heartbeat || got.Election != c.election || got.Lease != c.lease {
			t.Errorf("over %v: heartbeat %v, election %v, lease %v", c.roundTrip, got.Heartbeat, got.Election, got.Lease)
		}
	}
}

// What is changed must be taken by raft, and settle.
func TestTimeoutsTowards(t *testing.T) {
	trips := []time.Duration{0, 30 * ms, 45 * ms, 80 * ms, 150 * ms, 160 * ms, 400 * ms, time.Second}
	for _, from := range trips {
		for _, to := range trips {
			is, want := defaults.Over(from), defaults.Over(to)
			next, restart := is.towards(want, true)
			if next != want && next != is || restart && next != want {
				t.Errorf("a follower goes from %+v towards %+v with %+v", is, want, next)
			}
			if next == is && !(near(is.Heartbeat, want.Heartbeat) && near(is.Lease, want.Lease)) {
				t.Errorf("a follower stays at %+v, away from %+v", is, want)
			}
			next, restart = is.towards(want, false)
			if restart || next.Lease != is.Lease || next.Heartbeat < next.Lease || next.Election < next.Heartbeat {
				t.Errorf("a leader goes from %+v towards %+v with %+v, restart %v", is, want, next, restart)
			}
			if again, _ := next.towards(want, false); again != next {
				t.Errorf("a leader does not settle: from %+v to %+v to %+v", is, next, again)
			}
		}
	}
}

// In one building a leader that is gone is replaced in under two seconds.
func TestKilledLeaderIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		sites := cluster(t, net, "north", "south", "west")
		defer stopAll(t, sites)
		var longest time.Duration
		for range 10 {
			old := leaderOf(t, sites)
			time.Sleep(rand.N(500 * ms)) // whatever the moment
			net.isolate(old.name, true)
			begun := time.Now()
			for !func() bool {
				for _, s := range sites {
					if s != old && s.IsLeader() {
						return true
					}
				}
				return false
			}() {
				time.Sleep(10 * ms)
			}
			longest = max(longest, time.Since(begun))
			net.isolate(old.name, false)
		}
		if longest >= 2*time.Second {
			t.Errorf("for %v nobody led", longest)
		}
		t.Logf("longest time without a leader: %v", longest)
	})
}

// Sites far apart, over a line that loses packets, keep their leader once the
// timeouts follow the round trips; and they are as quick as near ones when the
// line is.
func TestFarNodesKeepTheirLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		net.rand = rand.New(rand.NewPCG(1, 2))
		sites := cluster(t, net, "north", "south", "west")
		pace := func(roundTrip time.Duration) {
			for _, s := range sites {
				if err := s.Pace(roundTrip); err != nil {
					t.Fatal(err)
				}
			}
		}
		net.stretch(75*ms, 50)
		far := defaults.Over(150 * ms)
		eventually(t, "all nodes have the timeouts of the line", func() bool {
			pace(150 * ms)
			for _, s := range sites {
				if s.life.inForce != far {
					_ = s.Transfer() // a leader keeps its lease
					return false
				}
			}
			return true
		})
		leader := leaderOf(t, sites)
		term := leader.raft().CurrentTerm()
		for range 3 * 60 {
			time.Sleep(time.Second)
			pace(150 * ms)
			leader.apply(t, "still here")
		}
		if now := leaderOf(t, sites); now != leader || now.raft().CurrentTerm() != term {
			t.Errorf("after three quiet minutes %s leads in term %d, not %s in %d", now.name, now.raft().CurrentTerm(), leader.name, term)
		}
		agree(t, sites, 3*60)
		net.stretch(ms, 0)
		pace(2 * ms)
		for _, s := range sites {
			if s != leader && s.life.inForce != defaults {
				t.Errorf("on a short line the timeouts of %s are %+v", s.name, s.life.inForce)
			}
		}
		agree(t, sites, 3*60)
		stopAll(t, sites)
	})
}
