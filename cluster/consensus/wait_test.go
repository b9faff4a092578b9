package consensus

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/hashicorp/raft"
)

// forgotten is a future that raft had in a queue when it shut down.
type forgotten struct{ answer chan error }

func (f forgotten) Error() error { return <-f.answer }

// TestForgottenFuture: nobody waits for ever for what raft has forgotten, and
// what a command held is given back.
func TestForgottenFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &run{over: make(chan struct{})}
		f := forgotten{make(chan error)}
		given := make(chan struct{})
		got := make(chan error)
		go func() { got <- r.wait(t.Context(), f, func() { close(given) }) }()
		synctest.Wait()
		close(r.over)
		if err := <-got; !errors.Is(err, raft.ErrRaftShutdown) {
			t.Errorf("the future of a run that is over: %v", err)
		}
		<-given
		f.answer <- nil // lets the waiting goroutine go

		settled := forgotten{make(chan error, 1)}
		settled.answer <- raft.ErrLeadershipLost
		if err := (&run{over: make(chan struct{})}).wait(t.Context(), settled, nil); !errors.Is(err, raft.ErrLeadershipLost) {
			t.Errorf("a settled future: %v", err)
		}
	})
}
