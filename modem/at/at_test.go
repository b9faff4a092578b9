package at

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/modem/line"
)

func lines(s string) (out []string) {
	var l Lines
	for _, b := range []byte(s) {
		if line, ok := l.Feed(b); ok {
			out = append(out, line)
		}
	}
	return out
}

func TestLines(t *testing.T) {
	tests := []struct {
		in   string
		want []string
	}{
		{"\r\nOK\r\n", []string{"OK"}},
		{"ATE0\r\r\nOK\r\n", []string{"ATE0", "OK"}},
		{"ATE0\rOK\r\n", []string{"ATE0", "OK"}},
		{"\x13\r\nO\x11K\x00\r\n", []string{"OK"}},
		{"\r\n\r\n\n", nil},
		{"\r\n+FRH:3\r\n\r\nCONNECT\r\n", []string{"+FRH:3", "CONNECT"}},
		{"OK\r", nil}, // not complete: the LF belongs to the line
		{string(bytes.Repeat([]byte{'x'}, MaxLine+9)) + "\r\n", []string{string(bytes.Repeat([]byte{'x'}, MaxLine))}},
	}
	for _, tt := range tests {
		if got := lines(tt.in); !slices.Equal(got, tt.want) {
			t.Errorf("lines(%.40q) = %.40q, want %.40q", tt.in, got, tt.want)
		}
	}
}

func TestParse(t *testing.T) {
	tests := map[string]Code{
		"OK": OK, " ok ": OK, "CONNECT": Connect, "CONNECT 14400": Connect, "RING": Ring,
		"NO CARRIER": NoCarrier, "NO DIALTONE": NoDialtone, "NO DIAL TONE": NoDialtone, "BUSY": Busy,
		"NO ANSWER": NoAnswer, "+FCERROR": FCError, "+F4": FCError, "+FRH:3": FRH3, "+FRH: 3": FRH3,
		"BLACKLISTED 00:10": Blacklisted, "DIALING DISABLED": Blacklisted, "DIALING": Info, "MESSAGE-WAITING": Info, "DELAYED 00:59:00": Delayed, "ERROR": Error,
		"NMBR=0301": Info, "RING A": Ring, "ring 2": Ring, "RING1": Ring, "RING!": Info, "RING 12": Info, "STRING": Info,
		"NO LINE": NoDialtone, "LINE IN USE": NoDialtone, "PHONE OFF-HOOK": NoDialtone, "OKAY": Info, "RINGING": Info, "CONNECTED": Info, "": Info,
	}
	for line, want := range tests {
		if got := Parse(line); got != want {
			t.Errorf("Parse(%q) = %v, want %v", line, got, want)
		}
	}
	for c := OK; int(c) < len(codes); c++ {
		if got := Parse(c.String()); got != c {
			t.Errorf("Parse(%q) = %v, want the code that says so", c.String(), got)
		}
	}
}

func TestRingPattern(t *testing.T) {
	for line, want := range map[string]string{"RING": "", " RING ": "", "RING B": "B", "ring a": "A", "RING2": "2", "RING 3": "3"} {
		if got, ok := RingPattern(line); got != want || !ok {
			t.Errorf("RingPattern(%q) = %q, %v, want %q", line, got, ok, want)
		}
	}
	for _, line := range []string{"", "RINGING", "RING-A", "RING AB", "WRING", "NMBR=1"} {
		if got, ok := RingPattern(line); ok {
			t.Errorf("%q counts as a ring, %q", line, got)
		}
	}
}

func TestUnstuff(t *testing.T) {
	tests := []struct {
		in   string
		want string
		rest string
		done bool
	}{
		{"ab\x10\x03\r\nOK", "ab", "\r\nOK", true},
		{"\x10\x10\x10\x03", "\x10", "", true},
		{"a\x10\x1ab\x10\x03", "a\x10\x10b", "", true},
		{"a\x10Xb\x10\x03", "ab", "", true},
		{"\x11\x13\x10\x10", "\x11\x13\x10", "", false},
		{"a\x10", "a", "", false},
	}
	for _, tt := range tests {
		var u Unstuffer
		got, n, done := u.Append(nil, []byte(tt.in))
		if string(got) != tt.want || tt.in[n:] != tt.rest || done != tt.done {
			t.Errorf("unstuff %q = %q, rest %q, %v; want %q, %q, %v", tt.in, got, tt.in[n:], done, tt.want, tt.rest, tt.done)
		}
	}
}

// Kept escapes hide the end mark as well as others do, and can be taken out later.
func TestKeepEscapes(t *testing.T) {
	u := Unstuffer{keep: true}
	got, n, done := u.Append(nil, []byte("a\x10\x10\x03\x10b\x10\x03rest"))
	if string(got) != "a\x10\x10\x03\x10b" || n != 8 || !done {
		t.Errorf("%q, %d taken, %v", got, n, done)
	}
	if plain := Unstuff(got); string(plain) != "a\x10\x03" {
		t.Errorf("unstuffed %q", plain)
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("\r\nCONNECT\r\n"))
	f.Add([]byte("ATE0\rOK\r\n+FRH:3\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var l Lines
		for _, b := range in {
			line, ok := l.Feed(b)
			if ok != (line != "") {
				t.Fatalf("a line %q that is reported as %v", line, ok)
			}
			if len(line) > MaxLine {
				t.Fatalf("a line of %d octets", len(line))
			}
			for _, c := range []byte(line) {
				if c < ' ' || c == 0x7F {
					t.Fatalf("control character in line %q", line)
				}
			}
			Parse(line)
		}
	})
}

