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

// Time on the wall that one script may take, and how many run at once.
const (
	maxBare    = 20 * time.Second
	maxClass1  = 3 * time.Minute
	atOnce     = 24
	classSpeed = 8 // line seconds in one of wall time
)

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

// rig is a tester and a device on a line of their own.
type rig struct {
	wire  wire
	phone modem.Phone
	close func()
}

// connect sets up a rig whose device calls or is called.
type connect func(ctx context.Context, calling bool) (rig, error)

// bench is where scripts are played.
type bench struct {
	images  *images
	limit   time.Duration
	workers int
	connect connect
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
	lineName := f.String("line", "bare", "what is between tester and engine: bare or class1")
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
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b := bench{images: &images{dir: *dir, read: map[string][]modem.Page{}}}
	switch *lineName {
	case "bare":
		b.connect, b.limit, b.workers = bare, maxBare, 1
	case "class1":
		b.connect, b.limit, b.workers = overClass1(ctx, classSpeed), maxClass1, atOnce
	default:
		return false, fmt.Errorf("line %q is unknown; say bare or class1", *lineName)
	}
	passed := 0
	for _, result := range b.playAll(ctx, tests) {
		r := <-result
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

// playAll plays the scripts, some at once, and returns their results in order.
func (b *bench) playAll(ctx context.Context, tests []test) []chan result {
	results := make([]chan result, len(tests))
	free := make(chan struct{}, b.workers)
	for i := range tests {
		results[i] = make(chan result, 1)
	}
	go func() {
		for i, t := range tests {
			free <- struct{}{}
			go func() {
				results[i] <- b.play(ctx, t)
				<-free
			}()
		}
	}()
	return results
}

// play plays one script on a call of its own.
func (b *bench) play(ctx context.Context, t test) result {
	ctx, cancel := context.WithTimeout(ctx, b.limit)
	defer cancel()
	s, err := setUp(t, b.images)
	var joint rig
	if err == nil {
		joint, err = b.connect(ctx, s.calling)
	}
	if err != nil {
		return result{Name: t.name, Deviation: err.Error()}
	}
	defer joint.close()
	p := &player{wire: joint.wire, dut: start(ctx, s, joint.phone), images: b.images}
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
