//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/test/interop/lab"
)

const testSpeed = 4

// skip skips the test, saying why; where peers are required it fails instead.
func skip(t *testing.T, why error) {
	t.Helper()
	if os.Getenv("FAXMESH_REQUIRE_PEERS") == "1" {
		t.Fatal(why)
	}
	t.Skipf("skipped: it calls other people's programs: %v", why)
}

func needPeers(t *testing.T, programs ...string) {
	t.Helper()
	if missing := lab.Missing(programs...); missing != nil {
		skip(t, fmt.Errorf("not installed: %s", strings.Join(missing, ", ")))
	}
}

// TestPeers makes a call of each kind that the programs can make with each
// other at the speed of the fastest modem, all at once.
func TestPeers(t *testing.T) {
	needPeers(t, "gs", "efax")
	ecm, plain := lab.Mode{ECM: true, Coding: "MMR", Rate: line.V17x14400}, lab.Mode{Coding: "MH", Rate: line.V17x14400}
	callPeers(t, []row{
		{from: faxmesh, to: faxmesh, mode: ecm, pages: 2},
		{from: faxmesh, to: efax, mode: plain, pages: 1},
		{from: efax, to: faxmesh, mode: plain, pages: 1},
		{from: faxmesh, to: faxmesh, mode: ecm, pages: 1, weather: weather{"cut at 20 s", lab.Weather{Cut: 20 * time.Second}, false}},
	})
}

// TestHylaFAX sets HylaFAX up in the system's directories, if only for its own
// time: it does so where it is asked for and nowhere else.
func TestHylaFAX(t *testing.T) {
	if os.Getenv("FAXMESH_REQUIRE_PEERS") != "1" {
		t.Skip("skipped: it changes the system's HylaFAX; FAXMESH_REQUIRE_PEERS=1 asks for it")
	}
	needPeers(t, "gs")
	if err := lab.MissingHylaFAX(); err != nil {
		skip(t, err)
	}
	ecm := lab.Mode{ECM: true, Coding: "MMR", Rate: line.V17x14400}
	callPeers(t, []row{
		{from: faxmesh, to: hylafax, mode: ecm, pages: 1},
		{from: hylafax, to: faxmesh, mode: ecm, pages: 1},
	})
}

// callPeers makes the calls at once, for they do little but wait.
func callPeers(t *testing.T, rows []row) {
	f, err := furnish(t.Context(), rows)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	verdicts := make([]verdict, len(rows))
	var calls sync.WaitGroup
	for i, r := range rows {
		calls.Go(func() {
			l, err := f.open(batch{speed: testSpeed, rows: []row{r}}, fmt.Sprint(50+i))
			if err != nil {
				verdicts[i].wrong = err.Error()
				return
			}
			defer l.close()
			verdicts[i] = l.call(t.Context(), r)
		})
	}
	calls.Wait()
	for i, r := range rows {
		v := verdicts[i]
		t.Logf("%s %.1f s off hook; %s", r, v.offHook.Seconds(), v.note)
		if v.wrong != "" {
			t.Errorf("%s: %s\n== %s\n%s\n== %s\n%s", r, v.wrong, r.from, v.sent.Log, r.to, v.received.Log)
		}
		if r.weather.Cut > 0 && (v.sent.OK || v.received.OK) {
			t.Errorf("a call that was cut succeeded: sender %v, receiver %v", v.sent.OK, v.received.OK)
		}
	}
}

// TestNobodyThere: what the exchange says of a number reaches the report.
func TestNobodyThere(t *testing.T) {
	needPeers(t)
	dir := t.TempDir()
	program, err := lab.Build(dir)
	if err != nil {
		t.Fatal(err)
	}
	x, err := lab.StartExchange(lab.Plan{Program: program, Dir: dir, Lines: 1, Prefix: "555", Speed: testSpeed})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	m, err := (&lab.Faxmesh{Terminal: x.Terminal(1), Speed: testSpeed}).Open(ctx, modem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	page, err := lab.ReadTIFF("../../cmd/faxmeshd/demo/referral.tif")
	if err != nil {
		t.Fatal(err)
	}
	if report := m.Send(ctx, modem.Outgoing{Number: x.Number(90), Pages: page}); report.Status != status.Busy {
		t.Errorf("a busy number: %v (%v)", report.Status, report.Err)
	}
	if report := m.Send(ctx, modem.Outgoing{Number: x.Number(77), Pages: page}); report.Status != status.NoAnswer {
		t.Errorf("a number that does not exist: %v (%v)", report.Status, report.Err)
	}
}

// TestExchangeRefuses: options that make no sense do not start an exchange.
func TestExchangeRefuses(t *testing.T) {
	needPeers(t)
	dir := t.TempDir()
	program, err := lab.Build(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"--lines=2"}, {"--directory", dir, "--lines=0"}, {"--directory", dir, "--echo=25"}, {"--directory", dir, "--delay=0"},
		{"--directory", dir, "--delay=9000"}, {"--directory", dir, "--drop=1,x"}, {"--directory", dir, "--number="}, {"--directory", dir, "extra"},
	} {
		if out, err := exec.Command(program, args...).CombinedOutput(); err == nil || !strings.Contains(string(out), "usage:") {
			t.Errorf("softexchange %v: %v\n%s", args, err, out)
		}
	}
}
