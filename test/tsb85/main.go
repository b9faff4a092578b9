package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/faxmesh/faxmesh/modem"
)

// Bounds on one script: on the bare line of wall time, under virtual time of that of
// the line, where a page whose rows take seconds takes long.
const (
	maxWall = 5 * time.Minute
	maxCall = 2 * time.Hour
)

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
	limit   time.Duration
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
	dir := f.String("images", "", "`DIR` of the images that scripts name (default: where the file says they are, or "+conformanceImages+")")
	only := f.String("only", "", "play the script of this name alone")
	asJSON := f.Bool("json", false, "print JSON lines")
	if err := f.Parse(args); err != nil {
		return false, flag.ErrHelp
	}
	if f.NArg() != 1 {
		return false, errors.New("name one file of scripts")
	}
	all, err := load(f.Arg(0), *only)
	if err != nil {
		return false, err
	}
	tests := all.tests
	b := bench{images: &images{dir: imageDir(*dir, f.Arg(0), all.images), read: map[string][]modem.Page{}}}
	switch *lineName {
	case "bare": // has a time of its own
		b.connect, b.bubble, b.limit = bare, func(f func()) { f() }, maxWall
	case "class1":
		b.connect, b.bubble, b.limit = overClass1, virtual, maxCall
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

// conformanceImages is where the pages of the open scripts are.
const conformanceImages = "../shared/conformance/etsi"

// imageDir is where the images of a file of scripts are: as said, or as the file
// says, if there is such a directory beside it.
func imageDir(said, file, named string) string {
	if said != "" {
		return said
	}
	if beside := filepath.Join(filepath.Dir(file), filepath.FromSlash(named)); named != "" {
		if info, err := os.Stat(beside); err == nil && info.IsDir() {
			return beside
		}
	}
	return conformanceImages
}

func load(name, only string) (scripts, error) {
	f, err := os.Open(name)
	if err != nil {
		return scripts{}, err
	}
	defer f.Close()
	all, err := readScripts(f)
	if err != nil {
		return scripts{}, err
	}
	if only == "" {
		if len(all.tests) == 0 {
			return all, fmt.Errorf("%s holds no script", name)
		}
		return all, nil
	}
	for _, t := range all.tests {
		if t.name == only {
			all.tests = []test{t}
			return all, nil
		}
	}
	return all, fmt.Errorf("%s holds no script %q", name, only)
}

// play plays one script on a call of its own.
func (b *bench) play(t test) result {
	ctx, cancel := context.WithTimeout(context.Background(), b.limit)
	defer cancel()
	if t.err != nil {
		return result{Name: t.name, Deviation: t.err.Error()}
	}
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
