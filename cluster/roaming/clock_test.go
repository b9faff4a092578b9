package roaming

import (
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// TestClockAhead: what a clock far ahead has stamped is taken in nowhere; when
// the clock is right it is stamped anew, on all nodes that had it.
func TestClockAhead(t *testing.T) {
	a, b := pair(t)
	far := noon.AddDate(12, 0, 0)
	write(t, b, noon, "1", "name", "good")
	pull(t, a, b, noon)
	write(t, a, noon, "0", "name", "before")
	news := write(t, a, far, "1", "name", "bad")
	write(t, b, far, "2", "name", "of the other")
	pull(t, a, b, far)
	c := nodeAt(t, t.TempDir(), "west")
	defer c.Close()
	if fits, _, err := c.Hear(noon, news); fits || err != nil {
		t.Fatalf("news fits a node that lacks what was before: %v", err)
	}
	pull(t, c, a, noon)
	if fits, m, err := c.Hear(noon, news); fits || err != nil || len(m.Held) != 1 || len(m.Changed) > 0 {
		t.Fatalf("%v, %v, %v", fits, m, err)
	}
	if fields(t, c, "0")["name"] != "before" || fields(t, c, "1")["name"] == "bad" {
		t.Error("the wrong record is held")
	}
	for _, s := range []*Store{a, b} {
		if is, err := s.Ahead(noon); !is || err != nil {
			t.Errorf("the clock is not seen to be ahead: %v", err)
		}
		if err := s.Settle(noon); err != nil {
			t.Fatal(err)
		}
		if is, _ := s.Ahead(noon); is {
			t.Error("it is still ahead")
		}
	}
	write(t, c, noon.Add(time.Second), "1", "fax", "3")
	for range 2 {
		for _, s := range []*Store{a, b, c} {
			for _, other := range []*Store{a, b, c} {
				pull(t, s, other, noon.Add(time.Second))
			}
		}
	}
	alike(t, a, b)
	alike(t, b, c)
	if got := fields(t, c, "1"); got["name"] != "bad" || got["fax"] != "3" || fields(t, a, "2")["name"] == "" {
		t.Errorf("what was written meanwhile is lost: %v", got)
	}
	write(t, b, noon.Add(2*time.Second), "1", "name", "corrected")
	pull(t, a, b, noon.Add(2*time.Second))
	if fields(t, a, "1")["name"] != "corrected" {
		t.Error("the wrong clock has won")
	}
}

// TestClockBehind: who edits what they see wins, whatever their clock says.
func TestClockBehind(t *testing.T) {
	a, b := pair(t)
	write(t, a, noon, "1", "name", "old")
	pull(t, b, a, noon)
	write(t, b, noon.AddDate(-30, 0, 0), "1", "name", "new")
	pull(t, a, b, noon)
	if fields(t, a, "1")["name"] != "new" {
		t.Error("the edit of a node whose clock is behind is lost")
	}
}

// TestDiskPutBack: a node whose file is an old copy uses no number twice for
// long, and gets back what it had written since.
func TestDiskPutBack(t *testing.T) {
	a, b := pair(t)
	write(t, a, noon, "1", "name", "n")
	old := filepath.Join(t.TempDir(), "north")
	if err := a.db.View(func(tx *bbolt.Tx) error { return tx.CopyFile(old, 0o600) }); err != nil {
		t.Fatal(err)
	}
	write(t, a, noon, "2", "name", "n")
	write(t, a, noon, "3", "name", "n")
	pull(t, b, a, noon)
	back, err := Open(old, "north")
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	if m := pull(t, back, b, noon); !m.Renewed {
		t.Error("it is not seen that the disk is an old one")
	}
	write(t, back, noon, "4", "name", "n")
	pull(t, b, back, noon)
	alike(t, b, back)
	if fields(t, b, "4")["name"] == "" {
		t.Error("what it writes does not arrive")
	}
}
