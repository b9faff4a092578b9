package cluster

import (
	"testing"
	"time"
)

func TestTrips(t *testing.T) {
	measured := trips{}
	if _, ok := measured.longest(); ok {
		t.Error("a distance of no node")
	}
	for i := range 2 * paceMemory {
		measured.add("south", time.Duration(50+i)*time.Millisecond)
		measured.add("west", time.Duration(40+10*i)*time.Millisecond)
	}
	if len(measured["south"]) != paceMemory {
		t.Errorf("%d measurements are kept", len(measured["south"]))
	}
	if got, _ := measured.longest(); got != 120*time.Millisecond {
		t.Errorf("the farthest node is %v away", got)
	}
	measured.add("west", 3*time.Millisecond)
	if got, _ := measured.longest(); got != 58*time.Millisecond {
		t.Errorf("the farthest node is %v away after a quick answer of the other", got)
	}
	measured.keep([]string{"west"})
	if got, _ := measured.longest(); got != 3*time.Millisecond {
		t.Errorf("a node that votes no more counts: %v", got)
	}
}

// What is measured between two nodes is a round trip, and nothing if there is
// no answer.
func TestMeasure(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.settle("south")
	w.agree()
	if trip, ok := w.nodes["north"].measure("south"); !ok || trip <= 0 || trip > time.Second {
		t.Errorf("measured %v, %v", trip, ok)
	}
	if trip, ok := w.nodes["north"].measure("nobody"); ok {
		t.Errorf("measured %v to nobody", trip)
	}
}
