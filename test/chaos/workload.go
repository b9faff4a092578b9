//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// The clients and how they work.
const (
	clerks       = 3
	mostPages    = 4
	askTime      = 15 * time.Second // for one request
	probeEvery   = 100 * time.Millisecond
	submitFirst  = 400 * time.Millisecond // between two submits of a clerk, at least
	submitSpread = 2600                   // ms more, at most
	orderTries   = 4                      // of one order whose outcome is not known
)

// workload is the clients at work.
type workload struct {
	cluster *cluster
	history *history
	rivals  *rivals
	seed    uint64
	done    sync.WaitGroup
}

// person is somebody with a session, who logs in again when it is over.
type person struct {
	addrs             []string
	account, password string
	client            *clientlib.Client
}

// people are addrs in an order of their own for each, so that they begin at
// different nodes.
func (w *workload) person(n int, account, password string) *person {
	addrs := w.cluster.addrs()
	n %= len(addrs)
	return &person{addrs: append(addrs[n:len(addrs):len(addrs)], addrs[:n]...), account: account, password: password}
}

// at is the person's session.
func (p *person) at(ctx context.Context) (*clientlib.Client, error) {
	if p.client != nil && p.client.Err() == nil {
		return p.client, nil
	}
	p.leave()
	c, err := login(ctx, p.addrs, p.account, p.password)
	if err != nil {
		return nil, err
	}
	p.client = c
	return c, nil
}

func (p *person) leave() {
	if p.client != nil {
		p.client.Close()
		p.client = nil
	}
}

// begin makes the accounts and lets everybody work until ctx ends.
func (w *workload) begin(ctx context.Context) error {
	admin, err := login(ctx, w.cluster.addrs(), adminName, adminPassword)
	if err != nil {
		return err
	}
	for i := range clerks {
		if err := admin.AddAccount(ctx, clerkName(i), clerkPassword, fax.Individual); err != nil {
			return fmt.Errorf("make the account of a clerk: %w", err)
		}
	}
	w.done.Go(func() {
		defer admin.Close()
		w.cluster.followLeader(ctx, admin)
	})
	w.done.Go(func() { w.probe(ctx, w.person(1, adminName, adminPassword)) })
	for i := range clerks {
		chance := rand.New(rand.NewPCG(w.seed, 100+uint64(i)))
		w.done.Go(func() { w.clerk(ctx, w.person(i, clerkName(i), clerkPassword), chance) })
	}
	return w.rivals.begin(ctx, w)
}

const clerkPassword = "battery staple"

func clerkName(i int) string { return fmt.Sprintf("clerk%d", i+1) }

// clerk hands in one fax after the other.
func (w *workload) clerk(ctx context.Context, p *person, chance *rand.Rand) {
	defer p.leave()
	for pause(ctx, submitFirst+time.Duration(chance.IntN(submitSpread))*time.Millisecond) {
		o := &order{Job: clientlib.NewID(), Fax: chance.Uint64(), Pages: 1 + chance.IntN(mostPages), Owner: p.account, At: w.history.now()}
		number := fmt.Sprintf("%s%04d", machinePrefix, chance.IntN(10000))
		w.history.add(func(h *history) { h.orders[o.Job] = o })
		document, err := letter(o.Fax, o.Pages)
		for try := 0; err == nil && try < orderTries && ctx.Err() == nil; try++ {
			// The same order again is the same job.
			if w.submit(ctx, p, o, number, document) {
				break
			}
			pause(ctx, time.Second)
		}
		if c, err := p.at(ctx); err == nil {
			asking, cancel := context.WithTimeout(ctx, askTime)
			_, _ = c.Jobs(asking, fax.JobFilter{Limit: 20}) // somebody always reads
			w.overreach(asking, c, o.Job)
			cancel()
		}
	}
}

// overreach asks for what a clerk may not have: an account. It must not be
// there at the end, whether it is refused or, by mistake, granted.
func (w *workload) overreach(ctx context.Context, c *clientlib.Client, name string) {
	name = "forbidden-" + name
	if err := c.AddAccount(ctx, name, clerkPassword, fax.Administrator); err == nil || fax.KindOf(err) == fax.NotAllowed {
		w.history.add(func(h *history) { h.refused = append(h.refused, name) })
	}
}

// submit reports whether the order was answered, with yes or no.
func (w *workload) submit(ctx context.Context, p *person, o *order, number string, document []byte) bool {
	asking, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	c, err := p.at(asking)
	if err == nil {
		_, err = c.Submit(asking, fax.Order{ID: o.Job, Number: number, Title: "letter.tif"}, bytes.NewReader(document), int64(len(document)), nil)
	}
	w.history.add(func(*history) {
		o.Acked = o.Acked || err == nil
		if err != nil {
			o.Answer = err.Error()
		}
	})
	return err == nil
}

// probe changes a dial rule again and again: whether the majority answers.
func (w *workload) probe(ctx context.Context, p *person) {
	defer p.leave()
	for n := 0; pause(ctx, probeEvery); n++ {
		asking, cancel := context.WithTimeout(ctx, 2*time.Second)
		c, err := p.at(asking)
		if err == nil {
			err = c.PutDialRule(asking, fax.DialRule{Prefix: fmt.Sprintf("07%02d", n%100), Node: w.cluster.nodes[0].name})
		}
		cancel()
		if err == nil {
			w.history.add(func(h *history) { h.writes = append(h.writes, h.now()) })
			continue
		}
		if !errors.Is(err, context.Canceled) {
			// Another node may do better than the one that this session is at.
			p.leave()
			p.addrs = append(p.addrs[1:], p.addrs[0])
		}
	}
}

// pause reports false when ctx was done first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
