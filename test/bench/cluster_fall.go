package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Times of nodes that fall.
const (
	writeTry     = 250 * time.Millisecond // one try of a change
	fallMost     = 60 * time.Second       // until the others go on, at most
	takeOverMost = 90 * time.Second       // until waiting jobs are dialled, at most
	takeOvers    = 4
	dueIn        = 2 * time.Second        // from the submit of waiting jobs to their time
	killBefore   = 200 * time.Millisecond // of that
)

// leader kills the leader again and again, and measures until the others take
// a change.
func (b *clusterBench) leader(ctx context.Context, c *nodes) ([]bar, error) {
	var gaps []time.Duration
	for range b.kills {
		gap, err := c.killLeader(ctx)
		if err != nil {
			return nil, err
		}
		gaps = append(gaps, gap)
	}
	slices.Sort(gaps)
	median, worst := percentile(gaps, 50), percentile(gaps, 99)
	fmt.Fprintf(b.out, "without a leader behind kill -9, %d times: median %.2f s, p99 %.2f s\n", len(gaps), median.Seconds(), worst.Seconds())
	return []bar{atMost("s without a leader, p99", worst.Seconds(), mostLeaderless)}, nil
}

// percentile of sorted times: the least that so many in a hundred do not
// exceed.
func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[(len(sorted)*p+99)/100-1]
}

// killLeader kills the leader, measures until another node takes a change, and
// starts it again.
func (c *nodes) killLeader(ctx context.Context) (gap time.Duration, err error) {
	if err := c.settled(ctx); err != nil {
		return 0, err
	}
	fallen, err := c.leads(ctx)
	if err != nil {
		return 0, err
	}
	var others []*clientlib.Client
	for i := range c.all {
		if i == fallen {
			continue
		}
		s, err := c.login(ctx, i)
		if err != nil {
			return 0, err
		}
		defer s.Close()
		others = append(others, s)
	}
	trying, cancel := context.WithTimeout(ctx, fallMost)
	defer cancel()
	c.all[fallen].proc.kill()
	begun := time.Now()
	taken := make(chan error, len(others))
	for _, s := range others {
		go func() { taken <- change(trying, s, c.all[0].name) }()
	}
	err = <-taken
	gap = time.Since(begun)
	cancel()
	if err != nil {
		return 0, err
	}
	return gap, c.up(ctx, c.all[fallen])
}

// change tries a change until it is taken.
func change(ctx context.Context, s *clientlib.Client, node string) error {
	for {
		try, cancel := context.WithTimeout(ctx, writeTry)
		err := s.PutDialRule(try, fax.DialRule{Prefix: "0777", Node: node})
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}

// takeOver lets nodes fall that jobs were submitted to, shortly before these
// are due, and measures until others dial them.
func (b *clusterBench) takeOver(ctx context.Context, c *nodes) ([]bar, error) {
	var worst time.Duration
	for round := range takeOvers {
		took, err := c.fallWithJobs(ctx, round)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(b.out, "a dead node's waiting jobs were dialled elsewhere %.2f s after they were due\n", took.Seconds())
		worst = max(worst, took)
	}
	return []bar{atMost("s until waiting jobs are taken over", worst.Seconds(), mostTakeOver)}, nil
}

// fallWithJobs submits as many jobs to a node as the others have lines, kills
// it, and measures until the last one is dialled by another.
func (c *nodes) fallWithJobs(ctx context.Context, round int) (time.Duration, error) {
	if err := c.settled(ctx); err != nil {
		return 0, err
	}
	fallen := round % len(c.all)
	s, err := c.login(ctx, fallen)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	due := time.Now().Add(dueIn)
	var numbers []string
	for i := range len(c.all) - 1 {
		numbers = append(numbers, fmt.Sprintf("0888%d%d", round, i))
		order := fax.Order{Number: numbers[i], Title: "a.txt", NotBefore: fax.At(due)}
		if _, err := s.Submit(ctx, order, bytes.NewReader([]byte("a\n")), 2, nil); err != nil {
			return 0, err
		}
	}
	if time.Until(due) < killBefore {
		return 0, errors.New("this machine is too slow: the jobs were due before they were all submitted")
	}
	time.Sleep(time.Until(due) - killBefore) // they wait
	c.all[fallen].proc.kill()
	dialling, cancel := context.WithTimeout(ctx, takeOverMost)
	defer cancel()
	last := due
	for _, number := range numbers {
		seen, _, err := c.exchange.find(dialling, 0, func(line string) bool {
			return strings.Contains(line, " to "+number+", dialled") && !strings.Contains(line, c.all[fallen].number+" to ")
		})
		switch {
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			last = due.Add(takeOverMost) // at least
		case err != nil:
			return 0, err
		case seen.at.After(last):
			last = seen.at
		}
	}
	return last.Sub(due), c.up(ctx, c.all[fallen])
}
