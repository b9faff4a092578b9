//go:build linux

package main

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// history is what everybody saw, as it happened. It is safe for concurrent use.
type history struct {
	mu       sync.Mutex
	begun    time.Time
	orders   map[string]*order
	calls    []reception
	told     []mark // confirmed to outside callers
	logged   []confirmation
	assigned []assignment
	refused  []string // accounts that were refused
	writes   []time.Duration
	ended    []ending
	faults   []event
}

// order is a fax that a clerk has handed in.
type order struct {
	Job    string        `json:"job"`
	Fax    uint64        `json:"fax"`
	Pages  int           `json:"pages"`
	Owner  string        `json:"owner"`
	At     time.Duration `json:"at"`
	Acked  bool          `json:"acked"`
	Answer string        `json:"answer,omitempty"` // what went wrong
}

// reception is a call that an outside machine has answered.
type reception struct {
	From      time.Duration `json:"from"`
	To        time.Duration `json:"to"`
	Line      string        `json:"line"`
	Confirmed []mark        `json:"confirmed"` // by the machine, to the sender
	Ended     string        `json:"ended"`
}

// confirmation is a page that a node has put down as confirmed.
type confirmation struct {
	Node string        `json:"node"`
	Job  string        `json:"job"`
	Page int           `json:"page"` // from 0
	At   time.Duration `json:"at"`
}

// assignment is an attempt that a leader has given to a line.
type assignment struct {
	Leader  string        `json:"leader"`
	Job     string        `json:"job"`
	Attempt int           `json:"attempt"`
	Node    string        `json:"node"`
	At      time.Duration `json:"at"`
}

// ending is a process that has ended.
type ending struct {
	Node   string        `json:"node"`
	At     time.Duration `json:"at"`
	Wanted bool          `json:"wanted"` // chaos ended it
	Status int           `json:"status"`
	Crash  string        `json:"crash,omitempty"` // the first line of a crash
}

// event is a fault, from when to when it was there.
type event struct {
	Row   int           `json:"row"`
	Fault string        `json:"fault"`
	What  string        `json:"what"`
	From  time.Duration `json:"from"`
	To    time.Duration `json:"to"`
}

func newHistory() *history { return &history{begun: time.Now(), orders: map[string]*order{}} }

func (h *history) now() time.Duration { return time.Since(h.begun) }

// add runs what changes the history.
func (h *history) add(change func(*history)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(h)
}

// lines are what a node has logged that the checks need.
func (h *history) line(node string, l logLine) {
	h.add(func(h *history) {
		switch l.Msg {
		case "page confirmed":
			h.logged = append(h.logged, confirmation{node, l.Job, l.Page - 1, h.now()})
		case "assigned":
			h.assigned = append(h.assigned, assignment{node, l.Job, l.Attempt, l.To, h.now()})
		}
	})
}

// logLine is a line of a node's log.
type logLine struct {
	Level   string `json:"level"`
	Msg     string `json:"msg"`
	Job     string `json:"job"`
	Page    int    `json:"page"`
	Attempt int    `json:"attempt"`
	To      string `json:"to"`
}

// all are the orders, in order of their ids.
func (h *history) all() []order {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []order
	for _, id := range slices.Sorted(maps.Keys(h.orders)) {
		out = append(out, *h.orders[id])
	}
	return out
}
