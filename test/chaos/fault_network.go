//go:build linux

package main

import (
	"context"
	"fmt"
	"time"
)

// Times of faults of the network.
const (
	cutLeast = 500 * time.Millisecond
	cutMost  = 10 * time.Second
	flapTime = time.Second

	// A node is an island after eight seconds without a leader (cluster).
	islandLeast = 11 * time.Second
	islandMost  = 25 * time.Second
)

// networkFaults are those of rows 3 to 5.
func networkFaults() []fault {
	return []fault{
		{3, "cut-leader", 3, func(_ context.Context, s *stage) (string, error) {
			return s.split([]*node{s.leads()}, s.followers(), cutMost)
		}},
		{3, "cut-one", 2, func(_ context.Context, s *stage) (string, error) {
			n := s.any()
			return s.split([]*node{n}, without(s.nodes, n), cutMost)
		}},
		{3, "cut-minority", 2, func(_ context.Context, s *stage) (string, error) {
			few := (len(s.nodes) - 1) / 2
			return s.split(s.nodes[:few], s.nodes[few:], cutMost)
		}},
		{3, "ring", 2, ring},
		{3, "one-way", 3, func(_ context.Context, s *stage) (string, error) { return s.oneWay(cutLeast, cutMost) }},
		{3, "flap", 2, flap},
		{3, "island", 2, func(_ context.Context, s *stage) (string, error) {
			n := s.any()
			return s.splitFor([]*node{n}, without(s.nodes, n), islandLeast, islandMost)
		}},
		{3, "one-way-island", 2, func(_ context.Context, s *stage) (string, error) { return s.oneWay(islandLeast, islandMost) }},
		{4, "bad-line", 3, badLine},
		{5, "no-udp", 2, func(_ context.Context, s *stage) (string, error) {
			return s.everywhere(func(c *condition) { c.noUDP = true }, "UDP")
		}},
		{5, "no-tcp", 2, func(_ context.Context, s *stage) (string, error) {
			return s.everywhere(func(c *condition) { c.noTCP = true }, "TCP")
		}},
	}
}

func without(nodes []*node, one *node) (others []*node) {
	for _, n := range nodes {
		if n != one {
			others = append(others, n)
		}
	}
	return others
}

// links changes every line from one of some to one of others.
func (s *stage) links(some, others []*node, change func(*condition)) {
	for _, a := range some {
		for _, b := range others {
			if a != b {
				s.wire.set(a.host.addr, b.host.addr, change)
			}
		}
	}
}

func cut(c *condition) { c.cut = true }

// split parts two groups from each other for a while. Clients reach both.
func (s *stage) split(some, others []*node, most time.Duration) (string, error) {
	return s.splitFor(some, others, cutLeast, most)
}

func (s *stage) splitFor(some, others []*node, least, most time.Duration) (string, error) {
	s.links(some, others, cut)
	s.links(others, some, cut)
	lasted := s.between(least, most)
	time.Sleep(lasted)
	s.wire.heal()
	return fmt.Sprintf("%s from %s for %v", names(some), names(others), lasted.Round(time.Millisecond)), nil
}

// ring leaves every node its two neighbours; of three nodes, two reach only the
// third.
func ring(_ context.Context, s *stage) (string, error) {
	count := len(s.nodes)
	if count == 3 {
		s.links(s.nodes[:1], s.nodes[1:2], cut)
		s.links(s.nodes[1:2], s.nodes[:1], cut)
	}
	for i, a := range s.nodes {
		for j, b := range s.nodes {
			if d := (i - j + count) % count; d > 1 && d < count-1 {
				s.links([]*node{a}, []*node{b}, cut)
			}
		}
	}
	lasted := s.between(cutLeast, cutMost)
	time.Sleep(lasted)
	s.wire.heal()
	return lasted.Round(time.Millisecond).String(), nil
}

// oneWay cuts what one node says to the others, or what they say to it.
func (s *stage) oneWay(least, most time.Duration) (string, error) {
	n := s.any()
	what := n.name + " is not heard"
	if s.chance.IntN(2) == 0 {
		s.links([]*node{n}, without(s.nodes, n), cut)
	} else {
		s.links(without(s.nodes, n), []*node{n}, cut)
		what = n.name + " hears nothing"
	}
	lasted := s.between(least, most)
	time.Sleep(lasted)
	s.wire.heal()
	return fmt.Sprintf("%s for %v", what, lasted.Round(time.Millisecond)), nil
}

// flap cuts a node off and on again, each for a second.
func flap(_ context.Context, s *stage) (string, error) {
	n := s.any()
	times := 2 + s.chance.IntN(4)
	for range times {
		if _, err := s.split([]*node{n}, without(s.nodes, n), flapTime); err != nil {
			return n.name, err
		}
		time.Sleep(flapTime)
	}
	return fmt.Sprintf("%s %d times", n.name, times), nil
}

// badLines are what becomes of lines between nodes.
var badLines = []struct {
	what string
	condition
}{
	{"5 % loss", condition{loss: 0.05}},
	{"20 % loss", condition{loss: 0.2}},
	{"50 % loss", condition{loss: 0.5}},
	{"50 ms", condition{delay: 50 * time.Millisecond, jitter: 20 * time.Millisecond}},
	{"200 ms", condition{delay: 200 * time.Millisecond, jitter: 50 * time.Millisecond}},
	{"64 kbit/s", condition{rate: 64000}},
}

func badLine(_ context.Context, s *stage) (string, error) {
	bad := badLines[s.chance.IntN(len(badLines))]
	return s.everywhere(func(c *condition) { *c = bad.condition }, bad.what)
}

// everywhere changes the lines between all nodes for a while.
func (s *stage) everywhere(change func(*condition), what string) (string, error) {
	s.links(s.nodes, s.nodes, change)
	lasted := s.between(2*time.Second, 2*cutMost)
	time.Sleep(lasted)
	s.wire.heal()
	return fmt.Sprintf("%s for %v", what, lasted.Round(time.Millisecond)), nil
}
