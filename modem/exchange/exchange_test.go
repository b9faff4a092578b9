package exchange

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// host types commands and remembers what the modem says, with line time.
type host struct {
	port io.ReadWriteCloser
	x    *Exchange
	said strings.Builder
	mu   sync.Mutex
}

func plug(t *testing.T, x *Exchange, number string) *host {
	t.Helper()
	port, err := x.Plug(number)
	if err != nil {
		t.Fatal(err)
	}
	h := &host{port: port, x: x}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := port.Read(b)
			h.mu.Lock()
			h.said.Write(b[:n])
			h.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	h.typeIn("ATE0+FCLASS=1\r")
	if got := h.hear(); got != "ATE0+FCLASS=1\r\r\nOK\r\n" {
		t.Fatalf("set up %s: %q", number, got)
	}
	return h
}

func (h *host) typeIn(s string) { h.port.Write([]byte(s)) }

// hear returns what was said since the last time, once nothing moves but time.
func (h *host) hear() string {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.said.String()
	h.said.Reset()
	return s
}

// words is what was said without line ends.
func (h *host) words() string { return strings.Join(strings.Fields(h.hear()), " ") }

// observed collects the events of calls as text.
type observed struct {
	mu    sync.Mutex
	lines []string
}

func (o *observed) take(ev Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(o.lines, strings.TrimSpace(fmt.Sprintf("%.1f %s %s>%s %s %s", ev.At.Seconds(), ev.Stage, ev.From, ev.Dialed, ev.Line, ev.Reason)))
}

func TestCallControl(t *testing.T) {
	tests := []struct {
		name   string
		dial   string
		before func(x *Exchange, callee *host)
		after  time.Duration // when the caller's result is due, counted from ATD
		want   string        // what the caller is told
		events []string
	}{
		{"busy", "0302", func(_ *Exchange, callee *host) {
			callee.typeIn("ATDT0399\r")
			time.Sleep(500 * time.Millisecond)
		}, 2 * time.Second, "BUSY",
			[]string{"0.0 dialled 0302>0399", "0.5 dialled 0301>0302", "1.0 ringing 0302>0399", "1.5 rejected 0301>0302  busy"}},
		{"always busy", "0398", nil, 2 * time.Second, "BUSY", []string{"0.0 dialled 0301>0398", "1.0 rejected 0301>0398  busy"}},
		{"unknown", "77", nil, 2 * time.Second, "CAUSE: E0001 NO CARRIER", []string{"0.0 dialled 0301>77", "1.0 rejected 0301>77  no such number"}},
		{"S7 runs out", "0399", nil, 61 * time.Second, "NO ANSWER", []string{"0.0 dialled 0301>0399", "1.0 ringing 0301>0399", "60.0 released 0301>0399  hung up by 0301"}},
		{"exchange gives up", "0399", func(x *Exchange, _ *host) { x.cfg.RingTime = 20 * time.Second }, 22 * time.Second, "NO ANSWER",
			[]string{"0.0 dialled 0301>0399", "1.0 ringing 0301>0399", "21.0 rejected 0301>0399  not answered"}},
		{"voice", "0397", nil, 61 * time.Second, "NO CARRIER", []string{"0.0 dialled 0301>0397", "1.0 answered 0301>0397", "60.0 released 0301>0397  hung up by 0301"}},
		{"own number", "0301", nil, 2 * time.Second, "BUSY", []string{"0.0 dialled 0301>0301", "1.0 rejected 0301>0301  busy"}},
		{"nothing", "", nil, 2 * time.Second, "CAUSE: E0001 NO CARRIER", []string{"0.0 dialled 0301>", "1.0 rejected 0301>  no such number"}},
		{"DID", "0302-77", func(x *Exchange, _ *host) { x.Block("0302", "0305", "0302"); x.Block("03", "0301") }, 0, "",
			[]string{"0.0 dialled 0301>030277", "1.0 ringing 0301>030277 0302"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen observed
				x := New(Config{Observe: seen.take})
				defer x.Close()
				x.Reserve("0399", NeverAnswers)
				x.Reserve("0398", AlwaysBusy)
				x.Reserve("0397", Voice)
				caller, callee := plug(t, x, "0301"), plug(t, x, "0302")
				if tt.before != nil {
					tt.before(x, callee)
					synctest.Wait()
				}
				caller.typeIn("ATDT" + tt.dial + "\r")
				time.Sleep(max(tt.after, 2*time.Second))
				if got := caller.words(); got != tt.want {
					t.Errorf("caller hears %q, want %q", got, tt.want)
				}
				seen.mu.Lock()
				defer seen.mu.Unlock()
				if !slices.Equal(seen.lines, tt.events) {
					t.Errorf("observer saw %q, want %q", seen.lines, tt.events)
				}
			})
		})
	}
}

