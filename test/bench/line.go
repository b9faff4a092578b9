package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/test/interop/lab"
)

// What is asked of calls.
const (
	mostOverHylaFAX = 1.0  // off-hook time over HylaFAX's to itself
	mostOverFloor   = 1.05 // off-hook time over T.30's nominal one
	floorFromPages  = 5    // shorter calls are held against HylaFAX alone
)

// mostPages is how many pages a document may have.
const mostPages = 50

// contests are the calls that are compared, in both modes. The last is what the
// others are held against.
var contests = [...]struct {
	name string
	ours [2]bool // caller, called
}{
	{"faxmesh to faxmesh", [2]bool{true, true}},
	{"faxmesh to HylaFAX", [2]bool{true, false}},
	{"HylaFAX to HylaFAX", [2]bool{false, false}},
}

const yardstick = len(contests) - 1

var lineModes = [...]lab.Mode{
	{ECM: true, Coding: "MMR", Rate: line.V17x14400},
	{ECM: false, Coding: "MR", Rate: line.V17x14400},
}

func modeName(m lab.Mode) string {
	if m.ECM {
		return "ECM " + m.Coding
	}
	return "no ECM " + m.Coding
}

// lineLab is the exchange and the programs on it.
type lineLab struct {
	dir      string
	exchange *lab.Exchange
	hylafax  *lab.HylaFAX
	pages    lab.Document
	out      io.Writer
}

// offHook are the callers' seconds off hook, by mode, contest and document.
type offHook [len(lineModes)][len(contests)][]time.Duration

// callLine measures calls on an exchange of soft modems.
func callLine(args []string, out io.Writer) ([]bar, error) {
	flags := flag.NewFlagSet("line", flag.ContinueOnError)
	speed := flags.Float64("speed", 1, "line seconds in one of wall time, at most 2")
	list := flags.String("pages", "1,5,20", "pages of the documents")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	counts, err := pageCounts(*list)
	if err != nil || flags.NArg() > 0 || *speed <= 0 || *speed > 2 { // HylaFAX cannot go faster
		return nil, errors.Join(errors.New("want no arguments, a speed up to 2 and up to 50 pages"), err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	l, err := openLineLab(ctx, *speed, slices.Max(counts), out)
	if err != nil {
		return nil, err
	}
	defer l.close()
	measured, err := l.measure(ctx, counts)
	if err != nil {
		return nil, err
	}
	var bars []bar
	for m, mode := range lineModes {
		for n, pages := range counts {
			theirs := measured[m][yardstick][n]
			least := floor(l.pages[:pages], mode)
			for c := range yardstick {
				name := fmt.Sprintf("%s, %s, %d pages", contests[c].name, modeName(mode), pages)
				ours := measured[m][c][n].Seconds()
				fmt.Fprintf(out, "%-46s %7.2f s, HylaFAX to itself %7.2f s, nominal %7.2f s\n", name, ours, theirs.Seconds(), least.Seconds())
				bars = append(bars, atMost(name+" / HylaFAX", ours/theirs.Seconds(), mostOverHylaFAX))
				if pages >= floorFromPages {
					bars = append(bars, atMost(name+" / nominal", ours/least.Seconds(), mostOverFloor))
				}
			}
		}
	}
	return bars, nil
}

func pageCounts(list string) ([]int, error) {
	var counts []int
	for _, word := range strings.Split(list, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 || n > mostPages {
			return nil, fmt.Errorf("%q is no number of pages", word)
		}
		counts = append(counts, n)
	}
	return counts, nil
}

func openLineLab(ctx context.Context, speed float64, pages int, out io.Writer) (_ *lineLab, err error) {
	if missing := lab.Missing("gs"); missing != nil {
		return nil, fmt.Errorf("not installed: %s", strings.Join(missing, ", "))
	}
	l := &lineLab{out: out}
	if l.dir, err = os.MkdirTemp("", "bench-line-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if err := os.Chmod(l.dir, 0o755); err != nil { // HylaFAX is another user
		return nil, err
	}
	if l.pages, err = lab.StandardPages(ctx, l.dir, pages); err != nil {
		return nil, err
	}
	if l.hylafax, err = lab.StartHylaFAX(ctx); err != nil {
		return nil, err
	}
	program, err := lab.Build(l.dir)
	if err != nil {
		return nil, err
	}
	l.exchange, err = lab.StartExchange(lab.Plan{Program: program, Dir: l.dir, Lines: 2 * len(lineModes) * len(contests),
		Prefix: "555", Speed: speed, Owner: "uucp"})
	return l, err
}

func (l *lineLab) close() {
	if l.hylafax != nil {
		if err := l.hylafax.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "bench: HylaFAX could not be put back as it was:", err)
		}
	}
	if l.exchange != nil {
		l.exchange.Close()
	}
	os.RemoveAll(l.dir)
}

