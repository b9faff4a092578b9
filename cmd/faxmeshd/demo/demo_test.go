package demo

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// step is one line of the timeline as a script reads it.
type step struct {
	Millis *int64   `json:"t_ms"`
	Node   string   `json:"node"`
	Event  string   `json:"event"`
	OK     *bool    `json:"ok"`
	Via    string   `json:"via"`
	By     string   `json:"told_by"`
	Failed []string `json:"failed"`
}

// TestStory tells the story and reads its timeline, twice on one directory: a
// node must come up on what it left behind.
func TestStory(t *testing.T) {
	dir := t.TempDir()
	for round := range 2 {
		var out bytes.Buffer
		if err := Run(t.Context(), Options{Once: true, JSON: true, Speed: 40, Data: dir, Out: &out}); err != nil {
			t.Fatalf("round %d: %v\n%s", round, err, out.Bytes())
		}
		checkTimeline(t, out.Bytes())
	}
	for _, name := range []string{"north", "south", "west"} {
		if _, err := os.Stat(filepath.Join(dir, name, "cluster")); err != nil {
			t.Error(err)
		}
	}
}

func checkTimeline(t *testing.T, out []byte) {
	t.Helper()
	seen := map[string]int{}
	var last step
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		last = step{}
		if err := json.Unmarshal(lines.Bytes(), &last); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		if last.Millis == nil {
			t.Errorf("no time: %s", lines.Text())
		}
		seen[last.Event+" "+last.Node+" "+last.Via+" "+last.By]++
	}
	for _, want := range []string{"sent south callback south", "received west callback west", "ringing west  ", "failover south  ", "viewed south  "} {
		// The node that reception goes on at is either of the two that are left.
		if seen[want] != 1 && want != "failover south  " || seen["failover south  "]+seen["failover west  "] != 1 {
			t.Errorf("%q stands on the timeline %d times, want once", want, seen[want])
		}
	}
	if last.Event != "done" || last.OK == nil || !*last.OK {
		t.Errorf("the last line is %+v", last)
	}
}

// TestUntrueStory: what does not hold is told, and makes the demo fail.
func TestUntrueStory(t *testing.T) {
	var out bytes.Buffer
	line := newTimeline(&out, true)
	line.check(1 > 2, "one is more than %d", 2)
	if failed := line.done(); len(failed) != 1 || failed[0] != "one is more than 2" {
		t.Errorf("failed: %q", failed)
	}
	if !bytes.Contains(out.Bytes(), []byte(`"ok":false`)) {
		t.Errorf("the last line does not say that it failed: %s", out.Bytes())
	}
}
