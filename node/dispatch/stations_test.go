package dispatch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/station"
	"github.com/faxmesh/faxmesh/modem/status"
)

func TestStationsAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stations.json")
	open := func() *stations {
		t.Helper()
		s, err := openStations(path)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	k := station.Known{Can: "00ae8044", V17: station.Trouble{Count: 2, Last: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}}
	s := open()
	if err := s.learn("1", k, 1); err != nil {
		t.Fatal(err)
	}
	if err := s.learn("1", station.Known{}, 2); err != nil { // a call that taught nothing
		t.Fatal(err)
	}
	if s = open(); s.of("1") != k || s.of("2") != (station.Known{}) {
		t.Errorf("kept are %+v and %+v", s.of("1"), s.of("2"))
	}

	// What is known already is not written again.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := s.learn("1", k, 3); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file was written for nothing: %v", err)
	}
}

func TestStationsAreBounded(t *testing.T) {
	s, err := openStations(filepath.Join(t.TempDir(), "stations.json"))
	if err != nil {
		t.Fatal(err)
	}
	long := station.Known{Can: strings.Repeat("ff", 16), Rate: line.V17x14400, Start: line.V17x14400}
	at := station.Trouble{Count: 100, Last: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	long.Slow, long.V17, long.ECM, long.MMR, long.MR, long.RTN = at, at, at, at, at, at
	for i := range maxStations {
		n := fmt.Sprintf("%020d", i)
		s.known[n] = learnt{Number: n, At: fax.Millis(1000 + i), Known: long}
	}
	s.known["00000000000000000007"] = learnt{Number: "00000000000000000007", At: 1, Known: long} // the oldest
	if err := s.learn("new", long, 99999); err != nil {
		t.Fatal(err)
	}
	if len(s.known) != maxStations || s.of("new") != long || s.of("00000000000000000007") == long {
		t.Errorf("%d are known; the new one %v, the oldest %v", len(s.known), s.of("new") == long, s.of("00000000000000000007") == long)
	}
	back, err := openStations(s.path)
	if err != nil || len(back.known) != maxStations {
		t.Errorf("%d are read back: %v", len(back.known), err)
	}
}

// A file that cannot be read costs what was known, nothing else.
func TestStationsFileIsDamaged(t *testing.T) {
	for name, data := range map[string]string{
		"half":      `[{"number":"1","known":{"can":"00`,
		"other":     `{"number":"1"}`,
		"nonsense":  "\x00\xff",
		"too large": "[" + strings.Repeat(" ", maxStationsFile) + "]",
	} {
		path := filepath.Join(t.TempDir(), "stations.json")
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := openStations(path)
		if err == nil || len(s.known) != 0 {
			t.Errorf("%s: %d known, %v", name, len(s.known), err)
		}
		k := station.Known{Rate: line.V29x9600}
		if err := s.learn("1", k, 1); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if s, err = openStations(path); err != nil || s.of("1") != k {
			t.Errorf("%s: not replaced: %v", name, err)
		}
	}
	dir := t.TempDir() // a directory in its place: nothing can be written
	s, err := openStations(dir)
	if err == nil || s.learn("1", station.Known{Rate: 1}, 1) == nil {
		t.Error("a directory was taken for the file")
	}
	if s.of("1").Rate != 1 {
		t.Error("what cannot be written is not known either")
	}
}

// What the first call has taught is known to the second, after a restart, too,
// and to calls to that number alone.
func TestCallsKnowWhatWasLearnt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		dir := t.TempDir()
		learnt := station.Known{Can: "00ae8044", MMR: station.Trouble{Count: 1, Last: time.Now().UTC().Truncate(time.Second)}}
		given := make(chan station.Known, 8)
		first := true
		dial := func(ctx context.Context, l, job string, out modem.Outgoing) modem.Report {
			given <- out.Known
			if first { // there is one line: calls follow each other
				first = false
				return modem.Report{Status: status.Disconnected, Known: learnt}
			}
			return sends(ctx, l, job, out)
		}
		s := c.serve("south", true, dir, dial)
		c.submit("j1", "+49 (89) 1234", 1)
		if k := <-given; k != (station.Known{}) {
			t.Errorf("the first call knows %+v", k)
		}
		time.Sleep(time.Second)
		s.close()
		s = c.serve("south", true, dir, dial)
		defer s.close()
		if k := <-given; k != learnt {
			t.Errorf("the second call knows %+v, want %+v", k, learnt)
		}
		c.submit("j2", "0891235", 1)
		if k := <-given; k != (station.Known{}) {
			t.Errorf("a call to another number knows %+v", k)
		}
		time.Sleep(time.Minute)
		if c.job("j1").State != fax.Done || c.job("j2").State != fax.Done {
			t.Errorf("ended %v, %v", c.job("j1").State, c.job("j2").State)
		}
	})
}