// measure makes all calls: contests side by side, the documents of each one
// after the other.
func (l *lineLab) measure(ctx context.Context, counts []int) (offHook, error) {
	var measured offHook
	var errs [len(lineModes) * len(contests)]error
	var calls sync.WaitGroup
	records := l.route(ctx)
	for m, mode := range lineModes {
		for c, contest := range contests {
			calls.Go(func() {
				k := m*len(contests) + c
				measured[m][c], errs[k] = l.contest(ctx, 2*k+1, contest.ours, mode, counts, records[2*k+1])
				if errs[k] != nil {
					errs[k] = fmt.Errorf("%s, %s: %w", contest.name, modeName(mode), errs[k])
				}
			})
		}
	}
	calls.Wait()
	return measured, errors.Join(errs[:]...)
}

// route hands the exchange's records to whoever has the caller's line.
func (l *lineLab) route(ctx context.Context) map[int]chan lab.Call {
	records := map[int]chan lab.Call{}
	for n := 1; n <= l.exchange.Lines; n++ {
		records[n] = make(chan lab.Call, mostPages)
	}
	go func() {
		for {
			c, err := l.exchange.Call(ctx)
			if err != nil {
				return // the exchange is closed
			}
			select {
			case records[c.From] <- c:
			default:
			}
		}
	}()
	return records
}

// contest sends documents from one line to the next.
func (l *lineLab) contest(ctx context.Context, caller int, ours [2]bool, mode lab.Mode, counts []int, records <-chan lab.Call) ([]time.Duration, error) {
	var ends [2]lab.Station
	for i := range ends {
		s, err := l.station(caller+i, ours[i])
		if err != nil {
			return nil, err
		}
		defer s.Close()
		ends[i] = s
	}
	var took []time.Duration
	for _, pages := range counts {
		c, err := l.call(ctx, ends, l.exchange.Number(caller+1), mode, l.pages[:pages], records)
		if err != nil {
			return nil, fmt.Errorf("%d pages: %w", pages, err)
		}
		took = append(took, c.OffHook)
	}
	return took, nil
}

func (l *lineLab) station(n int, ours bool) (lab.Station, error) {
	if ours {
		return &lab.Faxmesh{Terminal: l.exchange.Terminal(n), Speed: l.exchange.Speed}, nil
	}
	dir := filepath.Join(l.dir, fmt.Sprint("files", n))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	return l.hylafax.Line(l.exchange.Terminal(n), dir)
}

// call makes one call, which counts only if the whole document has arrived in
// the mode that is measured.
func (l *lineLab) call(ctx context.Context, ends [2]lab.Station, number string, mode lab.Mode, d lab.Document, records <-chan lab.Call) (lab.Call, error) {
	const perPage, besides = 90 * time.Second, 180 * time.Second // of wall time, far more than any call takes
	ctx, cancel := context.WithTimeout(ctx, besides+time.Duration(len(d))*perPage)
	defer cancel()
	reception, err := ends[1].Listen(ctx)
	if err != nil {
		return lab.Call{}, err
	}
	defer reception.Cancel()
	sent, err := ends[0].Send(ctx, number, d, mode)
	if err != nil {
		return lab.Call{}, err
	}
	received, err := reception.Wait(ctx)
	if err != nil {
		return lab.Call{}, err
	}
	switch {
	case !sent.OK || !received.OK || sent.Pages != len(d) || len(received.Pages) != len(d):
		return lab.Call{}, fmt.Errorf("%d pages were sent (%s), %d received (%s)", sent.Pages, sent.Why, len(received.Pages), received.Why)
	case sent.Mode != mode:
		return lab.Call{}, fmt.Errorf("it went at %v, %s", sent.Mode.Rate, modeName(sent.Mode))
	}
	lost := 0
	if _, theirs := ends[0].(*lab.HylaLine); theirs {
		lost = lab.HylaLostRows
	}
	for i, p := range received.Pages {
		if differs := lab.Same(p.Image, d[i].Image, 0, 0, d[i].Image.Height-lost); differs != "" {
			return lab.Call{}, fmt.Errorf("page %d: %s", i+1, differs)
		}
	}
	select {
	case c := <-records:
		fmt.Fprintf(l.out, "%s, %d pages: %.2f s off hook\n", modeName(mode), len(d), c.OffHook.Seconds())
		return c, nil
	case <-ctx.Done():
		return lab.Call{}, fmt.Errorf("the exchange has seen no call end: %w", ctx.Err())
	}
}
