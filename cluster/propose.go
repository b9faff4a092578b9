package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/consensus"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/cluster/peer"
)

// Limits of a proposal.
const (
	ProposeTime  = 10 * time.Second // through an election, at most
	electionStep = 50 * time.Millisecond
)

const methodPropose = "propose"

// The answers to a forwarded proposal: an octet, and what belongs to it.
const (
	proposalDone      = 0 // the result
	proposalNotLeader = 1 // the name of the leader, if known
	proposalUnknown   = 2 // why the outcome is not known
)

// errOutcome means that a command may have been applied or not.
var errOutcome = errors.New("whether the change was made is not known")

// Propose has a command applied by all nodes, by way of the leader, and
// returns when this node's ledger shows it. A command that the ledger refuses
// gives the refusal, with its kind. Unavailable means that there is no majority
// to ask, or that the answer got lost; the text says which. A command is
// proposed again after a lost answer only if a repetition does no harm.
//
// A node that is cut off takes alone what it may, and refuses the rest.
func (c *Cluster) Propose(ctx context.Context, cmd ledger.Command) (ledger.Result, error) {
	if res, err := c.alone(cmd, false); !errors.Is(err, errAshore) {
		return res, err
	}
	return c.agreeOr(ctx, cmd, true)
}

// agree is Propose, never alone.
func (c *Cluster) agree(ctx context.Context, cmd ledger.Command) (ledger.Result, error) {
	return c.agreeOr(ctx, cmd, false)
}

// agreeOr proposes; if this node is found to be cut off meanwhile, it goes on
// alone where it may.
func (c *Cluster) agreeOr(ctx context.Context, cmd ledger.Command, alone bool) (ledger.Result, error) {
	data, err := ledger.Encode(cmd)
	if err != nil {
		return ledger.Result{}, err
	}
	if len(data) > consensus.MaxCommand {
		return ledger.Result{}, fax.Errorf(fax.TooLarge, "the change takes %d octets; at most %d are allowed", len(data), consensus.MaxCommand)
	}
	ctx, cancel := context.WithTimeout(ctx, ProposeTime)
	defer cancel()
	p := proposal{cmd: cmd, data: data, repeatable: repeatable(cmd), alone: alone}
	res, err := c.proposeUntil(ctx, &p)
	if p.taken || err != nil {
		return res, err
	}
	if err := c.caughtUp(ctx, res.Index); err != nil {
		return res, fax.Errorf(fax.Unavailable, "the change was made, but node %s has not heard of it yet", c.id.Name)
	}
	if res.Err != nil {
		return res, res.Err
	}
	return res, nil
}

// proposal is a command on its way to be agreed on.
type proposal struct {
	cmd        ledger.Command
	data       []byte
	repeatable bool
	alone      bool // this node may take it alone
	unsure     bool // a try had no answer
	taken      bool // alone
}

// proposeUntil tries until there is an answer, ctx ends, or another try could
// do harm.
func (c *Cluster) proposeUntil(ctx context.Context, p *proposal) (ledger.Result, error) {
	hint := ""
	for {
		res, leader, err := c.proposeOnce(ctx, p.data, p.repeatable, hint)
		if errors.Is(err, errOutcome) {
			p.unsure = true
			c.remember(p.cmd)
		}
		switch {
		case err == nil:
			return res, nil
		case errors.Is(err, errOutcome) && !p.repeatable:
			return res, fax.Errorf(fax.Unavailable, "the leader has changed or could not be reached meanwhile; look whether the change was made before trying again")
		case !errors.Is(err, errOutcome) && !errors.Is(err, errNoLeader):
			return res, err
		}
		hint = leader
		if c.life.ctx.Err() != nil {
			return res, fax.Errorf(fax.Unavailable, "node %s is stopping", c.id.Name)
		}
		if p.alone {
			if res, err := c.alone(p.cmd, p.unsure); !errors.Is(err, errAshore) {
				p.taken = true
				return res, err
			}
		}
		if pause(ctx, electionStep) != nil {
			return res, fax.Errorf(fax.Unavailable, "there is no majority of nodes to agree; node %s has tried and goes on alone: %v", c.id.Name, err)
		}
	}
}

