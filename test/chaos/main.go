//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/anishathalye/porcupine"
)

// The exit statuses.
const (
	exitGood = iota
	exitBad
	exitNotRun
)

// options are what chaos was asked for.
type options struct {
	nodes    int
	duration time.Duration
	seed     uint64
	faults   string
	cycles   int
	speed    float64
	program  string
	dir      string
	keep     bool
	json     bool
}

func main() {
	if launched() {
		fmt.Fprintln(os.Stderr, "chaos:", becomeNode(os.Args[1:]))
		os.Exit(exitNotRun)
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func parse(args []string, errs io.Writer) (o options, list bool, err error) {
	f := flag.NewFlagSet("chaos", flag.ContinueOnError)
	f.SetOutput(errs)
	f.IntVar(&o.nodes, "nodes", 3, "nodes of the cluster, 3 or 5")
	f.DurationVar(&o.duration, "duration", time.Minute, "how long faults are played")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the faults and of the work")
	f.StringVar(&o.faults, "faults", "", "names or numbers of rows, with commas between; empty: all")
	f.IntVar(&o.cycles, "cycles", 0, "play so many faults without pauses instead of for a duration")
	f.Float64Var(&o.speed, "speed", 12, "line seconds in one of wall time; less on a machine that is slow: modems cannot wait")
	f.StringVar(&o.program, "program", "", "faxmeshd to try; empty: it is built")
	f.StringVar(&o.dir, "dir", "", "directory to work in; empty: a new one, removed unless something is wrong")
	f.BoolVar(&o.keep, "keep", false, "keep the directory in any case")
	f.BoolVar(&o.json, "json", false, "print the summary as one line of JSON only")
	f.BoolVar(&list, "list", false, "list the faults and end")
	if err := f.Parse(args); err != nil {
		return o, list, err
	}
	if f.NArg() > 0 || o.nodes != 3 && o.nodes != 5 || o.duration <= 0 || o.cycles < 0 || o.speed < 1 || o.speed > 100 {
		return o, list, errors.New("usage: chaos [-nodes 3|5] [-duration D] [-seed S] [-faults LIST] [-json]; -h tells more")
	}
	return o, list, nil
}

func run(args []string, out, errs io.Writer) int {
	o, list, err := parse(args, errs)
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(errs, "chaos:", err)
		}
		return exitNotRun
	}
	if list {
		for _, f := range menu() {
			fmt.Fprintf(out, "row %2d  %s\n", f.row, f.name)
		}
		for row, why := range notOnTheMenu {
			fmt.Fprintf(out, "row %2d  not played: %s\n", row, why)
		}
		return exitGood
	}
	if os.Getenv(inside) == "" {
		status, err := outsideRoom(o, args)
		if err != nil {
			fmt.Fprintln(errs, "chaos:", err)
			return exitNotRun
		}
		return status
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s, err := play(ctx, o, errs)
	if err != nil {
		s.Error = err.Error()
		fmt.Fprintln(errs, "chaos:", err)
	}
	s.print(out, o)
	switch {
	case s.OK:
		return exitGood
	case s.Begun:
		return exitBad
	}
	return exitNotRun
}

// outsideRoom prepares what needs the machine as it is, then goes on in a room.
func outsideRoom(o options, args []string) (status int, err error) {
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "faxmesh-chaos-"); err != nil {
			return 0, err
		}
		args = append(args, "-dir", o.dir)
	} else if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return 0, err
	}
	if o.program == "" {
		o.program = filepath.Join(o.dir, "faxmeshd")
		build := exec.Command("go", "build", "-o", o.program, "github.com/faxmesh/faxmesh/cmd/faxmeshd")
		if said, err := build.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("build faxmeshd: %w\n%s", err, said)
		}
		args = append(args, "-program", o.program)
	}
	status, err = enterRoom(args)
	if err == nil && status == exitGood && !o.keep {
		err = os.RemoveAll(o.dir)
	}
	return status, err
}

