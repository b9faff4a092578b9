//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// Times of faults of processes.
const (
	deadMost    = 3 * time.Second // between a kill and the start
	frozenLeast = 300 * time.Millisecond
	frozenMost  = 15 * time.Second
	callWait    = 5 * time.Second // until somebody is in a call
	stopTime    = 12 * time.Second
)

// processFaults are those of rows 1, 2 and 15, and the line that dies.
func processFaults() []fault {
	return []fault{
		{1, "kill-one", 4, func(ctx context.Context, s *stage) (string, error) { return s.kill(s.any()) }},
		{1, "kill-leader", 4, func(ctx context.Context, s *stage) (string, error) { return s.kill(s.leads()) }},
		{1, "kill-caller", 4, killCaller},
		{1, "kill-all", 2, func(ctx context.Context, s *stage) (string, error) { return s.kill(s.nodes...) }},
		{2, "freeze-one", 2, func(ctx context.Context, s *stage) (string, error) { return s.freeze(s.any()) }},
		{2, "freeze-leader", 2, func(ctx context.Context, s *stage) (string, error) { return s.freeze(s.leads()) }},
		{2, "freeze-two", 1, func(ctx context.Context, s *stage) (string, error) { return s.freeze(s.nodes[0], s.nodes[1]) }},
		{15, "restart-each", 1, restartEach},
		{rowLine, "line-drops", 3, lineDrops},
	}
}

// kill kills nodes with -9 and starts them again.
func (s *stage) kill(nodes ...*node) (string, error) {
	for _, n := range nodes {
		n.kill()
	}
	time.Sleep(s.between(0, deadMost)) // they are dead so long
	var errs []error
	for _, n := range nodes {
		errs = append(errs, n.start())
	}
	return names(nodes), errors.Join(errs...)
}

// caller waits for a node that is in a call.
func (s *stage) caller() (*node, string, bool) {
	for end := time.Now().Add(callWait); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		lines := s.outside.calling(0)
		if len(lines) == 0 {
			continue
		}
		line := lines[s.chance.IntN(len(lines))]
		for _, n := range s.nodes {
			for l := range linesANode {
				if lineNumber(n.number, l+1) == line {
					return n, line, true
				}
			}
		}
	}
	return nil, "", false
}

// callTime is how long a call of a few pages takes on the line.
const callTime = 30 * time.Second

// letCallRun waits until a call has come to any part of it.
func (s *stage) letCallRun() {
	time.Sleep(s.between(0, time.Duration(float64(callTime)/s.outside.speed)))
}

func killCaller(_ context.Context, s *stage) (string, error) {
	n, line, ok := s.caller()
	if !ok {
		return "nobody was in a call", nil
	}
	s.letCallRun()
	what, err := s.kill(n)
	return what + " with line " + line, err
}

// freeze stops processes, as a virtual machine is that is moved.
func (s *stage) freeze(nodes ...*node) (string, error) {
	var errs []error
	for _, n := range nodes {
		errs = append(errs, n.signal(syscall.SIGSTOP))
	}
	most := frozenMost
	if s.chance.IntN(3) > 0 {
		most = 3 * time.Second
	}
	lasted := s.between(frozenLeast, most)
	time.Sleep(lasted)
	for _, n := range nodes {
		errs = append(errs, n.signal(syscall.SIGCONT))
	}
	return fmt.Sprintf("%s for %v", names(nodes), lasted.Round(time.Millisecond)), errors.Join(errs...)
}

// restartEach stops and starts the nodes in good order, one after the other.
func restartEach(ctx context.Context, s *stage) (string, error) {
	for _, n := range s.nodes {
		if err := n.stop(stopTime); err != nil {
			return n.name, err
		}
		if err := n.start(); err != nil {
			return n.name, err
		}
		if err := s.whole(ctx); err != nil {
			return n.name, err
		}
	}
	return names(s.nodes), nil
}

// lineDrops ends calls from the exchange's side.
func lineDrops(_ context.Context, s *stage) (string, error) {
	for range 1 + s.chance.IntN(3) {
		_, line, ok := s.caller()
		if !ok {
			return "nobody was in a call", nil
		}
		s.letCallRun()
		s.outside.exchange.Release(line)
	}
	return "calls were cut", nil
}
