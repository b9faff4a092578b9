package lab

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/modem/line"
)

func TestWeather(t *testing.T) {
	w := Weather{Delay: 300 * time.Millisecond, Loss: 8, Noise: -50, Echo: 25, EchoDelay: 30 * time.Millisecond,
		Slip: 40000, DropEvery: 8 * time.Second, DropFor: 20 * time.Millisecond, Cut: 20 * time.Second}
	want := []string{"--delay=300", "--loss=8", "--noise=-50", "--echo=25,30", "--slip=40000", "--drop=8,20", "--cut=20"}
	if got := w.args(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := (Weather{}).args(); got != nil {
		t.Errorf("a good line is %q", got)
	}
}

func TestParseCall(t *testing.T) {
	got, ok := parseCall("CALL from=1 to=2 dialed=5552 result=released-by-caller talk=36.28 offhook=38.30")
	want := Call{From: 1, To: 2, Result: "released-by-caller", Talk: 36280 * time.Millisecond, OffHook: 38300 * time.Millisecond}
	if !ok || got != want {
		t.Errorf("%+v, %v", got, ok)
	}
	if _, ok := parseCall("CALL from=1"); ok {
		t.Error("half a record was taken")
	}
}

func TestReadJob(t *testing.T) {
	if got := readJob("state:7\nnpages:5\ntotpages:5\nstatus:\n"); !got.OK || got.Pages != 5 {
		t.Errorf("a job that is done: %+v", got)
	}
	got := readJob("state:8\nnpages:1\nstatus:No response to MPS or EOP repeated 3 tries\\\n and more\n")
	if got.OK || got.Pages != 1 || got.Why != "No response to MPS or EOP repeated 3 tries\\" {
		t.Errorf("a job that failed: %+v", got)
	}
}

func TestSpoken(t *testing.T) {
	log := "x: USE 14400 bit/s\nx: USE error correction mode\nx: USE 2-D MMR\n"
	if got, want := spoken(log), (Mode{true, "MMR", line.V17x14400}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	log += "x: USE 9600 bit/s\nx: USE no error correction mode\nx: USE 1-D MH\n"
	if got, want := spoken(log), (Mode{false, "MH", line.V29x9600}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestTransfers: the records of other lines do not count, and the call is over
// with its own last one alone.
func TestTransfers(t *testing.T) {
	record := func(kind, device, reason string) string {
		return "11/23/26 17:46\t" + kind + "\t\t" + device + "\t\"recvq/none.tif\"\t\t\"fax\"\t\"l\"\t\"t\"\t0\t1\t0:10\t0:08\t\"" + reason + "\"\t\"\"\t\"\"\t\"\"\t\"\"\t\"\"\n"
	}
	r := &hylaReception{line: &HylaLine{device: "ttyA2"}}
	if _, over := r.read(record("CALL", "ttyA1", "")); over {
		t.Error("the end of another line's call was taken")
	}
	if got, over := r.read(record("CALL", "ttyA2", "T.30 T1 timeout")); !over || got.OK || got.Why != "T.30 T1 timeout" {
		t.Errorf("a call without a document: %+v, %v", got, over)
	}
	if got, over := r.read(record("RECV", "ttyA2", "")); over || got.OK {
		t.Errorf("a document that cannot be read: %+v, %v", got, over)
	}
}

// TestFiles: everything is put back, by the run itself or by the next one.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	there, fresh := filepath.Join(dir, "config"), filepath.Join(dir, "config.ttyA1")
	if err := os.WriteFile(there, []byte("theirs"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, after := range []func(f *files) error{
		(*files).restore,
		func(*files) error { return (&files{}).recover(dir) },
	} {
		f := &files{}
		for _, name := range []string{there, there, fresh} { // twice: the first is what was there
			if err := f.write(name, mark+"ours", 0o600, false); err != nil {
				t.Fatal(err)
			}
		}
		if info, err := os.Stat(there); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("written as %v, %v", info.Mode(), err)
		}
		if err := after(f); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(there); err != nil || string(text) != "theirs" {
			t.Errorf("afterwards it is %q, %v", text, err)
		}
		if left, _ := os.ReadDir(dir); len(left) != 1 {
			t.Errorf("left behind: %v", left)
		}
	}
}
