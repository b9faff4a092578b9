package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/settings"
	"github.com/faxmesh/faxmesh/cmd/terminal"
	"github.com/faxmesh/faxmesh/modem/exchange"
)

// twoLines is a node's directory with lines 0301 and 0302 on x.
func twoLines(t *testing.T, x *exchange.Exchange) (dir string) {
	t.Helper()
	addr := serveExchange(t, x)
	dir = t.TempDir()
	var text strings.Builder
	for n := 1; n <= 2; n++ {
		fmt.Fprintf(&text, "[LINE%d]\nTYPE=simulated\nDEVICE=exchange:%s\nNUMBER=03-0%d\n", n, addr, n)
	}
	file := filepath.Join(dir, settings.ServerFolder, settings.ServerFile)
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func linesTest(t *testing.T, ctx context.Context, args ...string) (out, errs string, err error) {
	t.Helper()
	var o, e bytes.Buffer
	a := &app{terminal.Terminal{Out: &o, Err: &e}}
	cmd := a.linesCommand()
	cmd.SetArgs(append([]string{"test"}, args...))
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err = cmd.ExecuteContext(ctx)
	return o.String(), e.String(), err
}

func TestOneLineCallsAnother(t *testing.T) {
	x := exchange.New(exchange.Config{Speed: 40, Seed: 2})
	defer x.Close()
	dir := twoLines(t, x)
	out, errs, err := linesTest(t, t.Context(), "line1", "LINE2", "--data", dir, "--json")
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	var r trialResult
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	// Dialling apart, a page like this one takes a third of a minute.
	if r.Seconds < 10 || r.Seconds > 60 {
		t.Errorf("it took %v s on the line", r.Seconds)
	}
	r.Seconds, r.Sentence = 0, ""
	want := trialResult{From: "line1", To: "line2", Dialled: "0302", Sent: "ok", Received: "ok",
		Rate: "V.17 14400", ECM: true, Coding: "MMR", Identical: true}
	if fmt.Sprint(r) != fmt.Sprint(want) {
		t.Errorf("%+v, want %+v", r, want)
	}
	out, _, err = linesTest(t, t.Context(), "line2", "line1", "--data", dir)
	if err != nil || !strings.Contains(out, "with error correction, MMR") || !strings.Contains(out, "as it was sent") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestLinesThatFailTheirTest(t *testing.T) {
	t.Run("nobody rings", func(t *testing.T) {
		x := exchange.New(exchange.Config{Speed: 40})
		defer x.Close()
		x.Reserve("0999", exchange.AlwaysBusy)
		out, _, err := linesTest(t, t.Context(), "line1", "line2", "--data", twoLines(t, x), "--dial", "0999", "--json")
		if terminal.Status(err) != terminal.Failure || !strings.Contains(err.Error(), "line2 did not ring") || !strings.Contains(out, `"sent":"busy","received":"no-ring"`) {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("cut", func(t *testing.T) {
		x := exchange.New(exchange.Config{Speed: 40, Conditions: exchange.Conditions{CutAfter: 12 * time.Second}})
		defer x.Close()
		_, errs, err := linesTest(t, t.Context(), "line1", "line2", "--data", twoLines(t, x))
		if terminal.Status(err) != terminal.Failure || !strings.Contains(err.Error(), "line-dropped") || !strings.Contains(errs, "dialogue of line2:") {
			t.Errorf("%v\n%s", err, errs)
		}
	})
	t.Run("no such modem", func(t *testing.T) {
		_, _, err := linesTest(t, t.Context(), "/dev/none1", "/dev/none2", "--dial", "1")
		if terminal.Status(err) != terminal.Failure || !strings.Contains(err.Error(), "/dev/none1: ") || !strings.Contains(err.Error(), "/dev/none2: ") {
			t.Errorf("%v", err)
		}
	})
	for name, args := range map[string][]string{
		"number unknown": {"/dev/none1", "/dev/none2"}, "itself": {"/dev/a", "/dev/a", "--dial", "1"}, "one line": {"/dev/a"},
	} {
		if _, _, err := linesTest(t, t.Context(), args...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
