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

// maxCall bounds one script: on the bare line it is wall time, under virtual time
// that of the line.
const maxCall = 20 * time.Minute

func main() {
	args := os.Args[1:]
	virtually(func(b bubble) {
		ok, err := run(args, b, os.Stdout, os.Stderr)
		switch {
		case errors.Is(err, flag.ErrHelp):
			os.Exit(2)
		case err != nil:
			fmt.Fprintln(os.Stderr, "tsb85:", err)
			os.Exit(2)
		case !ok:
			os.Exit(1)
		}
		os.Exit(0)
	})
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
	bubble  bubble
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
func run(args []string, virtual bubble, out, errs io.Writer) (bool, error) {
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
	b := bench{images: &images{dir: *dir, read: map[string][]modem.Page{}}}
	switch *lineName {
	case "bare": // has a time of its own
		b.connect, b.bubble = bare, func(f func()) { f() }
	case "class1":
		b.connect, b.bubble = overClass1, virtual
	default:
		return false, fmt.Errorf("line %q is unknown; say bare or class1", *lineName)
	}
	passed := 0
	for _, t := range tests {
		var r result
		b.bubble(func() { r = b.play(t) })
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
	ctx, cancel := context.WithTimeout(context.Background(), maxCall)
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
