package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/settings"
	"github.com/faxmesh/faxmesh/cmd/terminal"
	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/modem/t4"
)

// Limits of a test call.
const (
	trialOpening = 30 * time.Second // for both modems
	trialCall    = 5 * time.Minute  // one page at the slowest rate
	trialEnd     = 30 * time.Second // for the called line, when the calling one is done
)

// trial is what lines test was asked to do.
type trial struct {
	dir  string
	dial string
	json bool
}

// trialResult is how a test call went.
type trialResult struct {
	From      string  `json:"from"`
	To        string  `json:"to"`
	Dialled   string  `json:"dialled"`
	Sent      string  `json:"sent"`     // name of the outcome, as the calling line saw it
	Received  string  `json:"received"` // the same of the called line; "no-ring" if it never rang
	Sentence  string  `json:"sentence"`
	Rate      string  `json:"rate"`
	ECM       bool    `json:"ecm"`
	Coding    string  `json:"coding"`
	Seconds   float64 `json:"seconds"` // line time from answer to on hook
	Identical bool    `json:"identical"`

	transcripts [2]string
}

// neverRang is the called line's outcome if no call came.
const neverRang = "no-ring"

func (r *trialResult) ok() bool {
	return r.Identical && r.Sent == status.OK.String() && r.Received == status.OK.String()
}

func (a *app) linesTestCommand() *cobra.Command {
	var t trial
	cmd := &cobra.Command{
		Use:   "test FROM TO",
		Short: "Let one line call another and send it a test page",
		Long: `Let one line of this machine call another one, send it a test page, and say
how it went: at which rate, with error correction or not, and whether the page
came as it was sent. FROM and TO are names of lines in the node's settings, as
line1, or serial devices. The node must not run. The exit status is 0 if the
page came unchanged.`,
		Example: `  faxmeshd lines test line1 line2 --data /var/lib/faxmesh
  faxmeshd lines test /dev/ttyACM0 /dev/ttyACM1 --dial 0302`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return a.testLines(cmd.Context(), t, args[0], args[1]) },
	}
	dataFlag(cmd, &t.dir)
	cmd.Flags().StringVar(&t.dial, "dial", "", "number at which TO is called (default: its NUMBER)")
	cmd.Flags().BoolVar(&t.json, "json", false, "print the result as JSON")
	return cmd
}

