package replica

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

func TestAges(t *testing.T) {
	a := ages{"old": 5 * time.Hour, "gone": time.Hour, "again": 23 * time.Hour, "ripe": Grace - time.Hour}
	a = a.grown(slices.Values([]string{"again", "new", "old", "ripe"}), []string{"again", "other"}, time.Hour)
	if want := (ages{"old": 6 * time.Hour, "new": 0, "again": 0, "ripe": Grace}); !maps.Equal(a, want) {
		t.Errorf("grown %v, want %v", a, want)
	}
	if got := a.ripe(Grace); !slices.Equal(got, []string{"ripe"}) {
		t.Error(got)
	}
	if got := a.ripe(AwayGrace); len(got) > 0 {
		t.Error(got)
	}
	many := ages{}
	for i := range 2 * maxRemove {
		many[fmt.Sprint(i)] = Grace
	}
	if got := many.ripe(Grace); len(got) != maxRemove {
		t.Errorf("%d at once", len(got))
	}
}

func docs(hashes string) iter.Seq2[fax.Document, error] {
	return func(yield func(fax.Document, error) bool) {
		for h := range strings.FieldsSeq(hashes) {
			if !yield(fax.Document{Hash: h}, nil) {
				return
			}
		}
	}
}

func names(hashes string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for h := range strings.FieldsSeq(hashes) {
			var err error
			if h == "broken" {
				err = errors.New(h)
			}
			if !yield(h, err) {
				return
			}
		}
	}
}

func TestWithout(t *testing.T) {
	for _, c := range []struct {
		have, named, want string
		fails             bool
	}{
		{"", "", "", false},
		{"a b c", "", "a b c", false},
		{"a b c", "a b c", "", false},
		{"b d", "a b c d e", "", false},
		{"a b c d", "b d", "a c", false},
		{"c d", "a b", "c d", false},
		{"a d", "b broken", "a", true}, // nothing may be taken for nameless behind it
	} {
		var failed error
		got := strings.Join(slices.Collect(without(docs(c.have), names(c.named), &failed)), " ")
		if got != c.want || (failed != nil) != c.fails {
			t.Errorf("%q without %q: %q, %v", c.have, c.named, got, failed)
		}
	}
}

// What no record names goes when its grace is over, and not before; what a
// record names, another node claims, or somebody has put again meanwhile stays.
func TestCollect(t *testing.T) {
	w := newTown()
	w.settle(t, 1, "north", "south")
	north := w.nodes["north"]
	put := func(content string) string {
		doc, _, err := north.Put(t.Context(), strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		return doc.Hash
	}
	named, orphan, again := put("named"), put("orphan"), put("put again")
	w.mu.Lock()
	w.needed[named] = true
	w.mu.Unlock()
	collect := func(step time.Duration) {
		t.Helper()
		if err := north.collect(t.Context(), step); err != nil {
			t.Error(err)
		}
	}
	there := func(when string, want ...string) {
		t.Helper()
		for _, hash := range []string{named, orphan, again} {
			if north.cfg.Store.Has(hash) != slices.Contains(want, hash) {
				t.Errorf("%s: %.8s is there: %v", when, hash, !slices.Contains(want, hash))
			}
		}
	}
	collect(time.Hour) // the first time is age 0
	collect(Grace - time.Minute)
	there("just before the end", named, orphan, again)
	put("put again")
	w.mu.Lock()
	w.refused = errors.New("no majority")
	w.mu.Unlock()
	if err := north.collect(t.Context(), time.Minute); err == nil {
		t.Error("removed without the majority")
	}
	there("without the majority", named, orphan, again)
	w.mu.Lock()
	w.refused, w.away = nil, []string{"west"}
	w.mu.Unlock()
	collect(time.Hour)
	there("while a member is away", named, orphan, again)
	w.mu.Lock()
	w.away = nil
	w.mu.Unlock()
	collect(0) // the ages are those of the file
	there("at the end", named, again)
	collect(Grace)
	there("later", named)
}

// Another node's record keeps a document, as does a node that does not say.
func TestCollectAsksTheOthers(t *testing.T) {
	w := newTown()
	w.settle(t, 1, "north", "south")
	north, south := w.nodes["north"], w.nodes["south"]
	doc, _, err := north.Put(t.Context(), strings.NewReader("a page"))
	if err != nil {
		t.Fatal(err)
	}
	south.claims.Store(true)
	north.cfg.Store.Touched()
	for range 3 {
		if err := north.collect(t.Context(), Grace); err != nil {
			t.Fatal(err)
		}
	}
	if !north.cfg.Store.Has(doc.Hash) {
		t.Error("it was removed though a record of south names it")
	}
	south.listen.Close() // others still take it for alive
	south.Close()
	var failure error
	for range 3 {
		failure = north.collect(t.Context(), Grace)
	}
	if failure == nil || !north.cfg.Store.Has(doc.Hash) {
		t.Errorf("removed without an answer from south: %v", failure)
	}
	w.mu.Lock()
	delete(w.nodes, "south")
	w.mu.Unlock()
	if err := north.collect(t.Context(), Grace); err != nil || north.cfg.Store.Has(doc.Hash) {
		t.Errorf("south is a member no more: %v", err)
	}
}

// The file of ages survives a restart; one that is damaged costs only time.
func TestAgesFile(t *testing.T) {
	path := t.TempDir() + "/ages.json"
	if a, err := loadAges(path); err != nil || len(a) > 0 {
		t.Error(a, err)
	}
	hash := strings.Repeat("ab", 32)
	if err := saveAges(path, ages{hash: 100 * AwayGrace}); err != nil {
		t.Fatal(err)
	}
	if a, err := loadAges(path); err != nil || a[hash] != 2*AwayGrace {
		t.Error(a, err)
	}
	for _, bad := range []string{"", "{", "null", `{"x":1}`, `{"` + hash + `":-1}`, strings.Repeat(" ", maxAgesFile+1)} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if a, err := loadAges(path); err != nil || a == nil || len(a) > 0 {
			t.Errorf("%.20q: %v, %v", bad, a, err)
		}
	}
}