// summary is what is printed at the end.
type summary struct {
	OK            bool              `json:"ok"`
	Begun         bool              `json:"begun"` // the cluster was up
	Error         string            `json:"error,omitempty"`
	Nodes         int               `json:"nodes"`
	Seed          uint64            `json:"seed"`
	Seconds       float64           `json:"seconds"`
	Faults        map[string]int    `json:"faults"`
	NotRun        map[string]string `json:"not_run"`
	Submitted     int               `json:"submitted"`
	Acknowledged  int               `json:"acknowledged"`
	Pages         int               `json:"pages_confirmed"` // by outside machines
	Received      int               `json:"pages_received"`  // confirmed to outside callers
	UnavailableMS int64             `json:"unavailable_ms"`  // without a change for over a second
	LongestMS     int64             `json:"longest_unavailable_ms"`
	Linearizable  string            `json:"linearizable"`
	Asked         int               `json:"rival_requests"`
	verdict
	Repeat string `json:"repeat"`
	Dir    string `json:"dir,omitempty"`
}

func (s *summary) print(out io.Writer, o options) {
	if !o.json {
		text, _ := json.MarshalIndent(s, "", "  ") // of numbers and text alone
		fmt.Fprintf(out, "%s\n", text)
		return
	}
	line, _ := json.Marshal(s)
	fmt.Fprintf(out, "%s\n", line)
}

// play makes a cluster, breaks and heals it, and judges. The summary is never
// nil.
func play(ctx context.Context, o options, errs io.Writer) (s *summary, err error) {
	s = &summary{Nodes: o.nodes, Seed: o.seed, Faults: map[string]int{}, NotRun: map[string]string{}, verdict: verdict{Violations: []string{}}}
	s.Repeat = fmt.Sprintf("go run ./test/chaos -nodes %d -duration %v -seed %d -speed %g", o.nodes, o.duration, o.seed, o.speed)
	if o.faults != "" {
		s.Repeat += " -faults " + o.faults
	}
	if o.cycles > 0 {
		s.Repeat += fmt.Sprint(" -cycles ", o.cycles)
	}
	chosen, err := choose(menu(), o.faults)
	if err != nil {
		return s, err
	}
	w := newWire(o.seed)
	if err := furnish(w); err != nil {
		return s, err
	}
	t := &theatre{options: o, summary: s, history: newHistory(), faults: chosen}
	if err := t.open(ctx, w); err != nil {
		return s, err
	}
	s.Begun = true
	err = t.perform(ctx, errs)
	s.Seconds = t.history.now().Seconds()
	s.OK = err == nil && s.Lost == 0 && s.Duplicated == 0 && len(s.Violations) == 0 && s.Linearizable == string(porcupine.Ok)
	if !s.OK || o.keep {
		s.Dir = o.dir
		err = errors.Join(err, t.leaveBehind())
	}
	return s, err
}

// theatre is a whole run.
type theatre struct {
	options
	*summary
	history *history
	faults  []fault
	cluster *cluster
	outside *outside
	work    *workload
	facts   facts
	close   context.CancelFunc
}

// open makes the cluster and what is outside it.
func (t *theatre) open(ctx context.Context, w *wire) (err error) {
	outer, cancel := context.WithCancel(ctx)
	t.close = cancel
	if t.outside, err = openOutside(outer, t.nodes, t.speed, t.seed, t.history); err != nil {
		return fmt.Errorf("open the telephone exchange: %w", err)
	}
	if t.cluster, err = establish(ctx, t.dir, t.program, t.nodes, w, t.history); err != nil {
		return fmt.Errorf("make the cluster: %w", err)
	}
	return nil
}

