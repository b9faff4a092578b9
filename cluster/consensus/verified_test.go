package consensus

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// What the leader verifies is no less than what was taken before; a leader that
// is cut off cannot verify anything, long before it knows that it is one no more.
func TestVerified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		sites := cluster(t, net, "north", "south", "west")
		defer stopAll(t, sites)
		leader := leaderOf(t, sites)
		index := leader.apply(t, "one")
		if got, err := leader.Verified(t.Context()); got != index || err != nil {
			t.Errorf("verified %d, %v; %d was taken", got, err, index)
		}
		for _, s := range sites {
			if _, err := s.Verified(t.Context()); s != leader && !errors.As(err, new(ErrNotLeader)) {
				t.Errorf("%s, which does not lead: %v", s.name, err)
			}
		}
		// The next leader verifies what the one before has taken, though its
		// own first entry is no command.
		if err := leader.Transfer(); err != nil {
			t.Fatal(err)
		}
		next := leaderOf(t, sites)
		eventually(t, "the next leader is ready", next.IsLeader)
		if got, err := next.Verified(t.Context()); next == leader || got != index || err != nil {
			t.Errorf("%s verified %d, %v; %d was taken", next.name, got, err, index)
		}
		net.isolate(next.name, true)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if got, err := next.Verified(ctx); err == nil {
			t.Errorf("a leader that is cut off verified %d", got)
		}
		net.isolate(next.name, false)
	})
}
