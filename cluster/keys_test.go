package cluster

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/cluster/ledger"
)

func TestNextTurn(t *testing.T) {
	one, two := []ledger.GossipKey{{Serial: 3}}, []ledger.GossipKey{{Serial: 3}, {Serial: 4}}
	up := []string{"north", "south"}
	for _, c := range []struct {
		what  string
		ring  ledger.Ring
		have  map[string]uint64
		turn  ledger.Turn
		key   uint64
		waits string
	}{
		{"nothing is asked", ledger.Ring{Keys: one, InUse: 3, Index: 9}, nil, 0, 0, ""},
		{"the first day", ledger.Ring{}, nil, 0, 0, ""},
		{"asked on the first day", ledger.Ring{Asked: true}, nil, ledger.AddTurn, 1, ""},
		{"asked", ledger.Ring{Keys: one, InUse: 3, Asked: true, Index: 9}, nil, ledger.AddTurn, 4, ""},
		{"added, one has not", ledger.Ring{Keys: two, InUse: 3, Index: 9}, map[string]uint64{"north": 9, "south": 8}, 0, 0, "south"},
		{"added, one does not answer", ledger.Ring{Keys: two, InUse: 3, Index: 9}, map[string]uint64{"south": 9}, 0, 0, "north"},
		{"added", ledger.Ring{Keys: two, InUse: 3, Index: 9}, map[string]uint64{"north": 9, "south": 9}, ledger.UseTurn, 4, ""},
		{"asked meanwhile", ledger.Ring{Keys: two, InUse: 3, Asked: true, Index: 9}, map[string]uint64{"north": 9, "south": 10}, ledger.UseTurn, 4, ""},
		{"in use, one has not", ledger.Ring{Keys: two, InUse: 4, Index: 12}, map[string]uint64{"north": 9, "south": 12}, 0, 0, "north"},
		{"in use; who is away is not waited for", ledger.Ring{Keys: two, InUse: 4, Index: 12}, map[string]uint64{"north": 12, "south": 12, "west": 1}, ledger.DropTurn, 3, ""},
	} {
		step, waits := nextTurn(c.ring, up, c.have)
		if step.Turn != c.turn || step.Serial != c.key || strings.Join(waits, " ") != c.waits {
			t.Errorf("%s: turn %d with key %d, waits for %v; want %d, %d, %s", c.what, step.Turn, step.Serial, waits, c.turn, c.key, c.waits)
		}
	}
}

// rotated waits until all open nodes gossip with one key, that of a number, and
// see each other.
func (w *town) rotated(serial uint64) {
	w.t.Helper()
	waitLong(w.t, fmt.Sprintf("all gossip with key %d", serial), func() bool {
		for _, c := range w.nodes {
			ring, err := c.book.ring()
			if err != nil || ring.InUse != serial || len(ring.Keys) != 1 || ring.Asked || c.keys.index.Load() != ring.Index {
				return false
			}
			for name := range w.nodes {
				if !slices.Contains(c.Presence().Alive(), name) {
					return false
				}
			}
		}
		return true
	})
}

// The gossip keys are changed by order and when a node is removed. A node that
// was away, and one that joins, get them before they can gossip.
func TestGossipKeysAreChanged(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.settle("south", "west")
	w.voters(3)
	w.rotated(0)
	south, addr := w.nodes["south"], w.nodes["west"].PeerAddr().String()
	first, _, err := south.gossipKeys()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.nodes["west"].Close(); err != nil {
		t.Fatal(err)
	}
	delete(w.nodes, "west")
	var p RotateProgress
	answer, err := south.handleRotate(patience(t), []byte(`{}`))
	if err == nil {
		err = json.Unmarshal(answer, &p)
	}
	if err != nil || p.Serial != 0 || p.Done {
		t.Fatalf("%+v, %v", p, err)
	}
	w.rotated(1)
	w.open("west", addr)
	w.rotated(1)
	w.settle("east")
	w.rotated(1)
	second, _, err := w.nodes["east"].gossipKeys()
	if err != nil || len(second) != 1 || slices.Equal(first[0], second[0]) {
		t.Errorf("%d keys, the first is the one of before; %v", len(second), err)
	}

	west := w.nodes["west"]
	delete(w.nodes, "west")
	if _, err := w.nodes["north"].Remove(patience(t), RemoveOrder{Node: "west", Force: true}); err != nil {
		t.Fatal(err)
	}
	w.rotated(2)
	if ring, err := west.Ledger().Ring(); err != nil || ring.InUse == 2 {
		t.Errorf("the removed node has the new key: %+v, %v", ring, err)
	}
	if answer, err = south.handleRotate(patience(t), []byte(`{"look":true}`)); err != nil || string(answer) != `{"serial":2,"done":true,"waits":[]}` {
		t.Errorf("%s, %v", answer, err)
	}
}
