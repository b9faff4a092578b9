package lab

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

//go:embed softexchange/softexchange.c
var softexchange []byte

// Limits of an exchange.
const (
	maxCallsKept = 64               // records of calls that nobody has asked for
	readyTime    = 10 * time.Second // until the exchange stands
	stopTime     = 5 * time.Second  // until a program that is asked to end has ended
)

// Header is a file that building the exchange needs.
const Header = "/usr/include/spandsp/expose.h"

// Missing lists what is not installed of what the exchange and the programs
// named need.
func Missing(programs ...string) []string {
	var missing []string
	for _, name := range append([]string{"gcc"}, programs...) {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	if _, err := os.Stat(Header); err != nil {
		missing = append(missing, "libspandsp-dev")
	}
	return missing
}

// Build compiles the exchange into dir and returns the program.
func Build(dir string) (string, error) {
	source, program := filepath.Join(dir, "softexchange.c"), filepath.Join(dir, "softexchange")
	if err := os.WriteFile(source, softexchange, 0o666); err != nil {
		return "", err
	}
	build := exec.Command("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, source, "-lspandsp", "-ltiff", "-lm")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the exchange: %w\n%s", err, out)
	}
	return program, nil
}

// Weather is what is wrong with the lines of an exchange, in both directions.
// The zero value is a line of 40 ms without fault.
type Weather struct {
	Delay     time.Duration // from one end to the other; 0: 40 ms
	Loss      float64       // dB
	Noise     float64       // dBm0 behind the loss; 0: none
	Echo      float64       // dB below what each end says; 0: none
	EchoDelay time.Duration
	Slip      int           // one sample in so many is left out or doubled; 0: none
	DropEvery time.Duration // silence for DropFor each DropEvery; 0: none
	DropFor   time.Duration
	Cut       time.Duration // the exchange ends calls so long after the answer; 0: never
}

func (w Weather) args() []string {
	var args []string
	add := func(is bool, format string, v ...any) {
		if is {
			args = append(args, fmt.Sprintf(format, v...))
		}
	}
	add(w.Delay > 0, "--delay=%d", w.Delay.Milliseconds())
	add(w.Loss != 0, "--loss=%g", w.Loss)
	add(w.Noise != 0, "--noise=%g", w.Noise)
	add(w.Echo != 0, "--echo=%g,%d", w.Echo, w.EchoDelay.Milliseconds())
	add(w.Slip != 0, "--slip=%d", w.Slip)
	add(w.DropEvery > 0, "--drop=%g,%d", w.DropEvery.Seconds(), w.DropFor.Milliseconds())
	add(w.Cut > 0, "--cut=%g", w.Cut.Seconds())
	return args
}

// Plan is how an exchange is started.
type Plan struct {
	Program string // as Build made it
	Dir     string // for its terminals
	Lines   int
	Prefix  string  // of the numbers, in digits
	Speed   float64 // line seconds in one of wall time
	Owner   string  // user who may open the terminals; "": whoever starts it
	Weather Weather
	Trace   io.Writer // the AT dialogues of all lines; nil: not wanted
}

// Call is the exchange's record of one call.
type Call struct {
	From, To int    // lines; To is 0 for a number that does not exist
	Result   string // "released-by-caller", "released-by-called", "cut", "abandoned", "busy", "no-such-number"
	Talk     time.Duration
	OffHook  time.Duration // of the caller, dialling included, in line time
}

// Exchange is a telephone exchange of soft modems at work.
type Exchange struct {
	Plan
	cmd   *exec.Cmd
	calls chan Call
	ended chan struct{}
}

// StartExchange returns when the lines are there. Close ends it.
func StartExchange(p Plan) (*Exchange, error) {
	args := []string{"--lines", fmt.Sprint(p.Lines), "--directory", p.Dir, "--number", p.Prefix, "--speed", fmt.Sprint(p.Speed)}
	if p.Owner != "" {
		args = append(args, "--owner", p.Owner)
	}
	if p.Trace != nil {
		args = append(args, "--verbose")
	}
	x := &Exchange{Plan: p, calls: make(chan Call, maxCallsKept), ended: make(chan struct{})}
	x.cmd = exec.Command(p.Program, append(args, p.Weather.args()...)...)
	x.cmd.Stderr = os.Stderr // what it complains of
	if p.Trace != nil {
		x.cmd.Stderr = p.Trace
	}
	out, err := x.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := x.cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan struct{})
	go x.read(out, ready)
	select {
	case <-ready:
		return x, nil
	case <-x.ended:
	case <-time.After(readyTime):
		x.Close()
	}
	return nil, errors.New("the exchange did not say READY")
}

// read follows what the exchange says.
func (x *Exchange) read(out io.Reader, ready chan<- struct{}) {
	defer close(x.ended)
	said := bufio.NewScanner(out)
	for said.Scan() {
		if said.Text() == "READY" {
			close(ready)
			continue
		}
		if c, ok := parseCall(said.Text()); ok {
			select {
			case x.calls <- c:
			default: // whoever does not ask does not want to know
			}
		}
	}
	x.cmd.Wait() // its status says nothing: it is ended by a signal
}

func parseCall(text string) (c Call, ok bool) {
	var dialed string
	var talk, offhook float64
	_, err := fmt.Sscanf(text, "CALL from=%d to=%d dialed=%s result=%s talk=%f offhook=%f",
		&c.From, &c.To, &dialed, &c.Result, &talk, &offhook)
	c.Talk, c.OffHook = seconds(talk), seconds(offhook)
	return c, err == nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// Forget drops the records of calls so far.
func (x *Exchange) Forget() {
	for {
		select {
		case <-x.calls:
		default:
			return
		}
	}
}

// Call returns the oldest record, waiting for it.
func (x *Exchange) Call(ctx context.Context) (Call, error) {
	select {
	case c := <-x.calls:
		return c, nil
	case <-x.ended:
		return Call{}, errors.New("the exchange has ended")
	case <-ctx.Done():
		return Call{}, fmt.Errorf("the exchange has seen no call end: %w", ctx.Err())
	}
}

// Terminal is the path of line n.
func (x *Exchange) Terminal(n int) string { return filepath.Join(x.Dir, fmt.Sprint(n)) }

// Number is the telephone number of line n.
func (x *Exchange) Number(n int) string { return x.Prefix + fmt.Sprint(n) }

// Close ends the exchange. It is idempotent.
func (x *Exchange) Close() error {
	x.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-x.ended:
	case <-time.After(stopTime):
		x.cmd.Process.Kill()
		<-x.ended
	}
	return nil
}

// oneLine makes text fit for a table.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