// What was stuffed comes back, however it is cut; what was not is never more
// than twice as long as its source.
func FuzzUnstuff(f *testing.F) {
	f.Add([]byte("a\x10\x10\x10\x03b"), 3)
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		wire := AppendData(nil, in)
		cut = min(max(cut, 0), len(wire))
		var u Unstuffer
		out, n, done := u.Append(nil, wire[:cut])
		if n != cut || done != (cut == len(wire)) {
			t.Fatalf("first part: %d of %d taken, done %v", n, cut, done)
		}
		if !done {
			out, _, done = u.Append(out, wire[cut:])
		}
		if !done || !bytes.Equal(out, in) {
			t.Fatalf("%x came back as %x", in, out)
		}
		var hostile Unstuffer
		if out, n, _ := hostile.Append(nil, in); n > len(in) || len(out) > 2*len(in) {
			t.Fatalf("%d octets made of %d", len(out), len(in))
		}
	})
}

// dialogue is a Conn and the modem's end of its port.
func dialogue(t *testing.T) (*Conn, net.Conn) {
	host, modem := net.Pipe()
	c := NewConn(host, 0)
	t.Cleanup(func() {
		c.Close()
		modem.Close()
	})
	return c, modem
}

func TestConnSwitchesToDataBehindConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, modem := dialogue(t)
		go modem.Write([]byte("AT+FRH=3\r\r\nCONNECT\r\nOK\r\n\x10\x10\x10\x03\r\nOK\r\n"))
		code, info, err := c.Result(t.Context(), time.Second)
		if code != Connect || err != nil || !slices.Equal(info, []string{"AT+FRH=3"}) {
			t.Fatalf("result %v, %q, %v", code, info, err)
		}
		var data []byte
		err = c.ReadData(t.Context(), 100, time.Second, time.Second, func(p []byte) bool { data = append(data, p...); return true })
		if err != nil || string(data) != "OK\r\n\x10" {
			t.Fatalf("data %q, %v", data, err)
		}
		if code, _, err := c.Result(t.Context(), time.Second); code != OK || err != nil {
			t.Fatalf("result behind the data %v, %v", code, err)
		}
	})
}

func TestConnLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, modem := dialogue(t)
		start := time.Now()
		if _, err := c.Line(t.Context(), 3*time.Second); !errors.Is(err, ErrTimeout) || time.Since(start) != 3*time.Second {
			t.Errorf("silence: %v after %v", err, time.Since(start))
		}
		go modem.Write(bytes.Repeat([]byte("x"), 500))
		if err := c.ReadData(t.Context(), 400, time.Second, time.Minute, func([]byte) bool { return true }); !errors.Is(err, ErrTooMuch) {
			t.Errorf("too much data: %v", err)
		}
		go modem.Write(bytes.Repeat([]byte("junk\r\n"), maxAnswers+1))
		if _, _, err := c.Result(t.Context(), time.Second); !errors.Is(err, ErrTooMuch) {
			t.Errorf("endless answer: %v", err)
		}
		if err := c.Drain(t.Context(), 100*time.Millisecond); err != nil {
			t.Errorf("drain: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Line(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

func TestConnStuckWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, modem := dialogue(t) // nobody reads the modem's end
		for range 2 {
			if err := c.Command(t.Context(), "AT", time.Second); !errors.Is(err, ErrTimeout) {
				t.Fatalf("stuck port: %v", err)
			}
		}
		got := make(chan []byte)
		go func() {
			b := make([]byte, 8)
			io.ReadFull(modem, b)
			got <- b
		}()
		if err := c.Command(t.Context(), "ATZZ", time.Second); err != nil {
			t.Fatalf("port that moves again: %v", err)
		}
		if b := <-got; string(b) != "AT\rATZZ\r" {
			t.Errorf("the modem got %q", b)
		}
	})
}

func TestConnEndsWithThePort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, modem := dialogue(t)
		go modem.Close()
		if _, err := c.Line(t.Context(), time.Hour); !errors.Is(err, io.EOF) {
			t.Errorf("lost port: %v", err)
		}
		c.Close()
		c.Close()
		if err := c.Command(t.Context(), "AT", time.Hour); !errors.Is(err, ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}

func TestModulations(t *testing.T) {
	for r := line.V27ter2400; r <= line.V17x14400; r++ {
		for _, short := range []bool{false, true} {
			trait, ok := ForRate(r, short)
			if !ok || trait.Rate != r || trait.Short != (short && r.V17()) {
				t.Errorf("ForRate(%v, %v) = %+v, %v", r, short, trait, ok)
			}
			if back, ok := trait.Code.Trait(); !ok || back != trait {
				t.Errorf("modulation %d is %+v, want %+v", trait.Code, back, trait)
			}
		}
	}
	if _, ok := ForRate(line.V21, false); ok {
		t.Error("V.21 counts as a modulation for images")
	}
}
