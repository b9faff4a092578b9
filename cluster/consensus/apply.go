package consensus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// ErrNotLeader is returned where only the leader can act. Nothing was done.
type ErrNotLeader struct {
	Leader string // the leader's name as far as this node knows, or ""
}

func (e ErrNotLeader) Error() string {
	if e.Leader == "" {
		return "there is no leader now; try again"
	}
	return fmt.Sprintf("this node does not lead; ask node %s", e.Leader)
}

var (
	// ErrUnknown marks errors after which a command may have been taken all
	// the same. It may be repeated only if it is one that may be.
	ErrUnknown = errors.New("the command may or may not have been taken")
	// ErrBusy says that a limit on commands under way is reached. Nothing was
	// done.
	ErrBusy = errors.New("too many commands are under way; try again")
	// ErrClosed is returned after Close. Nothing was done.
	ErrClosed = errors.New("the agreement is closed")
)

// Apply has a command agreed on and applied here, and returns its result. Only
// on the leader. Errors that wrap ErrUnknown leave it open whether the command
// was, or will be, applied; after all others it is not.
func (n *Node) Apply(ctx context.Context, data []byte) ([]byte, error) {
	if len(data) > MaxCommand {
		return nil, fmt.Errorf("a command of %d octets; at most %d are allowed", len(data), MaxCommand)
	}
	if err := n.machine.state.Check(data); err != nil {
		return nil, fmt.Errorf("the command cannot be applied: %w", err)
	}
	if err := n.lead(ctx); err != nil {
		return nil, err
	}
	select {
	case n.slots <- struct{}{}:
	case <-n.life.closing:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
	}
	r := n.raft()
	future := r.Apply(data, n.cfg.Timeouts.Apply)
	err := r.wait(ctx, future, func() { <-n.slots })
	if err != nil {
		return nil, n.explain(err)
	}
	switch answer := future.Response().(type) {
	case []byte:
		return answer, nil
	case error:
		return nil, fmt.Errorf("%w: this node has failed: %w", ErrUnknown, answer)
	default:
		return nil, fmt.Errorf("%w: the state machine answered with %T", ErrUnknown, answer)
	}
}

// Barrier returns when all commands taken before it are applied here. Only on
// the leader.
func (n *Node) Barrier(ctx context.Context) error {
	if err := n.lead(ctx); err != nil {
		return err
	}
	r := n.raft()
	if err := r.wait(ctx, r.Barrier(n.cfg.Timeouts.Apply), nil); err != nil {
		return n.explain(err)
	}
	return nil
}

// lead refuses, before anything is done, what only a leader can do.
func (n *Node) lead(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-n.life.closing:
		return ErrClosed
	default:
	}
	if n.raft().State() != raft.Leader {
		return ErrNotLeader{n.Leader()}
	}
	return nil
}

// wait waits for a future, the context or the end of the run, whichever comes
// first; done runs when the future is settled or never will be: raft forgets
// the futures that are in its queues when it shuts down.
func (r *run) wait(ctx context.Context, future raft.Future, done func()) error {
	if done == nil {
		done = func() {}
	}
	settled := make(chan error, 1)
	go func() { settled <- future.Error() }()
	end := make(chan error, 1)
	go func() {
		defer done()
		select {
		case err := <-settled:
			end <- err
		case <-r.over:
			select {
			case err := <-settled: // just so
				end <- err
			default:
				end <- raft.ErrRaftShutdown
			}
		}
	}()
	select {
	case err := <-end:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// explain sorts raft's errors into those after which nothing was done and the
// rest.
func (n *Node) explain(err error) error {
	switch {
	case errors.Is(err, raft.ErrNotLeader):
		return ErrNotLeader{n.Leader()}
	case errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return ErrNotLeader{}
	case errors.Is(err, raft.ErrEnqueueTimeout):
		return ErrBusy
	}
	return fmt.Errorf("%w: %w", ErrUnknown, err)
}

// IsLeader reports whether this node leads and has applied all that was agreed
// on before it did.
func (n *Node) IsLeader() bool {
	r := n.raft()
	return r.State() == raft.Leader && n.readyTerm.Load() == r.CurrentTerm() && n.fence.err() == nil
}

// Leader is the name of the leader as far as this node knows, or "".
func (n *Node) Leader() string {
	_, id := n.raft().LeaderWithID()
	return string(id)
}

// Leadership delivers true when this node has become the leader and has
// applied all that was agreed on before, false when it has lost the lead. Only
// the latest value waits for a reader, and true may follow true: the lead was
// lost and won again in between. There is one channel, for one reader.
func (n *Node) Leadership() <-chan bool { return n.leadership }

// barrierWait bounds how long a new leader takes to apply what is behind.
const barrierWait = time.Minute

func (n *Node) followLeadership() {
	led := false
	for {
		select {
		case leads := <-n.raft().LeaderCh():
			if leads {
				r := n.raft()
				term := r.CurrentTerm()
				if err := r.wait(context.Background(), r.Barrier(barrierWait), nil); err != nil {
					continue // lost again, or closing: the next value says so
				}
				n.readyTerm.Store(term)
			}
			led = leads
			n.announce(leads)
		case <-n.machine.installs.stuck:
			n.getUnstuck()
		case <-n.restarted: // the next look is at another run's channel
			if led {
				led = false
				n.announce(false)
			}
		case <-n.life.closing:
			return
		}
	}
}

// announce puts the value where Leadership's reader finds it, over one that it
// has not read.
func (n *Node) announce(leads bool) {
	select {
	case <-n.leadership:
	default:
	}
	n.leadership <- leads // the only writer: there is room
}
