package cluster

import (
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// How nodes see to it that all have the same ledger.
const (
	agreeEvery = 10 * time.Second
	agreeTwice = 2 // looks in a row that must find a node astray
)

// agreement is whether the history of one node is that of another.
type agreement string

const (
	agreeUnknown agreement = ""
	agreeSame    agreement = "same"
	agreeDiffers agreement = "differs"
)

// compare says whether a position is one that this node has been through.
func (c *Cluster) compare(p Position) agreement {
	chain, ok := c.ledger.ChainAt(p.Index)
	switch {
	case !ok || p.Index == 0:
		return agreeUnknown
	case hex.EncodeToString(chain[:]) == p.Chain:
		return agreeSame
	}
	return agreeDiffers
}

// agreementWith puts together what this node says of another's position and
// the other of this one's.
func (c *Cluster) agreementWith(p Position) agreement {
	if a := c.compare(p); a != agreeUnknown {
		return a
	}
	return p.Yours
}

// seeToAgreement stops this node when its ledger is not that of the others: a
// fault of its disk, its memory or its program would else be spread as truth.
func (c *Cluster) seeToAgreement() {
	found := 0
	for pause(c.life.ctx, agreeEvery) == nil {
		at, lost := c.lookAstray()
		if !lost {
			found = 0
			continue
		}
		if found++; found == agreeTwice {
			c.stop(fmt.Sprintf("the ledger of node %s is not the same as the others' (entry %d): its disk or memory may be failing. Take it out with faxmeshd remove %s on another node, check the machine, and join again in a new directory",
				c.id.Name, at, c.id.Name))
			return
		}
	}
}

// lookAstray compares this node's ledger with those of the voters.
func (c *Cluster) lookAstray() (index uint64, lost bool) {
	var voters []string
	votes := false
	for _, m := range c.Members() {
		if m.Voter {
			votes = votes || m.Name == c.id.Name
			if m.Alive && m.Name != c.id.Name {
				voters = append(voters, m.Name)
			}
		}
	}
	if len(voters) == 0 {
		return 0, false
	}
	index, _ = c.ledger.Applied()
	var said []agreement
	for _, p := range c.positions(c.life.ctx, voters, positionWait) {
		said = append(said, c.agreementWith(p))
	}
	return index, astray(votes, c.raft.IsLeader(), len(voters), said)
}

// astray says whether a node must take itself for the one that is wrong, by
// what others say: more of the voters contradict it than agree, itself counted
// if it votes. Between two voters the leader is believed, if all have spoken.
func astray(votes, leads bool, asked int, said []agreement) bool {
	count := func(a agreement) int {
		return len(slices.DeleteFunc(slices.Clone(said), func(s agreement) bool { return s != a }))
	}
	same, differ := count(agreeSame), count(agreeDiffers)
	if votes {
		same++
	}
	return differ > same || differ > 0 && differ == same && !leads && count(agreeUnknown) == 0 && len(said) == asked
}
