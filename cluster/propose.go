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
	ProposeTime  = 10 * time.Second      // through an election, at most
	tryTime      = 3 * time.Second       // for one answer; then it is sent again
	firstStep    = 2 * time.Millisecond  // before the second try; twice as long before each further one
	electionStep = 50 * time.Millisecond // at most
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
// gives the refusal, with its kind. It is sent until there is an answer, and
// taken once all the same (ledger.Once). Unavailable means that there was no
// majority to ask, or no answer before ctx ended or ProposeTime was over; the
// text says which. A command that was given up is not taken any more once this
// node's next one is.
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
	p := proposal{cmd: cmd, data: data, alone: alone}
	res, err := c.proposeNumbered(ctx, &p)
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
	cmd    ledger.Command
	data   []byte
	alone  bool // this node may take it alone
	unsure bool // a try had no answer
	taken  bool // alone
}

// proposeNumbered gives a command its number and has it proposed. Only a clock
// that was set back while this node was down makes its run one of the past:
// then it begins another.
func (c *Cluster) proposeNumbered(ctx context.Context, p *proposal) (ledger.Result, error) {
	for {
		n, err := c.numbers.next(ctx)
		if err != nil {
			return ledger.Result{}, err
		}
		res, err := c.proposeUntil(ctx, p, n)
		c.numbers.settle(n)
		if err != nil || res.Void != ledger.VoidEarlierRun || p.unsure {
			return res, err
		}
		c.numbers.begin(res.Run)
	}
}

// proposeUntil tries until there is an answer or ctx ends.
func (c *Cluster) proposeUntil(ctx context.Context, p *proposal, n number) (ledger.Result, error) {
	data, err := ledger.Encode(ledger.Once{Node: c.id.Name, Run: n.run, Seq: n.seq, Open: n.low, Command: p.data})
	if err != nil {
		return ledger.Result{}, err
	}
	hint := ""
	for step := firstStep; ; step = min(2*step, electionStep) {
		res, leader, err := c.proposeOnce(ctx, data, hint)
		switch {
		case errors.Is(err, errOutcome):
			p.unsure = true
			c.remember(p.cmd)
		case err == nil || !errors.Is(err, errNoLeader):
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
		if pause(ctx, step) != nil {
			return res, c.givenUp(p, err)
		}
	}
}

// givenUp says in words for people what is known of a command without an
// answer.
func (c *Cluster) givenUp(p *proposal, err error) error {
	if p.unsure {
		return fax.Errorf(fax.Unavailable, "the leader could not be reached for its answer; look whether the change was made before trying again")
	}
	return fax.Errorf(fax.Unavailable, "there is no majority of nodes to agree; node %s has tried and goes on alone: %v", c.id.Name, err)
}

// errNoLeader means that the command has not been applied and will not be.
var errNoLeader = errors.New("there is no leader now")

// proposeOnce makes one try: here if this node leads, else at the leader.
func (c *Cluster) proposeOnce(ctx context.Context, data []byte, hint string) (res ledger.Result, leader string, err error) {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	if c.raft.IsLeader() {
		return c.proposeHere(ctx, data)
	}
	if leader = c.Leader(); leader == "" {
		leader = hint
	}
	if leader == "" || leader == c.id.Name {
		return res, "", errNoLeader
	}
	answer, err := c.client.Call(ctx, leader, methodPropose, data)
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
	if err := c.mayPropose(data); err != nil {
		return res, "", err
	}
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

// handlePropose answers another node's proposal, which has a number of that
// node: without one it might be taken twice.
func (c *Cluster) handlePropose(ctx context.Context, from string, data []byte) ([]byte, error) {
	if by, numbered := ledger.ProposerOf(data); !numbered || by != from {
		return nil, fax.Errorf(fax.Invalid, "the command that %s proposes has no number of that node", from)
	}
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
