package consensus

import (
	"context"
	"fmt"

	"github.com/hashicorp/raft"
)

// Member is a node that takes part.
type Member struct {
	Name   string
	Voter  bool // or it only follows
	Leader bool
}

// AddVoter lets a node take part and vote, also one that only followed. Only on
// the leader.
//
// A node that has lost its files must be removed first: it no longer knows
// whom it has voted for.
func (n *Node) AddVoter(ctx context.Context, name string) error {
	return n.change(ctx, "let "+name+" vote", func(r *run) raft.Future {
		return r.AddVoter(raft.ServerID(name), raft.ServerAddress(name), 0, n.cfg.Timeouts.Apply)
	})
}

// AddNonvoter lets a node follow without a vote. Only on the leader.
func (n *Node) AddNonvoter(ctx context.Context, name string) error {
	return n.change(ctx, "let "+name+" follow", func(r *run) raft.Future {
		return r.AddNonvoter(raft.ServerID(name), raft.ServerAddress(name), 0, n.cfg.Timeouts.Apply)
	})
}

// Demote takes a node's vote; it follows on. Only on the leader, not its own.
func (n *Node) Demote(ctx context.Context, name string) error {
	return n.change(ctx, "take the vote of "+name, func(r *run) raft.Future {
		return r.DemoteVoter(raft.ServerID(name), 0, n.cfg.Timeouts.Apply)
	})
}

// Remove takes a node out. Only on the leader, which may remove itself.
func (n *Node) Remove(ctx context.Context, name string) error {
	return n.change(ctx, "take "+name+" out", func(r *run) raft.Future {
		return r.RemoveServer(raft.ServerID(name), 0, n.cfg.Timeouts.Apply)
	})
}

// change alters who takes part. All changes may be repeated.
func (n *Node) change(ctx context.Context, what string, begin func(*run) raft.Future) error {
	if err := n.lead(ctx); err != nil {
		return err
	}
	r := n.raft()
	if err := r.wait(ctx, begin(r), nil); err != nil {
		return fmt.Errorf("%s: %w", what, n.explain(err))
	}
	return nil
}

// Members are the nodes that take part, as this node knows them.
func (n *Node) Members() ([]Member, error) {
	future := n.raft().GetConfiguration()
	if err := future.Error(); err != nil {
		return nil, fmt.Errorf("read who takes part: %w", err)
	}
	leader := n.Leader()
	var members []Member
	for _, s := range future.Configuration().Servers {
		members = append(members, Member{
			Name:   string(s.ID),
			Voter:  s.Suffrage == raft.Voter,
			Leader: string(s.ID) == leader,
		})
	}
	return members, nil
}

// Transfer hands the lead to another voter. Only on the leader.
func (n *Node) Transfer() error {
	if err := n.lead(context.Background()); err != nil {
		return err
	}
	if err := n.raft().LeadershipTransfer().Error(); err != nil {
		return fmt.Errorf("hand over the lead: %w", err)
	}
	return nil
}

// Logged is the index of the last entry in this node's log, agreed on or not,
// and the term of the agreement.
func (n *Node) Logged() (index, term uint64) {
	r := n.raft()
	return r.LastIndex(), r.CurrentTerm()
}

// votes says whether this node votes and how many others do; no and none if
// that cannot be read.
func (n *Node) votes() (votes bool, others int) {
	members, err := n.Members()
	if err != nil {
		return false, 0
	}
	for _, m := range members {
		switch {
		case !m.Voter:
		case m.Name == n.cfg.Name:
			votes = true
		default:
			others++
		}
	}
	return votes, others
}

func (n *Node) otherVoters() int {
	_, others := n.votes()
	return others
}
