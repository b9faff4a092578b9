//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// rowLine is the row of the line that dies in mid-call; the others are numbered
// as in the menu of faults.
const rowLine = 0

// fault is one way to break things. play breaks something, holds it, and puts
// it right again as far as an administrator would; what it has done is told.
type fault struct {
	row    int
	name   string
	weight int
	play   func(context.Context, *stage) (what string, err error)
}

// stage is what faults play on.
type stage struct {
	*cluster
	outside *outside
	work    *workload
	chance  *rand.Rand
}

// errCannot marks a fault that cannot be played now, or here.
var errCannot = errors.New("cannot be played")

// menu is all faults.
func menu() []fault {
	return slices.Concat(processFaults(), networkFaults(), diskFaults(), clusterFaults())
}

// notOnTheMenu are the rows that no fault plays, and why.
var notOnTheMenu = map[int]string{
	12: "clocks: the program reads the clock without a system call, so that it cannot be answered for one process",
	13: "membership: nodes join, none is removed",
	15: "rolling upgrade: there is no earlier release; only restarts one after the other are played",
}

// choose narrows the menu to a list of names or numbers of rows.
func choose(all []fault, list string) ([]fault, error) {
	if list == "" {
		return all, nil
	}
	var chosen []fault
	for _, word := range strings.Split(list, ",") {
		before := len(chosen)
		for _, f := range all {
			if f.name == word || fmt.Sprint(f.row) == word {
				chosen = append(chosen, f)
			}
		}
		if len(chosen) == before {
			return nil, fmt.Errorf("there is no fault %q; -list tells which there are", word)
		}
	}
	return chosen, nil
}

// draw picks a fault by weight.
func draw(from []fault, chance *rand.Rand) fault {
	sum := 0
	for _, f := range from {
		sum += f.weight
	}
	n := chance.IntN(sum)
	for _, f := range from {
		if n -= f.weight; n < 0 {
			return f
		}
	}
	return from[0]
}

// between is a time from low to high by chance.
func (s *stage) between(low, high time.Duration) time.Duration {
	return low + time.Duration(s.chance.Int64N(int64(high-low)+1))
}

// any is a node by chance.
func (s *stage) any() *node { return s.nodes[s.chance.IntN(len(s.nodes))] }

// calmTime is left between two faults, at most.
const calmTime = 2 * time.Second

// recoverTime is how long the cluster may take to be whole again.
const recoverTime = 60 * time.Second

// perform plays faults until ctx is done, and returns what was played how often
// and what could not be.
func (s *stage) perform(ctx context.Context, from []fault, cycles int) (played map[string]int, notRun map[string]string, err error) {
	played, notRun = map[string]int{}, map[string]string{}
	for n := 0; ctx.Err() == nil && len(from) > 0 && (cycles == 0 || n < cycles); n++ {
		f := draw(from, s.chance)
		e := event{Row: f.row, Fault: f.name, From: s.history.now()}
		// What was begun is healed, whatever the time.
		what, err := f.play(context.WithoutCancel(ctx), s)
		e.What, e.To = what, s.history.now()
		switch {
		case errors.Is(err, errCannot):
			notRun[f.name] = err.Error()
			from = slices.DeleteFunc(slices.Clone(from), func(g fault) bool { return g.name == f.name })
			continue
		case err != nil:
			return played, notRun, fmt.Errorf("%s (%s): %w", f.name, what, err)
		}
		played[f.name]++
		s.history.add(func(h *history) { h.faults = append(h.faults, e) })
		if err := s.whole(ctx); err != nil {
			return played, notRun, fmt.Errorf("after %s (%s): %w", f.name, what, err)
		}
		if cycles == 0 && !pause(ctx, s.between(0, calmTime)) {
			break
		}
	}
	for row, why := range maps.All(notOnTheMenu) {
		notRun[fmt.Sprint("row ", row)] = why
	}
	return played, notRun, nil
}

// whole waits until every node serves again.
func (s *stage) whole(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recoverTime)
	defer cancel()
	for _, n := range s.nodes {
		if err := n.serves(ctx); err != nil {
			return err
		}
	}
	return nil
}

// names are the names of nodes, for people.
func names(nodes []*node) string {
	var all []string
	for _, n := range nodes {
		all = append(all, n.name)
	}
	return strings.Join(all, " ")
}
