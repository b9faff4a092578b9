package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// The bars of address books that follow from node to node.
const (
	barSpread = 3.0 // seconds until a change is on all nodes, 99 of 100
	barReturn = 3.0 // percent of the book that a node moves which was away while 1 % changed
)

// gossipOptions say what is simulated.
type gossipOptions struct {
	town    bool // this process is the simulation
	nodes   int
	changes int
	loss    float64
	entries int
}

func parseGossip(args []string) (o gossipOptions, err error) {
	flags := flag.NewFlagSet("gossip", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&o.town, "town", false, "")
	flags.IntVar(&o.nodes, "nodes", 100, "nodes")
	flags.IntVar(&o.changes, "changes", 100, "changes")
	flags.Float64Var(&o.loss, "loss", 0.02, "part of the packets that is lost")
	flags.IntVar(&o.entries, "entries", 1_000_000, "entries of the book of a node that was away")
	if err := flags.Parse(args); err != nil {
		return o, fmt.Errorf("%w; the options are -nodes N -changes N -loss 0.02 -entries N", err)
	}
	if o.nodes < 2 || o.nodes > 250 || o.changes < 1 || o.loss < 0 || o.loss > 0.9 || o.entries < 100 {
		return o, fmt.Errorf("2 to 250 nodes, at least one change, a loss of 0 to 0.9 and at least 100 entries can be simulated")
	}
	return o, nil
}

// measureGossip measures how address books follow from node to node.
func measureGossip(args []string, out io.Writer) ([]bar, error) {
	o, err := parseGossip(args)
	if err != nil {
		return nil, err
	}
	if o.town {
		runTown(o)
	}
	fmt.Fprintf(out, "%d nodes under virtual time, %.0f %% of the packets lost, %d changes\n", o.nodes, 100*o.loss, o.changes)
	spread, err := simulateTown(o)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "until a change is on all nodes: p50 %.2f s, p99 %.2f s; on one node: p50 %.2f s, p99 %.2f s\n", spread.AllP50, spread.AllP99, spread.OneP50, spread.OneP99)
	fmt.Fprintf(out, "each change moves %.0f octets for each node; at rest a node sends %.0f octets a second\n", spread.Octets, spread.Rest)
	back, err := measureReturn(o.entries)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "a book of %d entries is %.1f MB; a node that was away while %d changed moves %.2f MB in %.2f s\n", o.entries, float64(back.whole)/1e6, back.changed, float64(back.moved)/1e6, back.took.Seconds())
	return []bar{
		atMost("a change on all nodes, p99, seconds", spread.AllP99, barSpread),
		atMost("a node that was away, percent of the book", 100*float64(back.moved)/float64(back.whole), barReturn),
	}, nil
}

// simulateTown runs the simulation in a process of its own: virtual time is to
// be had in tests alone, so that process is one.
func simulateTown(o gossipOptions) (s spread, err error) {
	self, err := os.Executable()
	if err != nil {
		return s, err
	}
	cmd := exec.Command(self, "gossip", "-town", "-nodes", strconv.Itoa(o.nodes), "-changes", strconv.Itoa(o.changes), "-loss", fmt.Sprint(o.loss))
	cmd.Stderr = os.Stderr
	printed, err := cmd.Output()
	for lines := bufio.NewScanner(bytes.NewReader(printed)); lines.Scan(); {
		if json.Unmarshal(lines.Bytes(), &s) == nil {
			return s, err
		}
	}
	return s, fmt.Errorf("the simulation has come to no end: %v\n%s", err, printed)
}

// runTown is the simulation's process. It does not return.
func runTown(o gossipOptions) {
	os.Args = os.Args[:1]
	simulate := func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := measureSpread(t, o)
			line, _ := json.Marshal(s) // of numbers alone
			fmt.Printf("%s\n", line)
		})
	}
	testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "town", F: simulate}}, nil, nil)
}

// spread is how changes have spread: seconds, octets.
type spread struct {
	AllP50 float64 `json:"all-p50"` // until a change is on all nodes
	AllP99 float64 `json:"all-p99"`
	OneP50 float64 `json:"one-p50"` // until it is on one
	OneP99 float64 `json:"one-p99"`
	Octets float64 `json:"octets"` // sent for each node and change
	Rest   float64 `json:"rest"`   // sent by each node in a second without changes
}

// within is in how many seconds so many percent of some things were done.
func within(times []time.Duration, percent int) float64 {
	slices.Sort(times)
	return percentile(times, percent).Seconds()
}
