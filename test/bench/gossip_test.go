package main

import (
	"io"
	"testing"
	"testing/synctest"
)

// TestSpread runs the simulation with few nodes: all changes arrive, and no
// sooner than the lines allow.
func TestSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := measureSpread(t, gossipOptions{nodes: 8, changes: 5, loss: 0.1})
		if s.OneP50 > s.OneP99 || s.AllP50 > s.AllP99 || s.AllP99 < nearest.Seconds() || s.Octets <= 0 || s.Rest <= 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestReturn: a node that was away moves what has changed, not the book.
func TestReturn(t *testing.T) {
	r, err := measureReturn(3000)
	if err != nil {
		t.Fatal(err)
	}
	if r.changed != 30 || r.moved < 30*100 || r.moved > r.whole/10 || r.took <= 0 {
		t.Errorf("%+v", r)
	}
}

func TestGossipOptions(t *testing.T) {
	for _, args := range [][]string{{"-nodes", "1"}, {"-nodes", "300"}, {"-loss", "2"}, {"-entries", "0"}, {"-nonsense"}} {
		if _, err := measureGossip(args, io.Discard); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}
