//go:build linux

package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/class1"
	"github.com/faxmesh/faxmesh/modem/exchange"
)

// The telephone exchange and the machines on it that are no node's.
const (
	machines      = 8 // that take faxes
	callers       = 2 // that send them
	machinePrefix = "09"
	exchangePort  = 7499
)

var exchangeAddr = netip.AddrPortFrom(hostAddr(outsideHost), exchangePort)

// outside is everything beyond the nodes' telephone lines.
type outside struct {
	exchange *exchange.Exchange
	history  *history
	nodes    int
	speed    float64 // line seconds in one of wall time
	done     sync.WaitGroup

	mu   sync.Mutex
	busy map[string]bool // numbers of the nodes' lines in a call
}

// openOutside lets the exchange and its machines work until ctx ends.
func openOutside(ctx context.Context, nodes int, speed float64, seed uint64, h *history) (*outside, error) {
	o := &outside{history: h, nodes: nodes, speed: speed, busy: map[string]bool{}}
	o.exchange = exchange.New(exchange.Config{Speed: speed, Seed: seed, Observe: o.observe})
	ln, err := net.Listen("tcp", exchangeAddr.String())
	if err != nil {
		return nil, err
	}
	o.done.Go(func() { _ = exchange.Serve(ctx, ln, o.exchange) }) // it ends with ctx
	var numbers []string
	for i := range machines {
		number := fmt.Sprintf("8%03d", i)
		numbers = append(numbers, number)
		m, err := o.machine(ctx, number)
		if err != nil {
			return nil, err
		}
		o.done.Go(func() { o.take(ctx, m, number) })
	}
	o.exchange.Block(machinePrefix, numbers...)
	return o, nil
}

// callIn lets outside callers send faxes to the nodes until ctx ends.
func (o *outside) callIn(ctx context.Context, seed uint64) error {
	for i := range callers {
		m, err := o.machine(ctx, fmt.Sprintf("7%03d", i))
		if err != nil {
			return err
		}
		chance := rand.New(rand.NewPCG(seed, uint64(i)))
		o.done.Go(func() { o.call(ctx, m, chance) })
	}
	return nil
}

func (o *outside) machine(ctx context.Context, number string) (modem.Modem, error) {
	port, err := o.exchange.Plug(number)
	if err != nil {
		return nil, err
	}
	phone, err := class1.Open(ctx, port, class1.Config{Speed: o.speed, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	return modem.New(phone, modem.Options{}), nil
}

// observe notes which lines of nodes are in a call.
func (o *outside) observe(e exchange.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch e.Stage {
	case exchange.Answered:
		o.busy[e.From], o.busy[e.Line] = true, true
	case exchange.Released:
		delete(o.busy, e.From)
		delete(o.busy, e.Line)
	}
}

// calling is the lines of a node that are in a call; of any node for 0.
func (o *outside) calling(number int) (lines []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for n := range o.nodes {
		for l := range linesANode {
			if line := lineNumber(n+1, l+1); o.busy[line] && (number == 0 || number == n+1) {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// take is a machine that takes faxes.
func (o *outside) take(ctx context.Context, m modem.Modem, number string) {
	defer m.Close()
	for ctx.Err() == nil {
		if _, err := m.WaitRing(ctx); err != nil {
			if ctx.Err() == nil {
				_ = m.Reset(ctx) // the next ring tells
			}
			continue
		}
		r := reception{Line: number, From: o.history.now()}
		var stored []mark
		report := m.Receive(ctx, modem.Incoming{Station: number, Store: func(_ context.Context, p modem.ReceivedPage) error {
			got, ok := readMark(p.Image)
			if !ok {
				return fmt.Errorf("page %d has no mark", p.Index+1) // not confirmed
			}
			stored = append(stored, got)
			return nil
		}})
		r.To = o.history.now()
		r.Confirmed = stored[:min(report.Pages, len(stored))]
		r.Ended = report.Status.String()
		o.history.add(func(h *history) { h.calls = append(h.calls, r) })
	}
}

// call is a machine that sends faxes to the nodes' lines.
func (o *outside) call(ctx context.Context, m modem.Modem, chance *rand.Rand) {
	defer m.Close()
	for ctx.Err() == nil {
		select {
		case <-time.After(time.Duration(500+chance.IntN(1500)) * time.Millisecond): // between two faxes
		case <-ctx.Done():
			return
		}
		fax, pages := chance.Uint64(), 1+chance.IntN(4)
		report := m.Send(ctx, modem.Outgoing{
			Number: lineNumber(1+chance.IntN(o.nodes), 1+chance.IntN(linesANode)),
			Pages:  sheets{fax, pages},
			Confirmed: func(page int) error {
				o.history.add(func(h *history) { h.told = append(h.told, mark{fax, uint16(page)}) })
				return nil
			},
		})
		if report.Err != nil && ctx.Err() == nil {
			_ = m.Reset(ctx) // the next call tells
		}
	}
}