// perform lets everybody work, plays faults, and judges.
func (t *theatre) perform(ctx context.Context, errs io.Writer) error {
	working, home := context.WithCancel(ctx)
	defer home()
	t.work = &workload{cluster: t.cluster, history: t.history, seed: t.seed, rivals: &rivals{history: t.history}}
	if err := t.work.begin(working); err != nil {
		return fmt.Errorf("begin the work: %w", err)
	}
	if err := t.outside.callIn(working, t.seed); err != nil {
		return err
	}
	s := &stage{cluster: t.cluster, outside: t.outside, work: t.work, chance: rand.New(rand.NewPCG(t.seed, 0x6661756c74))}
	playing, end := context.WithTimeout(ctx, t.duration)
	if t.cycles > 0 {
		playing, end = context.WithCancel(ctx)
	}
	defer end()
	begun := t.history.now()
	played, notRun, err := s.perform(playing, t.faults, t.cycles)
	t.Faults, t.NotRun = played, notRun
	t.cluster.wire.heal()
	until := t.history.now()
	if err == nil {
		err = t.cluster.allServe(ctx)
	}
	home()
	t.work.done.Wait()
	if err != nil {
		return err
	}
	t.history.add(func(h *history) { t.UnavailableMS, t.LongestMS = unavailable(h.writes, begun, until) })
	return t.judge(ctx, errs)
}

// judge collects the facts and checks them.
func (t *theatre) judge(ctx context.Context, errs io.Writer) error {
	orders := t.history.all()
	drained := t.cluster.drain(ctx, orders)
	t.close() // the calls of outside machines end
	t.outside.done.Wait()
	t.history.add(func(h *history) {
		t.facts = facts{orders: orders, calls: h.calls, told: h.told, logged: h.logged, assigned: h.assigned, ended: h.ended,
			faults: h.faults, refused: h.refused, asked: t.work.rivals.asked, exhausted: !drained}
	})
	nodes, err := t.cluster.collect(ctx, orders, t.facts.told)
	if err != nil {
		return err
	}
	if err := t.cluster.count(nodes); err != nil {
		return err
	}
	t.facts.nodes = nodes
	t.history.add(func(h *history) { t.facts.ended = h.ended })
	t.verdict = judge(t.facts)
	result, _ := linearizable(t.facts.asked)
	t.Linearizable, t.Asked = string(result), len(t.facts.asked)
	for _, o := range orders {
		t.Submitted++
		if o.Acked {
			t.Acknowledged++
		}
	}
	for _, c := range t.facts.calls {
		t.Pages += len(c.Confirmed)
	}
	t.Received = len(t.facts.told)
	if len(t.Violations) > 0 {
		fmt.Fprintf(errs, "chaos: %d violations:\n  %s\n", len(t.Violations), strings.Join(t.Violations, "\n  "))
	}
	return nil
}

// gapCounts is from when on a time without a change counts.
const gapCounts = time.Second

// unavailable is how long no change was made, of the times over a second, and
// the longest of these.
func unavailable(writes []time.Duration, from, to time.Duration) (sum, longest int64) {
	last := from
	gap := func(at time.Duration) {
		if d := at - last; d > gapCounts {
			sum += d.Milliseconds()
			longest = max(longest, d.Milliseconds())
		}
	}
	for _, w := range writes {
		if w < from || w > to {
			continue
		}
		gap(w)
		last = w
	}
	gap(to)
	return sum, longest
}

// leaveBehind writes the histories, and copies the nodes' files out of the
// room.
func (t *theatre) leaveBehind() error {
	t.close()
	var errs []error
	put := func(name string, what any) {
		text, err := json.MarshalIndent(what, "", " ")
		errs = append(errs, err, os.WriteFile(filepath.Join(t.dir, name), text, 0o644))
	}
	t.history.add(func(h *history) {
		put("orders.json", h.orders)
		put("calls.json", h.calls)
		put("told.json", h.told)
		put("logged.json", h.logged)
		put("assigned.json", h.assigned)
		put("ended.json", h.ended)
		put("faults.json", h.faults)
	})
	put("asked.json", t.facts.asked)
	put("summary.json", t.summary)
	if result, info := linearizable(t.facts.asked); result == porcupine.Illegal {
		errs = append(errs, porcupine.VisualizePath(register, info, filepath.Join(t.dir, "asked.html")))
	}
	return errors.Join(append(errs, t.cluster.keep(filepath.Join(t.dir, "kept")))...)
}
