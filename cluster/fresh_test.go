package cluster

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/consensus"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

// slowLedger applies nothing while its gate is shut.
type slowLedger struct {
	consensus.StateMachine
	gate sync.RWMutex // held for writing while it is shut
}

func (s *slowLedger) ApplyBatch(entries []consensus.Entry) ([][]byte, error) {
	s.gate.RLock()
	defer s.gate.RUnlock()
	return s.StateMachine.ApplyBatch(entries)
}

// A password that was changed at one node is in force at all at once, also at
// one that is behind: it knows that it is, and does not answer before it is not.
func TestFresh(t *testing.T) {
	t.Parallel()
	w := found(t)
	slow := &slowLedger{}
	w.alter = func(o *Options) {
		if o.Name == "south" {
			o.machine = func(m consensus.StateMachine) consensus.StateMachine {
				slow.StateMachine = m
				return slow
			}
		}
	}
	w.settle("south")
	north, south := w.nodes["north"], w.nodes["south"]
	w.agree()
	for name, c := range w.nodes {
		if err := c.Fresh(patience(t)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	slow.gate.Lock()
	const changed = "$argon2id$v=19$m=65536,t=1,p=1$c2FsdHNhbHRzYWx0$bmV3aGFzaG5ld2hhc2huZXdoYXNobmV3aGFzaG5ld2hhc2g"
	if _, err := north.Propose(patience(t), ledger.SetPassword{Name: "admin", Hash: changed, By: "admin", Node: "north", At: fax.At(time.Now())}); err != nil {
		t.Fatal(err)
	}
	if _, old, err := south.Ledger().Account("admin"); old != hash || err != nil {
		t.Fatalf("the slow node has %q already, %v", old, err)
	}
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := south.Fresh(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a node that is behind calls itself fresh: %v", err)
	}
	slow.gate.Unlock()
	if err := south.Fresh(patience(t)); err != nil {
		t.Fatal(err)
	}
	if _, now, err := south.Ledger().Account("admin"); now != changed || err != nil {
		t.Errorf("fresh, and it shows %q, %v", now, err)
	}
}

// Who asks while a question is under way is not answered by that one; all that
// ask meanwhile share the next.
func TestFreshRounds(t *testing.T) {
	s := rounds{bell: make(chan struct{}, 1)}
	first := s.join()
	<-s.bell
	if s.begin() != first {
		t.Error("the first round is another")
	}
	second := s.join()
	if second == first || s.join() != second {
		t.Error("who came later shares the question that was asked before")
	}
	<-s.bell
	if s.begin() != second {
		t.Error("the second round is another")
	}
}

// A node that hears of no leader says at once that it goes by what it knows
// when it is an island, and after a while before that.
func TestFreshAlone(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.settle("south")
	w.agree()
	island := w.cutOff("south")
	if err := island.Fresh(patience(t)); !errors.Is(err, ErrStale) {
		t.Errorf("cut off: %v", err)
	}
	waitFor(t, "the node is an island", func() bool { _, alone := island.Alone(); return alone && island.Leader() == "" })
	if err := island.Fresh(patience(t)); !errors.Is(err, ErrStale) || fax.KindOf(err) != fax.Internal {
		t.Errorf("an island: %v", err)
	}
	if _, err := island.handleFresh(patience(t), "north", nil); fax.KindOf(err) != fax.Unavailable {
		t.Errorf("asked by another: %v", err)
	}
}
