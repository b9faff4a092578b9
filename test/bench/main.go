// Command bench measures faxmesh against other programs, in one run on one
// machine, and holds the result against the bars that the project has set.
//
//	go run ./test/bench codec [-json]
//	go run ./test/bench line [-json]
//	go run ./test/bench gossip [-json] [-nodes 100] [-changes 100] [-loss 0.02] [-entries 1000000]
//	go run ./test/bench cluster [-json] [-parts submit,leader,takeover,start]
//
// It exits with 0 if every bar is met, with 1 if one is missed, and with 2 if
// nothing could be measured.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// bench measures one thing. What people read while it runs goes to out.
type bench func(args []string, out io.Writer) (bars []bar, err error)

// benches are the subcommands.
func benches() map[string]bench {
	return map[string]bench{
		"cluster": measureCluster,
		"codec":   codec,
		"gossip":  measureGossip,
		"line":    callLine,
	}
}

// bar is one measure and what it is held against.
type bar struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Bar   float64 `json:"bar"`
	OK    bool    `json:"ok"`
	Info  bool    `json:"info,omitempty"` // held against nothing
}

// info is a measure that is told and held against nothing.
func info(name string, value float64) bar { return bar{Name: name, Value: value, OK: true, Info: true} }

func atLeast(name string, value, least float64) bar {
	return bar{Name: name, Value: value, Bar: least, OK: value >= least}
}
func atMost(name string, value, most float64) bar {
	return bar{Name: name, Value: value, Bar: most, OK: value <= most}
}

// result is the last line with -json.
type result struct {
	Bench string `json:"bench"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
	Bars  []bar  `json:"bars"`
}

// The exit statuses.
const (
	exitMet = iota
	exitMissed
	exitUnmeasured
)

func main() { os.Exit(run(benches(), os.Args[1:], os.Stdout, os.Stderr)) }

func run(all map[string]bench, args []string, out, errs io.Writer) int {
	if len(args) == 0 || all[args[0]] == nil {
		names := make([]string, 0, len(all))
		for name := range all {
			names = append(names, name)
		}
		slices.Sort(names)
		fmt.Fprintf(errs, "usage: bench NAME [-json] [options]; NAME is one of: %s\n", strings.Join(names, ", "))
		return exitUnmeasured
	}
	name := args[0]
	asJSON := false
	args = slices.DeleteFunc(slices.Clone(args[1:]), func(a string) bool {
		is := a == "-json" || a == "--json"
		asJSON = asJSON || is
		return is
	})
	bars, err := all[name](args, out)
	r := result{Bench: name, OK: err == nil && !slices.ContainsFunc(bars, func(b bar) bool { return !b.OK }), Bars: bars}
	if r.Bars == nil {
		r.Bars = []bar{}
	}
	if err != nil {
		r.Error = err.Error()
		fmt.Fprintf(errs, "bench %s: %v\n", name, err)
	}
	for _, b := range bars {
		if b.Info {
			fmt.Fprintf(out, "%-60s %8.2f  no bar\n", b.Name, b.Value)
			continue
		}
		verdict := "met"
		if !b.OK {
			verdict = "MISSED"
		}
		fmt.Fprintf(out, "%-60s %8.2f  bar %5.2f  %s\n", b.Name, b.Value, b.Bar, verdict)
	}
	if asJSON {
		line, _ := json.Marshal(r) // of numbers and text alone
		fmt.Fprintf(out, "%s\n", line)
	}
	switch {
	case err != nil:
		return exitUnmeasured
	case !r.OK:
		return exitMissed
	}
	return exitMet
}
