package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/modem/t4"
)

// last is the object on the last line that a run has printed.
func last(t *testing.T, out string) (r result) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	d := json.NewDecoder(strings.NewReader(lines[len(lines)-1]))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		t.Fatalf("the last line is no result: %v\n%s", err, out)
	}
	return r
}

func TestRun(t *testing.T) {
	met, missed := atLeast("fast", 3, 2), atMost("large", 5, 4)
	for _, c := range []struct {
		name string
		bars []bar
		err  error
		exit int
	}{
		{"met", []bar{met, atLeast("just", 2, 2), atMost("none", 0, 0)}, nil, exitMet},
		{"missed", []bar{met, missed}, nil, exitMissed},
		{"failed", nil, errors.New("no disk"), exitUnmeasured},
	} {
		var given []string
		all := map[string]bench{"this": func(args []string, _ io.Writer) ([]bar, error) {
			given = args
			return c.bars, c.err
		}}
		var out, errs bytes.Buffer
		if exit := run(all, []string{"this", "-a", "--json", "b"}, &out, &errs); exit != c.exit {
			t.Errorf("%s: exit status %d, want %d", c.name, exit, c.exit)
		}
		if strings.Join(given, " ") != "-a b" {
			t.Errorf("%s: the bench is given %q", c.name, given)
		}
		r := last(t, out.String())
		if r.Bench != "this" || r.OK != (c.exit == exitMet) || len(r.Bars) != len(c.bars) || (r.Error != "") != (c.err != nil) {
			t.Errorf("%s: %+v", c.name, r)
		}
		if c.err != nil && !strings.Contains(errs.String(), "no disk") {
			t.Errorf("%s: it is not said why: %q", c.name, errs.String())
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"nonsense"}, {"-json"}} {
		var out, errs bytes.Buffer
		if exit := run(benches(), args, &out, &errs); exit != exitUnmeasured || !strings.Contains(errs.String(), "codec") {
			t.Errorf("%q: exit status %d, %q", args, exit, errs.String())
		}
	}
}

// TestNothingToMeasure: what is missing is named.
func TestNothingToMeasure(t *testing.T) {
	t.Setenv("FAXMESH_CONFORMANCE", t.TempDir())
	if _, err := codec(nil, io.Discard); err == nil || !strings.Contains(err.Error(), "FAXMESH_CONFORMANCE") {
		t.Errorf("without charts: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := startLibtiff(t.TempDir()); err == nil || !strings.Contains(err.Error(), "install gcc") {
		t.Errorf("without a compiler: %v", err)
	}
	if _, err := codec([]string{"-rounds", "0"}, io.Discard); err == nil {
		t.Error("0 rounds are taken")
	}
}

// TestCodec runs the whole bench, briefly, on charts that are made here. How
// fast it is this test does not say: the machine has other things to do.
func TestCodec(t *testing.T) {
	if err := canBuild(t.TempDir()); err != nil {
		if os.Getenv("FAXMESH_REQUIRE_PEERS") == "1" {
			t.Fatalf("libtiff-dev and gcc are required: %v", err)
		}
		t.Skipf("needs gcc and libtiff-dev: %v", err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "charts"), 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range charts {
		page := t4.NewBitmap(1000+i, 60)
		for y := range page.Height {
			page.Row(y)[(y*(i+3))%(page.Stride-1)] = byte(y) << 4
		}
		data := append(fmt.Appendf(nil, "P4\n%d %d\n", page.Width, page.Height), page.Pix...)
		if err := os.WriteFile(filepath.Join(dir, "charts", fmt.Sprintf("itu%d.pbm", i+1)), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("FAXMESH_CONFORMANCE", dir)
	var out bytes.Buffer
	bars, err := codec([]string{"-rounds", "1", "-slice", "1ms"}, &out)
	if err != nil {
		t.Fatal(err)
	}
	held := map[string]bar{}
	for _, b := range bars {
		held[b.Name] = b
	}
	for _, task := range tasks {
		name := task.String() + ", allocations per row"
		if b, ok := held[name]; !ok || !b.OK {
			t.Errorf("%s: %+v", name, b)
		}
		if b, ok := held[task.String()+", times libtiff"]; ok != task.barred || ok && b.Value <= 0 {
			t.Errorf("%v: %+v", task, b)
		}
	}
	for _, want := range []string{"faxmesh", "libtiff", "x/image", "MMR decode"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table does not have %q:\n%s", want, &out)
		}
	}
}

// canBuild reports what is missing to measure libtiff.
func canBuild(dir string) error {
	if _, err := exec.LookPath("gcc"); err != nil {
		return err
	}
	l, err := startLibtiff(dir)
	if err != nil {
		return err
	}
	return l.Close()
}
