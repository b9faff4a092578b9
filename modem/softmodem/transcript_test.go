package softmodem_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/modem/at"
	"github.com/faxmesh/faxmesh/modem/exchange"
	"github.com/faxmesh/faxmesh/modem/hdlc"
)

var rewrite = flag.Bool("rewrite", false, "write the transcripts anew")

// dialogue is a call between two hosts that type by the clock, and its
// transcript: line time, who, > to the modem, < from it.
type dialogue struct {
	begun time.Time
	ports map[string]io.ReadWriteCloser
	mu    sync.Mutex
	text  strings.Builder
	parts map[string][]byte // said and not yet written down
}

func newDialogue(t *testing.T, x *exchange.Exchange) *dialogue {
	d := &dialogue{begun: time.Now(), ports: map[string]io.ReadWriteCloser{}, parts: map[string][]byte{}}
	for i, who := range []string{"A", "B"} { // in this order: the seeds go by it
		port, err := x.Plug([]string{"0301", "0302"}[i])
		if err != nil {
			t.Fatal(err)
		}
		d.ports[who] = port
		go func() {
			b := make([]byte, 4096)
			for {
				n, err := port.Read(b)
				d.mu.Lock()
				d.parts[who] = append(d.parts[who], b[:n]...)
				d.mu.Unlock()
				if err != nil {
					return
				}
			}
		}()
	}
	return d
}

// note writes down what both modems have said up to now, data together with the
// result code behind them.
func (d *dialogue) note() {
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, who := range []string{"A", "B"} {
		if p := d.parts[who]; bytes.HasSuffix(p, []byte("\r\n")) {
			fmt.Fprintf(&d.text, "%8.3f %s < %s\n", time.Since(d.begun).Seconds(), who, brief(p))
			d.parts[who] = nil
		}
	}
}

// brief shows octets as text, long ones by their number and check sequence.
func brief(p []byte) string {
	const long = 100
	if len(p) <= long {
		return fmt.Sprintf("%q", p)
	}
	return fmt.Sprintf("%d octets %04x", len(p), hdlc.FCS(p))
}

func (d *dialogue) typeIn(who string, octets []byte) {
	d.note()
	d.mu.Lock()
	fmt.Fprintf(&d.text, "%8.3f %s > %s\n", time.Since(d.begun).Seconds(), who, brief(octets))
	d.mu.Unlock()
	d.ports[who].Write(octets)
	d.note()
}

// pass lets line time go by and writes down when something is said. It looks a
// little behind the moments at which things happen: who is first at the same
// moment is left to chance.
func (d *dialogue) pass(length time.Duration) {
	const step, behind = 5 * time.Millisecond, time.Microsecond
	for range length / step {
		time.Sleep(step + behind)
		d.note()
	}
}

func (d *dialogue) check(t *testing.T, file string) {
	t.Helper()
	got := d.text.String()
	if *rewrite {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	have, wanted := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(have), len(wanted)) {
		if i >= len(have) || i >= len(wanted) || have[i] != wanted[i] {
			t.Fatalf("%s differs at line %d; got\n%s", file, i+1, got)
		}
	}
}

func frame(final bool, fcf byte) []byte { return at.AppendData(nil, hdlc.Append(nil, final, fcf)) }

// A whole call, as T.31 has it: identification, training check, confirmation, a
// page, its confirmation, the end.
func TestCallTranscript(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := exchange.New(exchange.Config{Seed: 1})
		defer x.Close()
		d := newDialogue(t, x)
		d.typeIn("A", []byte("ATE0+FCLASS=1\r"))
		d.typeIn("B", []byte("ATE0+FCLASS=1;+FAR=1\r"))
		d.typeIn("A", []byte("ATDT0302\r"))
		d.pass(1500 * time.Millisecond)
		d.typeIn("B", []byte("ATA\r"))
		d.pass(3500 * time.Millisecond)
		d.typeIn("B", frame(false, 0x40))
		d.pass(1300 * time.Millisecond)
		d.typeIn("B", frame(true, 0x80))
		d.typeIn("A", []byte("AT+FRH=3\r"))
		d.pass(500 * time.Millisecond)
		d.typeIn("B", []byte("AT+FRH=3\r"))
		d.typeIn("A", []byte("AT+FTH=3\r"))
		d.typeIn("A", frame(true, 0x83))
		d.pass(1350 * time.Millisecond)
		d.typeIn("B", []byte("AT+FRM=96\r"))
		d.typeIn("A", []byte("AT+FTS=7;+FTM=96\r"))
		d.pass(100 * time.Millisecond)
		d.typeIn("A", at.AppendData(nil, make([]byte, 1800)))
		d.pass(2 * time.Second)
		d.typeIn("A", []byte("AT+FRH=3\r"))
		d.typeIn("B", []byte("AT+FRS=7;+FTH=3\r"))
		d.pass(100 * time.Millisecond)
		d.typeIn("B", frame(true, 0x84))
		d.pass(1500 * time.Millisecond)
		d.typeIn("B", []byte("AT+FRM=96\r"))
		d.typeIn("A", []byte("AT+FTM=96\r"))
		d.typeIn("A", at.AppendData(nil, bytes.Repeat([]byte("page\x10"), 200)))
		d.pass(1500 * time.Millisecond)
		d.typeIn("B", []byte("AT+FRM=96\r")) // V.21 comes: adaptive reception
		d.typeIn("A", []byte("AT+FTH=3\r"))
		d.typeIn("A", frame(true, 0x2F))
		d.pass(1500 * time.Millisecond)
		d.typeIn("B", []byte("ATH0\r"))
		d.pass(100 * time.Millisecond)
		d.typeIn("A", []byte("AT+FRH=3\r"))
		d.check(t, "testdata/call.txt")
	})
}

