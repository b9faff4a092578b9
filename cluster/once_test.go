package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

// Answers that get lost, commands that never arrive, that arrive twice, a lead
// that changes while an answer is on its way: what is proposed is taken, once.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.settle("south", "west")
	w.voters(3)
	var asks atomic.Int32
	for _, c := range w.nodes {
		c.Handle(methodPropose, func(ctx context.Context, from string, data []byte) ([]byte, error) {
			lost := func(string) ([]byte, error) { return append([]byte{proposalUnknown}, "lost"...), nil }
			switch ask := asks.Add(1); ask % 5 {
			case 0: // it never arrives
				return lost("")
			case 1: // the answer is lost
				_, err := c.handlePropose(ctx, from, data)
				return lost(fmt.Sprint(err))
			case 2: // it arrives twice
				if answer, err := c.handlePropose(ctx, from, data); err != nil {
					return answer, err
				}
			case 3: // the lead goes with the answer
				if ask == 8 {
					_, err := c.handlePropose(ctx, from, data)
					return lost(fmt.Sprint(err, c.raft.Transfer()))
				}
			}
			return c.handlePropose(ctx, from, data)
		})
	}
	const each = 6
	for name, c := range w.nodes {
		for i := range each {
			res, err := c.Propose(patience(t), ledger.Note{Activity: fax.Activity{At: 1, Who: name, What: "look", Object: fmt.Sprint(name, i)}})
			if err != nil || res.Void != ledger.VoidNot {
				t.Fatalf("%s %d: %+v, %v", name, i, res, err)
			}
		}
	}
	w.agree()
	told := map[string]int{}
	for a, err := range w.nodes["west"].Ledger().WholeActivity() {
		if err != nil {
			t.Fatal(err)
		}
		if a.What == "look" {
			told[a.Object]++
		}
	}
	for object, n := range told {
		if n != 1 {
			t.Errorf("%s is told %d times", object, n)
		}
	}
	if len(told) != 3*each || asks.Load() <= 2*each {
		t.Errorf("%d of %d are told, after %d asks", len(told), 3*each, asks.Load())
	}
}

// A leader takes no command of a node that has no number of that node.
func TestProposalWithoutNumber(t *testing.T) {
	t.Parallel()
	w := found(t)
	north := w.nodes["north"]
	note, err := ledger.Encode(ledger.Note{Activity: fax.Activity{At: 1, Who: "a", What: "look"}})
	if err != nil {
		t.Fatal(err)
	}
	numbered, err := ledger.Encode(ledger.Once{Node: "west", Run: 1, Seq: 1, Open: 1, Command: note})
	if err != nil {
		t.Fatal(err)
	}
	index, _ := north.Ledger().Applied()
	for why, data := range map[string][]byte{"none": note, "another's": numbered, "nothing": nil} {
		if _, err := north.handlePropose(patience(t), "south", data); fax.KindOf(err) != fax.Invalid {
			t.Errorf("%s: %v", why, err)
		}
	}
	if now, _ := north.Ledger().Applied(); now != index {
		t.Error("something was taken")
	}
}

// A node whose clock was set back while it was down is heard all the same.
func TestRunOfThePast(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.propose("north", "first")
	north := w.nodes["north"]
	north.numbers.mu.Lock()
	north.numbers.run = 1
	north.numbers.mu.Unlock()
	w.propose("north", "second")
	if run, err := north.Ledger().RunOf("north"); run <= 1 || err != nil {
		t.Error(run, err)
	}
}

func TestNumbering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n numbering
		n.begin(0)
		first, err := n.next(t.Context())
		if err != nil || first.seq != 1 || first.low != 1 || first.run == 0 {
			t.Fatalf("%+v, %v", first, err)
		}
		for i := range uint64(ledger.MaxOpen - 1) {
			d, err := n.next(t.Context())
			if err != nil || d.seq != i+2 || d.low != 1 {
				t.Fatalf("%+v, %v", d, err)
			}
			n.settle(d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := n.next(ctx); fax.KindOf(err) != fax.Busy {
			t.Errorf("one more is given: %v", err)
		}
		got := make(chan number)
		go func() {
			d, err := n.next(t.Context())
			if err != nil {
				t.Error(err)
			}
			got <- d
		}()
		synctest.Wait()
		n.settle(first)
		if d := <-got; d.seq != ledger.MaxOpen+1 || d.low != ledger.MaxOpen+1 {
			t.Errorf("%+v", d)
		}
		n.begin(first.run)
		second, err := n.next(t.Context())
		if err != nil || second.run <= first.run || second.seq != 1 {
			t.Errorf("%+v, %v", second, err)
		}
		n.settle(first) // of the run before: it is another's number now
		if third, err := n.next(t.Context()); third.low != 1 {
			t.Errorf("%+v, %v", third, errors.Join(err))
		}
	})
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	run := newRun(0, now)
	if later := newRun(run, now.Add(-time.Hour)); later <= run {
		t.Errorf("%d comes after %d", later, run)
	}
	if later := newRun(run, now.Add(time.Millisecond)); later <= run || later>>runBits != uint64(fax.At(now))+1 {
		t.Errorf("%d comes after %d", later, run)
	}
}
