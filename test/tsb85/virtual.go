package main

import (
	"flag"
	"testing"
	"testing/synctest"
)

// bubble runs f under virtual time: whatever waits in it, waits for no time at
// all, and the line is never late because the computer is.
type bubble func(f func())

// virtually calls f with a bubble to use. Virtual time is lent by the testing
// package, which gives it to tests alone; so f runs as one, and must not return
// but exit, or testing would print its own verdict.
func virtually(f func(bubble)) {
	if err := flag.CommandLine.Parse(nil); err != nil { // the arguments are ours
		panic(err) // there was nothing to parse
	}
	every := func(string, string) (bool, error) { return true, nil }
	testing.Main(every, []testing.InternalTest{{
		Name: "scripts",
		F:    func(t *testing.T) { f(inTest(t)) },
	}}, nil, nil)
}

// inTest is the bubble of a test.
func inTest(t *testing.T) bubble {
	return func(f func()) { synctest.Test(t, func(*testing.T) { f() }) }
}