// What hardware makes of a host that is late, wrong or slow.
func TestTroubleTranscript(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := exchange.New(exchange.Config{Seed: 1})
		defer x.Close()
		d := newDialogue(t, x)
		d.typeIn("A", []byte("ATE0+FCLASS=1\r"))
		d.typeIn("B", []byte("ATE0+FCLASS=1\r"))
		d.typeIn("A", []byte("AT+FTM=96\r")) // on hook
		d.typeIn("A", []byte("ATDT0302\r"))
		d.pass(1500 * time.Millisecond)
		d.typeIn("B", []byte("ATA\r"))
		d.pass(4 * time.Second)
		d.typeIn("A", []byte{at.CAN})
		d.typeIn("B", []byte{at.DLE, at.ETX}) // no frame: the carrier ends
		d.pass(200 * time.Millisecond)
		d.typeIn("B", []byte("AT+FTM=96\r"))
		d.pass(400 * time.Millisecond)
		d.typeIn("A", []byte("AT+FRM=96\r")) // V.29's training is over: too late
		d.pass(100 * time.Millisecond)
		d.typeIn("A", []byte("AT+FRH=3\r")) // not V.21
		d.pass(100 * time.Millisecond)
		d.typeIn("B", []byte("no end")) // runs out behind an octet that is not 0
		d.pass(time.Second)
		d.typeIn("A", []byte("AT+FRM=146\r")) // short training without a long one before
		d.typeIn("B", []byte("AT+FTM=146\r"))
		d.pass(300 * time.Millisecond)
		d.typeIn("B", []byte("fill\x00")) // runs out behind 0: filled for 5 s
		d.pass(6 * time.Second)
		d.typeIn("A", []byte("AT+FRH=3\r"))
		d.typeIn("B", []byte("AT+FTH=3\r"))
		d.pass(6 * time.Second) // the host gives no frame
		d.typeIn("B", []byte("AT+FTM=3;+FRS=1\r"))
		d.typeIn("B", []byte("AT+NONSENSE\r"))
		d.typeIn("B", append(bytes.Repeat([]byte("AT"), at.MaxLine), '\r'))
		d.check(t, "testdata/trouble.txt")
	})
}

// Whatever a host types, the modem lives and can be reset.
func FuzzHost(f *testing.F) {
	f.Add([]byte("ATE0V0Q0S7=5S0?&F+FCLASS=1;+FTM=?;+FAR?\rATDT0302\r"))
	f.Add([]byte("AT+FCLASS=1\rATDT0302\r\x18AT+FTH=3\r\xff\x13\x10\x03"))
	f.Fuzz(func(t *testing.T, typed []byte) {
		synctest.Test(t, func(t *testing.T) {
			x := exchange.New(exchange.Config{Speed: 10})
			defer x.Close()
			x.Reserve("0302", exchange.Voice)
			d := newDialogue(t, x)
			d.ports["A"].Write(typed)
			time.Sleep(time.Minute)
			d.ports["A"].Write([]byte("\x10\x03\x18\r"))
			time.Sleep(time.Minute)
			d.ports["A"].Write([]byte("ATZ\r"))
			time.Sleep(time.Second)
			synctest.Wait()
			d.mu.Lock()
			defer d.mu.Unlock()
			if said := d.parts["A"]; !bytes.HasSuffix(said, []byte("OK\r\n")) {
				t.Errorf("reset is answered with %q", said)
			}
		})
	})
}
