package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/faxmesh/faxmesh/cmd/terminal"
	"github.com/faxmesh/faxmesh/modem/exchange"
)

// maxSpeed is how much faster than the wall clock simulated lines may run.
const maxSpeed = 1000

// simulation is what exchange was asked to simulate.
type simulation struct {
	listen   string
	anywhere bool
	config   exchange.Config
	treated  map[exchange.Treatment]*[]string
	blocks   []string
}

func (a *app) exchangeCommand() *cobra.Command {
	s := simulation{treated: map[exchange.Treatment]*[]string{
		exchange.AlwaysBusy: new([]string), exchange.NeverAnswers: new([]string), exchange.Voice: new([]string),
	}}
	cmd := &cobra.Command{
		Use:   "exchange",
		Short: "Run a simulated telephone exchange",
		Long: `Run a simulated telephone exchange: nodes plug simulated modems into it with
DEVICE=exchange:HOST:PORT and TYPE=simulated, and call each other. No call
leaves it.

Whoever can connect can call and be called, so it listens on loopback only.`,
		Example: `  faxmeshd exchange --listen 127.0.0.1:7499 --speed 20
  faxmeshd exchange --noise 1e-5 --busy 0999`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.exchange(cmd.Context(), s) },
	}
	f := cmd.Flags()
	f.StringVar(&s.listen, "listen", "127.0.0.1:7499", "where nodes plug in their simulated modems")
	f.BoolVar(&s.anywhere, "not-only-loopback", false, "allow --listen on an address that other machines reach")
	f.Float64Var(&s.config.Speed, "speed", 1, "simulated seconds in one of the wall clock")
	f.Uint64Var(&s.config.Seed, "seed", 1, "seed of the simulated noise")
	f.Float64Var(&s.config.Conditions.Image, "noise", 0, "bit error rate of pages, as 1e-5")
	f.Float64Var(&s.config.Conditions.Control, "control-noise", 0, "bit error rate of V.21 signals, as 1e-6")
	f.IntVar(&s.config.Conditions.Ceiling, "ceiling", 0, "bit/s above which training fails (0: none)")
	f.DurationVar(&s.config.Conditions.CutAfter, "cut-after", 0, "line time after which calls are cut (0: never)")
	f.StringSliceVar(s.treated[exchange.AlwaysBusy], "busy", nil, "numbers that are always busy")
	f.StringSliceVar(s.treated[exchange.NeverAnswers], "no-answer", nil, "numbers that nobody answers")
	f.StringSliceVar(s.treated[exchange.Voice], "voice", nil, "numbers that a person answers")
	f.StringArrayVar(&s.blocks, "block", nil, "PREFIX=LINE,LINE: numbers that begin with PREFIX ring the first free LINE")
	return cmd
}

func (s *simulation) check() error {
	c := s.config
	switch {
	case !(c.Speed > 0 && c.Speed <= maxSpeed): // NaN as well
		return terminal.Usagef("--speed must be above 0 and at most %d", maxSpeed)
	case !isRate(c.Conditions.Image), !isRate(c.Conditions.Control):
		return terminal.Usagef("a bit error rate is from 0 to 1, as 1e-5")
	case c.Conditions.Ceiling < 0, c.Conditions.CutAfter < 0:
		return terminal.Usagef("--ceiling and --cut-after cannot be negative")
	}
	return nil
}

func (a *app) exchange(ctx context.Context, s simulation) error {
	if err := s.check(); err != nil {
		return err
	}
	ln, err := net.Listen("tcp", s.listen)
	if err != nil {
		return portError(err, "--listen")
	}
	defer ln.Close()
	at, err := netip.ParseAddrPort(ln.Addr().String())
	if err != nil || !at.Addr().IsLoopback() && !s.anywhere {
		return terminal.Usagef("%s is not a loopback address: whoever reaches it could call; force it with --not-only-loopback", ln.Addr())
	}
	// Calls are told by one goroutine: the exchange must not wait for a slow
	// terminal, and drops what that cannot show.
	events := make(chan exchange.Event, 256)
	s.config.Observe = func(e exchange.Event) {
		select {
		case events <- e:
		default:
		}
	}
	x := exchange.New(s.config)
	defer x.Close()
	for treatment, numbers := range s.treated {
		for _, number := range *numbers {
			x.Reserve(number, treatment)
		}
	}
	for _, block := range s.blocks {
		prefix, lines, found := strings.Cut(block, "=")
		if !found || lines == "" {
			return terminal.Usagef("--block %q is not PREFIX=LINE,LINE", block)
		}
		x.Block(prefix, strings.Split(lines, ",")...)
	}
	a.say("simulated telephone exchange on %s, speed %g; configure lines with DEVICE=exchange:%s TYPE=simulated", at, x.Speed(), at)
	served := make(chan error, 1)
	go func() { served <- exchange.Serve(ctx, ln, x) }()
	for {
		select {
		case e := <-events:
			a.say("%s", callLine(e))
		case err := <-served:
			return err
		}
	}
}

// callLine is one step of a simulated call in words.
func callLine(e exchange.Event) string {
	who := e.From + " to " + e.Dialed
	if e.Line != "" && e.Line != e.Dialed {
		who += " (line " + e.Line + ")"
	}
	text := fmt.Sprintf("simulated call %d at %v: %s, %s", e.Call, e.At.Round(time.Millisecond), who, e.Stage)
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// isRate is false for NaN.
func isRate(p float64) bool { return p >= 0 && p <= 1 }