func TestRinging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := New(Config{})
		defer x.Close()
		caller, callee := plug(t, x, "0301"), plug(t, x, "0302")
		caller.typeIn("ATDT0302\r")
		time.Sleep(1100 * time.Millisecond)
		if got := callee.words(); got != "RING NMBR=0301 NDID=0302" {
			t.Errorf("first ring %q", got)
		}
		time.Sleep(12 * time.Second)
		if got := callee.words(); got != "RING RING" {
			t.Errorf("12 s later %q", got)
		}
		callee.typeIn("ATDT0301\r") // the line rings: glare
		if got := callee.words(); got != "RING" {
			t.Errorf("dialled into a ringing line: %q", got)
		}
		caller.typeIn("x") // any character gives up
		if got := caller.words(); got != "NO CARRIER" {
			t.Errorf("given up: %q", got)
		}
		callee.typeIn("ATA\r")
		if got := callee.words(); got != "NO CARRIER" {
			t.Errorf("answered too late: %q", got)
		}
	})
}

func TestReleaseReachesTheOtherEnd(t *testing.T) {
	for _, how := range []string{"hang up", "unplug", "cut", "exchange"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := New(Config{})
				defer x.Close()
				caller, callee := plug(t, x, "0301"), plug(t, x, "0302")
				caller.typeIn("ATDT0302\r")
				time.Sleep(2 * time.Second)
				callee.typeIn("ATA\r")
				time.Sleep(4 * time.Second)
				if got := caller.words(); got != "CONNECT" {
					t.Fatalf("caller hears %q", got)
				}
				switch how {
				case "hang up":
					callee.typeIn("\x10\x03") // ends +FTH=3
					time.Sleep(time.Second)
					callee.typeIn("ATH0\r")
				case "unplug":
					callee.port.Close()
				case "cut":
					x.SetConditions(Conditions{CutAfter: 5 * time.Second})
					time.Sleep(3 * time.Second)
				case "exchange":
					if !x.Release("0302") {
						t.Error("there is no call to release")
					}
				}
				time.Sleep(100 * time.Millisecond)
				if got := caller.words(); got != "NO CARRIER" {
					t.Errorf("caller hears %q", got)
				}
				caller.typeIn("AT+FRH=3\r")
				if got := caller.words(); got != "ERROR" {
					t.Errorf("a fax command on hook: %q", got)
				}
			})
		})
	}
}

func TestPlugLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := New(Config{})
		a, err := x.Plug("0301")
		if err != nil {
			t.Fatal(err)
		}
		for _, number := range []string{"0301", "", "03 01", "abc", strings.Repeat("1", 41)} {
			if _, err := x.Plug(number); err == nil {
				t.Errorf("%.50q could be plugged in", number)
			}
		}
		a.Close()
		a.Close()
		if _, err := x.Plug("0301"); err != nil {
			t.Errorf("number is not free again: %v", err)
		}
		x.Close()
		x.Close()
		if _, err := x.Plug("0303"); err != ErrClosed {
			t.Errorf("closed exchange: %v", err)
		}
	})
}
