package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/faxmesh/faxmesh/modem"
)

// Time on the wall that one script may take, by line.
const maxBare = 20 * time.Second

func main() {
	ok, err := run(os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "tsb85:", err)
		os.Exit(2)
	case !ok:
		os.Exit(1)
	}
}

// bench is where scripts are played.
type bench struct {
	images *images
	limit  time.Duration
	// connect joins a tester to a device that calls or is called.
	connect func(calling bool) (wire, modem.Phone)
}

// result is what came of one script.
type result struct {
	Name       string `json:"name"`
	OK         bool   `json:"ok"`
	Deviation  string `json:"deviation,omitempty"`
	Status     string `json:"status,omitempty"`
	Transcript string `json:"transcript,omitempty"`
}

// run plays the scripts of a file; true if all pass.
func run(args []string, out, errs io.Writer) (bool, error) {
	f := flag.NewFlagSet("tsb85", flag.ContinueOnError)
	f.SetOutput(errs)
	lineName := f.String("line", "bare", "what is between tester and engine: bare")
	dir := f.String("images", "../shared/conformance/etsi", "directory of the images that scripts name")
	only := f.String("only", "", "play the script of this name alone")
	asJSON := f.Bool("json", false, "print JSON lines")
	if err := f.Parse(args); err != nil {
		return false, flag.ErrHelp
	}
	if f.NArg() != 1 {
		return false, errors.New("name one file of scripts")
	}
	tests, err := load(f.Arg(0), *only)
	if err != nil {
		return false, err
	}
	b := bench{images: &images{dir: *dir, read: map[string][]modem.Page{}}}
	switch *lineName {
	case "bare":
		b.connect, b.limit = bare, maxBare
	default:
		return false, fmt.Errorf("line %q is unknown; say bare", *lineName)
	}
	passed := 0
	for _, t := range tests {
		r := b.play(t)
		if r.OK {
			passed++
		}
		report(out, r, *asJSON)
	}
	if *asJSON {
		err = json.NewEncoder(out).Encode(map[string]int{"passed": passed, "total": len(tests)})
	} else {
		_, err = fmt.Fprintf(out, "%d of %d pass\n", passed, len(tests))
	}
	return passed == len(tests), err
}

func load(name, only string) ([]test, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	tests, err := readScripts(f)
	if err != nil {
		return nil, err
	}
	if only == "" {
		if len(tests) == 0 {
			return nil, fmt.Errorf("%s holds no script", name)
		}
		return tests, nil
	}
	for _, t := range tests {
		if t.name == only {
			return []test{t}, nil
		}
	}
	return nil, fmt.Errorf("%s holds no script %q", name, only)
}

// play plays one script on a call of its own.
func (b *bench) play(t test) result {
	s, err := setUp(t, b.images)
	if err != nil {
		return result{Name: t.name, Deviation: err.Error()}
	}
	ctx, cancel := context.WithTimeout(context.Background(), b.limit)
	defer cancel()
	w, phone := b.connect(s.calling)
	p := &player{wire: w, dut: start(ctx, s, phone), images: b.images}
	err = p.play(ctx, t.steps)
	p.HangUp()
	if e := p.dut.wait(ctx); err == nil {
		err = e
	}
	r := result{Name: t.name, OK: err == nil, Transcript: p.dut.transcript()}
	if end, over := p.dut.result(); over {
		r.Status = end.Status.String()
	}
	if err != nil {
		r.Deviation = err.Error()
	}
	return r
}

func report(out io.Writer, r result, asJSON bool) {
	switch {
	case asJSON:
		json.NewEncoder(out).Encode(r) // what cannot be written is missed with the count
	case r.OK:
		fmt.Fprintf(out, "pass %s\n", r.Name)
	default:
		fmt.Fprintf(out, "FAIL %s: %s\n", r.Name, r.Deviation)
		if r.Transcript != "" {
			fmt.Fprintln(out, "    "+strings.ReplaceAll(r.Transcript, "\n", "\n    "))
		}
	}
}
