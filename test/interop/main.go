// Command interop calls other people's fax programs over other people's modems
// and checks that what arrives is what was sent.
//
//	go run ./test/interop [-speed N] [-lanes N] [-peers LIST] [-only WORDS] [-logs DIR] [-json]
//
// The modems are libspandsp's, on an exchange of its own for each lane; the
// programs are efax, HylaFAX and faxmesh. On lines without fault every page has
// to arrive as it was; on bad lines every call has to end, and what its sender
// believes has to be true. HylaFAX runs as its real daemons in /etc/hylafax and
// /var/spool/hylafax, for which the program must be root; what it finds there it
// puts back. It exits with 0 if every call went as it should, with 1 if one did
// not, and with 2 if nothing could be tried.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The exit statuses.
const (
	exitRight = iota
	exitWrong
	exitUntried
)

// maxLanes is how many calls may run at once.
const maxLanes = 16

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// options are what is asked for on the command line.
type options struct {
	speed float64
	lanes int
	peers []string
	only  string
	logs  string
	json  bool
}

func parse(args []string, errs io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("interop", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.Float64Var(&o.speed, "speed", 4, "line seconds in one of wall time; HylaFAX without ECM is given at most 1 as receiver and 2 as sender")
	flags.IntVar(&o.lanes, "lanes", 6, "calls at once")
	peers := flags.String("peers", "efax,hylafax", "programs to call beside faxmesh")
	flags.StringVar(&o.only, "only", "", "only calls whose line in the table contains all these words")
	flags.StringVar(&o.logs, "logs", "", "keep the programs' logs of calls that did not go smoothly in this directory")
	flags.BoolVar(&o.json, "json", false, "print JSON lines")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.peers = append(strings.Split(*peers, ","), faxmesh)
	if flags.NArg() > 0 || o.speed <= 0 || o.speed > 8 || o.lanes < 1 || o.lanes > maxLanes {
		return o, fmt.Errorf("want no arguments, a speed up to 8 and 1 to %d lanes", maxLanes)
	}
	return o, nil
}

func run(args []string, out, errs io.Writer) int {
	o, err := parse(args, errs)
	if err != nil {
		fmt.Fprintln(errs, "interop:", err)
		return exitUntried
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	t := &table{out: out, json: o.json, logs: o.logs}
	if err := tryAll(ctx, o, t); err != nil {
		fmt.Fprintln(errs, "interop:", err)
		t.done(err)
		return exitUntried
	}
	return t.done(nil)
}

// tryAll makes every call that is asked for.
func tryAll(ctx context.Context, o options, t *table) error {
	rows := slices.DeleteFunc(append(matrix(), impaired()...), func(r row) bool {
		return !slices.Contains(o.peers, r.from) || !slices.Contains(o.peers, r.to) || !r.has(o.only)
	})
	if len(rows) == 0 {
		return errors.New("no call is left of what was asked for")
	}
	f, err := furnish(ctx, rows)
	if err != nil {
		return err
	}
	defer f.close()
	if slices.Contains(o.peers, efax) {
		t.note(leftOut)
	}
	work := make(chan batch)
	var lanes sync.WaitGroup
	for n := range o.lanes {
		lanes.Go(func() {
			for b := range work {
				f.try(ctx, b, fmt.Sprintf("5%02d", n+10), t)
			}
		})
	}
	for _, b := range batches(rows, o.speed) {
		select {
		case work <- b:
		case <-ctx.Done():
		}
	}
	close(work)
	lanes.Wait()
	return context.Cause(ctx)
}

// table is what people, or programs, read of the calls.
type table struct {
	out  io.Writer
	json bool
	logs string

	mu    sync.Mutex
	right int
	wrong int
}

// entry is a call in the table.
type entry struct {
	From     string  `json:"from"`
	To       string  `json:"to"`
	ECM      bool    `json:"ecm"`
	Coding   string  `json:"coding"`
	Rate     string  `json:"rate"`
	Pages    int     `json:"pages"`
	Weather  string  `json:"weather,omitempty"`
	Speed    float64 `json:"speed"`
	Sent     int     `json:"sent"`
	Received int     `json:"received"`
	OffHook  float64 `json:"offhook_s"`
	OK       bool    `json:"ok"`
	Wrong    string  `json:"wrong,omitempty"`
	Note     string  `json:"note,omitempty"`
}

func (t *table) add(r row, v verdict, speed float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if v.wrong == "" {
		t.right++
	} else {
		t.wrong++
	}
	if v.wrong != "" || v.note != "" {
		t.keepLogs(r, v)
	}
	if t.json {
		t.printJSON(entry{r.from, r.to, r.mode.ECM, r.mode.Coding, r.mode.Rate.String(), r.pages, r.weather.name, speed,
			v.sent.Pages, len(v.received.Pages), v.offHook.Seconds(), v.wrong == "", v.wrong, v.note})
		return
	}
	said := "ok"
	if v.wrong != "" {
		said = "WRONG: " + v.wrong
	}
	if v.note != "" {
		said += " (" + v.note + ")"
	}
	fmt.Fprintf(t.out, "%s %7.1f s  %s\n", r, v.offHook.Seconds(), said)
}

func (t *table) printJSON(v any) {
	line, err := json.Marshal(v)
	if err != nil {
		panic(err) // of numbers and text alone
	}
	fmt.Fprintf(t.out, "%s\n", line)
}

func (t *table) note(text string) {
	if !t.json {
		fmt.Fprintln(t.out, text)
		return
	}
	t.printJSON(map[string]string{"left_out": text})
}

// done prints the count and returns the exit status.
func (t *table) done(err error) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	ok := err == nil && t.wrong == 0
	if t.json {
		result := map[string]any{"event": "done", "ok": ok, "right": t.right, "wrong": t.wrong}
		if err != nil {
			result["error"] = err.Error()
		}
		t.printJSON(result)
	} else {
		fmt.Fprintf(t.out, "%d calls went as they should, %d did not\n", t.right, t.wrong)
	}
	if !ok {
		return exitWrong
	}
	return exitRight
}

// wallTime is how long a call of so much line time may take on the wall clock,
// the programs' own delays included.
func wallTime(line time.Duration, speed float64) time.Duration {
	return time.Duration(float64(line)/speed) + 90*time.Second
}
