package cluster

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/diary"
	"github.com/faxmesh/faxmesh/cluster/journal"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

func noted(t *testing.T, object string) []byte {
	t.Helper()
	data, err := ledger.Encode(ledger.Note{Activity: fax.Activity{Who: "admin", Node: "north", What: "noted", Object: object}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// scribble opens a diary of north beside its own.
func (w *town) scribble(path string) *diary.Diary {
	w.t.Helper()
	d, err := diary.Open(path, "north", func(era string) (uint64, error) { return w.nodes["north"].Ledger().Imported("north", era) }, w.logger())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { d.Close() })
	return d
}

// tell imports a diary to its end.
func (w *town) tell(d *diary.Diary) {
	w.t.Helper()
	for {
		if _, pending := d.Pending(); len(pending) == 0 {
			return
		}
		if err := w.nodes["north"].importNext(patience(w.t), d); err != nil {
			w.t.Fatal(err)
		}
	}
}

// A ledger that was put back to a day before it had heard of something is told
// that again, once.
func TestLedgerOfAnEarlierDay(t *testing.T) {
	t.Parallel()
	w := found(t)
	d := w.scribble(filepath.Join(t.TempDir(), "diary"))
	for i := range 3 {
		if err := d.Append(noted(t, fmt.Sprint(i)), true); err != nil {
			t.Fatal(err)
		}
	}
	batch, _ := d.Batch(1)
	d.Taken(batch) // by the ledger that is no more
	if err := d.Append(noted(t, "3"), true); err != nil {
		t.Fatal(err)
	}
	w.tell(d)
	if n := w.recorded("noted"); n != 4 {
		t.Errorf("%d of 4 are on record", n)
	}
	if aside, _ := filepath.Glob(filepath.Join(w.dirs["north"], ownDir, "aside-*")); len(aside) != 0 {
		t.Errorf("%q was set aside", aside)
	}
}

// What cannot be imported at all is set aside, readable, and holds up nothing.
func TestSetAside(t *testing.T) {
	t.Parallel()
	w := found(t)
	path := filepath.Join(t.TempDir(), "diary")
	j, err := journal.Open(path, w.logger())
	if err != nil {
		t.Fatal(err)
	}
	for n, object := range []string{"second", "third"} { // the first is gone
		record := append([]byte("0123456789abcdef"), 0, 0, 0, 0, 0, 0, 0, byte(n+2))
		if err := j.Append(append(record, noted(t, object)...)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Append(append([]byte("0123456789abcdef"), 0, 0, 0, 0, 0, 0, 0, 4, 0xff)); err != nil {
		t.Fatal(err)
	}
	j.Close()
	d := w.scribble(path)
	w.tell(d)
	text, err := os.ReadFile(filepath.Join(w.dirs["north"], ownDir, "aside-0123456789abcdef.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(strings.TrimSpace(string(text)), "\n"); len(lines) != 3 || !strings.Contains(lines[0], `"command":"Note"`) ||
		!strings.Contains(lines[1], "third") || !strings.Contains(lines[2], `"octets":"ff"`) {
		t.Errorf("set aside: %s", text)
	}
	if err := d.Append(noted(t, "later"), true); err != nil {
		t.Fatal(err)
	}
	w.tell(d)
	waitFor(t, "that is on record", func() bool { return w.recorded("records-set-aside") == 1 })
	if n := w.recorded("noted"); n != 1 {
		t.Errorf("%d are on record", n)
	}
}

// What a node that does not come back alone has can be read.
func TestRecords(t *testing.T) {
	t.Parallel()
	w := found(t)
	north := w.nodes["north"]
	north.island.gate.Lock() // nothing is imported meanwhile
	for _, cmd := range sent("lost", "north") {
		data, err := ledger.Encode(cmd)
		if err != nil {
			t.Fatal(err)
		}
		if err := north.island.diary.Append(data, true); err != nil {
			t.Fatal(err)
		}
	}
	north.island.gate.Unlock()
	if err := north.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // nothing is changed by reading
		var out bytes.Buffer
		n, err := Records(w.dirs["north"], &out, w.logger())
		if err != nil || n != 4 {
			t.Fatalf("%d, %v", n, err)
		}
		var commands []string
		for lines := json.NewDecoder(&out); ; {
			var line struct {
				Number  uint64
				Command string
				Content struct{ Job json.RawMessage }
			}
			if err := lines.Decode(&line); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(line.Content.Job), `"lost"`) {
				t.Errorf("record %d does not tell its fax: %s", line.Number, line.Content.Job)
			}
			commands = append(commands, line.Command)
		}
		if !slices.Equal(commands, []string{"Submit", "Assign", "Progress", "Finish"}) {
			t.Errorf("%q", commands)
		}
	}
}
