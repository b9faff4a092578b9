package consensus

import (
	"context"

	"github.com/hashicorp/raft"
)

// Verified is an index up to which a node must have applied the commands to
// know of all that was taken, anywhere, before the call. Only on the leader,
// which asks a majority whether it still is the leader.
//
// It counts only once the leader has applied what was agreed on before its
// term: before, its own commit index may be of the past (Raft, section 6.4 of
// the dissertation).
func (n *Node) Verified(ctx context.Context) (uint64, error) {
	if err := n.lead(ctx); err != nil {
		return 0, err
	}
	r := n.raft()
	term := n.readyTerm.Load()
	if !n.IsLeader() {
		return 0, ErrNotLeader{} // it is about to be
	}
	commit := r.CommitIndex()
	if err := r.wait(ctx, r.VerifyLeader(), nil); err != nil {
		return 0, n.explain(err)
	}
	if !n.IsLeader() || n.readyTerm.Load() != term || n.raft() != r {
		return 0, ErrNotLeader{n.Leader()} // another may have led in between
	}
	return n.lastCommand(r, commit), nil
}

// lastCommand is the index of the last command up to another entry, as what
// raft adds for itself is never applied; or what has been applied, if no
// command is left.
func (n *Node) lastCommand(r *run, index uint64) uint64 {
	for ; index > n.machine.state.Applied(); index-- {
		var entry raft.Log
		if err := r.log.GetLog(index, &entry); err != nil {
			break // in a snapshot by now, so it is applied
		}
		if entry.Type == raft.LogCommand {
			return index
		}
	}
	return min(index, n.machine.state.Applied())
}
