package replica

import (
	"bytes"
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

func TestLacking(t *testing.T) {
	for _, c := range []struct {
		copies, holders, away int
		owed                  bool
		want                  int
	}{
		{1, 0, 0, false, 0},
		{2, 1, 0, false, 0},
		{2, 0, 0, false, 1},
		{2, 0, 1, false, 0}, // the other copy may come back
		{2, 0, 1, true, 1},  // there is no other copy
		{3, 0, 1, false, 1},
		{3, 1, 3, false, 0},
		{3, 5, 0, false, 0},
		{3, 0, 0, true, 2},
	} {
		if got := lacking(c.copies, c.holders, c.away, c.owed); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

// A member that is away counts as a holder for a while, then as lost; one that
// is removed at once.
func TestAbsent(t *testing.T) {
	members := []string{"south", "west", "east"}
	r := &Replica{cfg: Config{Members: func() []string { return members }}, rounds: newRounds()}
	begin := time.Unix(1_000_000, 0)
	for _, c := range []struct {
		after  time.Duration
		others string
		want   int
	}{
		{0, "south west east", 0},
		{time.Minute, "south", 2},
		{2 * time.Minute, "south east", 1},
		{10 * time.Minute, "south", 2}, // east is away again, and its time begins anew
		{AwayTime + time.Minute, "south", 1},
		{AwayTime + 10*time.Minute, "south", 0},
		{AwayTime + 11*time.Minute, "", 1},
	} {
		if got := r.absent(strings.Fields(c.others), begin.Add(c.after)); got != c.want {
			t.Errorf("after %v with %q: %d away, want %d", c.after, c.others, got, c.want)
		}
	}
	members = []string{"west"}
	if got := r.absent([]string{"west"}, begin.Add(time.Hour)); got != 0 {
		t.Errorf("%d removed members are away", got)
	}
}

// wait lets the background work go on until something is so.
func wait(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

// A damaged copy is found by the search for damage, put on record and replaced
// by another node's; what no record names is not fetched; the last copy is told
// to be lost.
func TestScrubReplacesDamage(t *testing.T) {
	w := newTown()
	w.settle(t, 2, "north", "south")
	north := w.nodes["north"]
	put := func(content string, copies int) string {
		doc, err := north.cfg.Store.Put(strings.NewReader(content))
		if err == nil && copies > 1 {
			err = north.send(t.Context(), "south", doc, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		w.needed[doc.Hash] = content != "unnamed"
		w.mu.Unlock()
		return doc.Hash
	}
	good, bad, unnamed, last := put("good", 2), put("bad", 2), put("unnamed", 2), put("last", 1)
	for _, hash := range []string{bad, unnamed, last} {
		if err := os.WriteFile(filepath.Join(north.dir, hash[:2], hash[2:4], hash), []byte("rotten"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := north.scrub(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	want := []string{"document-damaged " + bad, "document-damaged " + unnamed, "document-damaged " + last, "document-lost " + last}
	slices.Sort(want)
	wait(t, "the alarms", func() bool { return len(north.alarmed()) == len(want) })
	got := north.alarmed()
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("alarms %q, want %q", got, want)
	}
	wait(t, "the copy", func() bool { return north.cfg.Store.Has(bad) })
	if r, err := north.cfg.Store.Open(bad); err != nil {
		t.Error(err)
	} else if content, err := io.ReadAll(r); string(content) != "bad" || err != nil {
		t.Errorf("%q, %v", content, err)
	}
	if !north.cfg.Store.Has(good) || north.cfg.Store.Has(unnamed) || north.cfg.Store.Has(last) {
		t.Error("good is gone, or what cannot or need not be had is there")
	}
}

// A node whose disk is full takes no copy; the next one does, and it keeps what
// it has.
func TestFullNodeTakesNoCopies(t *testing.T) {
	w := newTown()
	w.settle(t, 2, "north", "south", "west")
	w.nodes["south"].full.Store(true)
	for i := range 10 {
		doc, copies, err := w.nodes["north"].Put(t.Context(), strings.NewReader(strings.Repeat("x", i)))
		if err != nil || copies != 2 {
			t.Fatal(copies, err)
		}
		if h := w.holders(doc.Hash); !slices.Equal(h, []string{"north", "west"}) {
			t.Errorf("held by %v", h)
		}
	}
	w.nodes["west"].full.Store(true)
	if _, copies, err := w.nodes["north"].Put(t.Context(), strings.NewReader("y")); err != nil || copies != 1 {
		t.Errorf("all others are full: %d copies, %v", copies, err)
	}
	if _, copies, err := w.nodes["north"].Put(t.Context(), strings.NewReader("xxx")); err != nil || copies != 2 {
		t.Errorf("a document that west has: %d copies, %v", copies, err)
	}
}

// A copy that a node has counts only if it is whole.
func TestDamagedCopyIsSentAgain(t *testing.T) {
	w := newTown()
	w.settle(t, 2, "north", "south")
	doc, _, err := w.nodes["north"].Put(t.Context(), strings.NewReader("a page"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(w.nodes["south"].dir, doc.Hash[:2], doc.Hash[2:4], doc.Hash)
	if err := os.WriteFile(file, []byte("a pagE"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, copies, err := w.nodes["north"].Put(t.Context(), strings.NewReader("a page")); err != nil || copies != 2 {
		t.Fatal(copies, err)
	}
	if got, err := os.ReadFile(file); string(got) != "a page" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// Repair keeps to its pace, and what it sends is whole.
func TestSlowed(t *testing.T) {
	content := make([]byte, 3*rateBurst)
	rand.Read(content)
	pace := rate.NewLimiter(rate.Inf, rateBurst)
	got, err := io.ReadAll(&slowed{t.Context(), bytes.NewReader(content), pace})
	if err != nil || !bytes.Equal(got, content) {
		t.Error(len(got), err)
	}
	none := rate.NewLimiter(0, 10)
	if n, err := (&slowed{t.Context(), bytes.NewReader(content), none}).Read(content); n != 0 || err == nil {
		t.Errorf("%d octets faster than the pace, %v", n, err)
	}
}