// errNoLeader means that the command has not been applied and will not be.
var errNoLeader = errors.New("there is no leader now")

// proposeOnce makes one try: here if this node leads, else at the leader.
func (c *Cluster) proposeOnce(ctx context.Context, data []byte, repeatable bool, hint string) (res ledger.Result, leader string, err error) {
	if c.raft.IsLeader() {
		return c.proposeHere(ctx, data)
	}
	if leader = c.Leader(); leader == "" {
		leader = hint
	}
	if leader == "" || leader == c.id.Name {
		return res, "", errNoLeader
	}
	call := c.client.CallOnce
	if repeatable {
		call = c.client.Call
	}
	answer, err := call(ctx, leader, methodPropose, data)
	switch {
	case errors.Is(err, peer.ErrUnsent):
		return res, "", fmt.Errorf("%w: %w", errNoLeader, err)
	case errors.Is(err, peer.ErrUnanswered):
		return res, "", fmt.Errorf("%w: %w", errOutcome, err)
	case err != nil:
		return res, "", err
	case len(answer) == 0:
		return res, "", fmt.Errorf("%w: an empty answer from %s", errOutcome, leader)
	}
	switch text := answer[1:]; answer[0] {
	case proposalDone:
		res, err = ledger.DecodeResult(text)
		return res, leader, err
	case proposalNotLeader:
		return res, string(text), errNoLeader
	default:
		return res, "", fmt.Errorf("%w: %s", errOutcome, text)
	}
}

// proposeHere applies a command on this node, which believes that it leads.
func (c *Cluster) proposeHere(ctx context.Context, data []byte) (res ledger.Result, leader string, err error) {
	answer, err := c.raft.Apply(ctx, data)
	var notLeader consensus.ErrNotLeader
	switch {
	case err == nil:
		res, err = ledger.DecodeResult(answer)
		return res, c.id.Name, err
	case errors.As(err, &notLeader):
		return res, notLeader.Leader, errNoLeader
	case errors.Is(err, consensus.ErrBusy), errors.Is(err, consensus.ErrClosed):
		return res, "", fmt.Errorf("%w: %w", errNoLeader, err)
	case errors.Is(err, consensus.ErrUnknown):
		return res, "", fmt.Errorf("%w: %w", errOutcome, err)
	}
	return res, "", err
}

// handlePropose answers another node's proposal.
func (c *Cluster) handlePropose(ctx context.Context, from string, data []byte) ([]byte, error) {
	res, leader, err := c.proposeHere(ctx, data)
	switch {
	case errors.Is(err, errNoLeader):
		return append([]byte{proposalNotLeader}, leader...), nil
	case errors.Is(err, errOutcome):
		return append([]byte{proposalUnknown}, err.Error()...), nil
	case err != nil:
		return nil, fmt.Errorf("node %s proposes what the leader refuses: %w", from, err)
	}
	result, err := ledger.EncodeResult(res)
	if err != nil {
		return nil, err
	}
	return append([]byte{proposalDone}, result...), nil
}

// caughtUp waits until the local ledger has applied index.
func (c *Cluster) caughtUp(ctx context.Context, index uint64) error {
	bell, stop := c.ledger.Watch()
	defer stop()
	for {
		if applied, _ := c.ledger.Applied(); applied >= index {
			return nil
		}
		select {
		case <-bell:
		case <-ctx.Done():
			return ctx.Err()
		case <-c.life.ctx.Done():
			return c.life.ctx.Err()
		}
	}
}

// repeatable says whether applying a command a second time, right after the
// first, changes nothing and gives the same answer.
func repeatable(cmd ledger.Command) bool {
	switch cmd.(type) {
	case ledger.SetRights, ledger.PutNode, ledger.PutToken, ledger.SpendToken, ledger.PutDialRule, ledger.PutRoute,
		ledger.Submit, ledger.Progress, ledger.Finish, ledger.Receive, ledger.AssignFax, ledger.EndSession,
		ledger.Import, ledger.Ashore:
		return true
	}
	return false
}