func (a *app) testLines(ctx context.Context, t trial, fromName, toName string) error {
	configured, err := a.configuredLines(t.dir)
	if err != nil {
		return err
	}
	from, to := pick(configured, fromName), pick(configured, toName)
	if from.Name == to.Name {
		return terminal.Usagef("a line cannot call itself: name two")
	}
	if t.dial == "" {
		t.dial = fax.Digits(to.Number)
	}
	if t.dial == "" {
		return terminal.Usagef("the number of %s is not known: give it with --dial NUMBER", toName)
	}
	unlock, err := lockLines(t.dir)
	if err != nil {
		return err
	}
	defer unlock()
	log := slog.New(slog.NewTextHandler(a.Err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	caller, called, err := openBoth(ctx, from, to, log)
	if err != nil {
		return err
	}
	defer caller.Close()
	defer called.Close()
	result := callAcross(ctx, caller, called, t.dial)
	result.From, result.To, result.Dialled = from.Name, to.Name, t.dial
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return a.tellTrial(result, t.json)
}

// pick finds a line by its name or device. What is not configured is a serial
// device, with defaults.
func pick(configured []settings.Line, name string) settings.Line {
	device := strings.TrimPrefix(name, settings.ExchangePrefix)
	i := slices.IndexFunc(configured, func(l settings.Line) bool { return strings.EqualFold(l.Name, name) || l.Device == device })
	if i >= 0 {
		return configured[i]
	}
	l := bareLine(name)
	l.FlowControl = "RTSCTS"
	return l
}

// openBoth opens the modems of two lines at once.
func openBoth(ctx context.Context, from, to settings.Line, log *slog.Logger) (caller, called modem.Modem, err error) {
	ctx, cancel := context.WithTimeout(ctx, trialOpening)
	defer cancel()
	var modems [2]modem.Modem
	var errs [2]error
	var opening sync.WaitGroup
	for i, l := range []settings.Line{from, to} {
		opening.Go(func() {
			modems[i], errs[i] = orHang(ctx, func() (modem.Modem, error) {
				m, _, err := openModem(ctx, l, log)
				return m, err
			})
			if errs[i] != nil {
				errs[i] = fmt.Errorf("%s: %w", l.Name, errs[i])
			}
		})
	}
	opening.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		for i := range modems {
			if errs[i] == nil {
				modems[i].Close()
			}
		}
		return nil, nil, err
	}
	return modems[0], modems[1], nil
}

// onePage is a document of one page.
type onePage modem.Page

func (p onePage) Len() int                     { return 1 }
func (p onePage) Page(int) (modem.Page, error) { return modem.Page(p), nil }

// callAcross sends the test page from one modem to the other.
func callAcross(ctx context.Context, caller, called modem.Modem, number string) *trialResult {
	page := onePage{Image: testPage(), Resolution: t4.Fine}
	ctx, cancel := context.WithTimeout(ctx, trialCall)
	defer cancel()
	ringing, noRing := context.WithCancel(ctx)
	defer noRing()
	var pages []modem.ReceivedPage
	received := make(chan *modem.Report, 1) // nil: it never rang
	go func() {
		if _, err := called.WaitRing(ringing); err != nil {
			received <- nil
			return
		}
		rep := called.Receive(ctx, modem.Incoming{Station: "TEST TO", Store: func(_ context.Context, p modem.ReceivedPage) error {
			pages = append(pages, p)
			return nil
		}})
		received <- &rep
	}()
	sent := caller.Send(ctx, modem.Outgoing{Number: number, Station: "TEST FROM", Pages: page, Confirmed: func(int) error { return nil }})
	noRing() // it would have rung by now
	defer time.AfterFunc(trialEnd, cancel).Stop()
	got := <-received
	result := &trialResult{
		Sent: sent.Status.String(), Received: neverRang, Sentence: sent.Status.Sentence(),
		Rate: sent.Rate.String(), ECM: sent.ECM, Coding: sent.Coding, Seconds: sent.Duration.Seconds(),
		Identical:   len(pages) == 1 && pages[0].Image.Equal(page.Image),
		transcripts: [2]string{sent.Transcript, ""},
	}
	if got != nil {
		result.Received, result.transcripts[1] = got.Status.String(), got.Transcript
	}
	return result
}

// testPage is a page of fine resolution that every fault shows on: a frame,
// slanted lines, and blocks as dense as they can be.
func testPage() *t4.Bitmap {
	const width, height, border = 1728, 1100, 8
	b := t4.NewBitmap(width, height)
	for y := range height {
		for x := range width {
			edge := x < border || x >= width-border || y < border || y >= height-border
			slanted := (x+2*y)%97 < 3
			dense := x/64%5 == 2 && y/64%5 == 2 && (x^y)&1 == 0
			if edge || slanted || dense {
				b.Row(y)[x/8] |= 0x80 >> (x % 8)
			}
		}
	}
	return b
}

// tellTrial prints the result, and for a failure the dialogues of both ends.
func (a *app) tellTrial(r *trialResult, asJSON bool) error {
	if asJSON {
		if err := json.NewEncoder(a.Out).Encode(r); err != nil {
			return err
		}
	} else {
		a.say("%s called %s at %s: %s", r.From, r.To, r.Dialled, r.Sentence)
		if r.Received != neverRang {
			ecm := "without error correction"
			if r.ECM {
				ecm = "with error correction"
			}
			a.say("%s, %s, %s; %.1f s on the line; the called line ended with %s", r.Rate, ecm, r.Coding, r.Seconds, r.Received)
		}
	}
	if r.ok() {
		if !asJSON {
			a.say("the page came as it was sent")
		}
		return nil
	}
	for i, text := range r.transcripts {
		if text != "" {
			fmt.Fprintf(a.Err, "dialogue of %s:\n%s", []string{r.From, r.To}[i], text)
		}
	}
	switch {
	case r.Received == neverRang:
		return fmt.Errorf("%s did not ring: is %s its number, and are both lines plugged in?", r.To, r.Dialled)
	case !r.Identical && r.Sent == status.OK.String():
		return fmt.Errorf("the page did not come as it was sent")
	}
	return fmt.Errorf("the test call failed: %s at %s, %s at %s", r.Sent, r.From, r.Received, r.To)
}
