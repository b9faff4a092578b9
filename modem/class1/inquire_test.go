package class1

import (
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/modem/line"
)

func TestProbe(t *testing.T) {
	const wake = "\x10\x03\x18\r"
	start := script{{wake + "AT\r", "\r\nOK\r\n"}, {wake, ""}, {"ATZ\r", "\r\nOK\r\n"}, {"ATE0V1Q0\r", "\r\nOK\r\n"}}
	names := script{{"AT+FMI?\r", "\r\nACME\r\n\r\nOK\r\n"}, {"AT+FMM?\r", "\r\nERROR\r\n"}, {"AT+FMR?\r", "\r\n1.5\r\n\r\nOK\r\n"}}
	low := []line.Rate{line.V27ter2400, line.V27ter4800}
	for name, tt := range map[string]struct {
		steps script
		want  Description
		class string
	}{
		"class 1": {slices.Concat(script{{"AT+FCLASS=?\r", "\r\n0,1,1.0,2,8\r\n\r\nOK\r\n"}, {"AT+FCLASS=1\r", "\r\nOK\r\n"}, {"AT+FAR=1\r", "\r\nOK\r\n"}},
			names, script{{"AT+FTM=?\r", "\r\n24,48\r\n\r\nOK\r\n"}, {"AT+FRM=?\r", "\r\n(24,48)\r\n\r\nOK\r\n"}, {"AT+FCLASS=0\r", "\r\nOK\r\n"}}),
			Description{"ACME, 1.5", []string{"0", "1", "1.0", "2", "8"}, low, low, true}, "1"},
		"class 1.0 alone": {slices.Concat(script{{"AT+FCLASS=?\r", "\r\n(0,1.0)\r\n\r\nOK\r\n"}, {"AT+FCLASS=1.0\r", "\r\nOK\r\n"}, {"AT+FAR=1\r", "\r\nERROR\r\n"}},
			names, script{{"AT+FTM=?\r", "\r\n24\r\n\r\nOK\r\n"}, {"AT+FRM=?\r", "\r\n24,48\r\n\r\nOK\r\n"}, {"AT+FCLASS=0\r", "\r\nOK\r\n"}}),
			Description{"ACME, 1.5", []string{"0", "1.0"}, low[:1], low, false}, "1.0"},
		"class 2 alone": {slices.Concat(script{{"AT+FCLASS=?\r", "\r\n0,2\r\n\r\nOK\r\n"}}, names),
			Description{Identity: "ACME, 1.5", Classes: []string{"0", "2"}}, ""},
		"no fax": {slices.Concat(script{{"AT+FCLASS=?\r", "\r\nERROR\r\n"}}, names), Description{Identity: "ACME, 1.5"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				port, done := play(t, slices.Concat(start, tt.steps))
				defer done()
				got, err := Probe(t.Context(), port, Config{})
				if err != nil || got.Class() != tt.class || got.Identity != tt.want.Identity || got.Adaptive != tt.want.Adaptive ||
					!slices.Equal(got.Classes, tt.want.Classes) || !slices.Equal(got.Sends, tt.want.Sends) || !slices.Equal(got.Receives, tt.want.Receives) {
					t.Errorf("%+v, %v", got, err)
				}
			})
		})
	}
}

func TestProbeOfSilence(t *testing.T) {
	for name, modem := range map[string]func(net.Conn){
		"silent": func(c net.Conn) { io.Copy(io.Discard, c) },
		"stuck":  func(net.Conn) {},
		"echo":   func(c net.Conn) { io.Copy(c, c) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				host, end := net.Pipe()
				go modem(end)
				begun := time.Now()
				if _, err := Probe(t.Context(), host, Config{}); !errors.Is(err, ErrSilent) {
					t.Error(err)
				}
				if took := time.Since(begun); took > 4*time.Second {
					t.Errorf("took %v", took)
				}
				end.Close()
			})
		})
	}
}

func TestClasses(t *testing.T) {
	for text, want := range map[string]string{
		"0,1,1.0,2": "0 1 1.0 2", "(0,1,2.0)": "0 1 2.0", "(0-2,8)": "0 1 2 8", "0-99999": "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15", "-,x,1-": "",
	} {
		if got := strings.Join(parseClasses(text), " "); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// Class 1.0, a dial prefix and commands that the modem may refuse.
func TestConfiguredModem(t *testing.T) {
	steps := opening()
	steps[3].expect = "AT+FCLASS=1.0\r"
	steps = slices.Insert(steps, 6, script{{"ATM0\r", "\r\nOK\r\n"}, {"AT+FLO=2\r", "\r\nERROR\r\n"}}...)
	synctest.Test(t, func(t *testing.T) {
		port, done := play(t, append(steps, script{{classQuery, classAnswer}, {"ATDP0,1\r", "\r\nBUSY\r\n"}}...))
		defer done()
		p, err := Open(t.Context(), port, Config{Class: "1.0", Init: []string{"ATM0"}, Prefer: []string{"AT+FLO=2"}, Dial: "P0,"})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if _, err := p.Dial(t.Context(), "1"); err == nil {
			t.Error("a busy line answers")
		}
	})
}
