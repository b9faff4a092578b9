package roaming

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fails is a test or a property under test.
type fails interface {
	Helper()
	Fatalf(format string, args ...any)
}

// nodeAt opens a store that a power cut would not spare.
func nodeAt(t fails, dir, name string) *Store {
	t.Helper()
	s, err := open(filepath.Join(dir, name), name, bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return s
}

func pair(t *testing.T) (a, b *Store) {
	dir := t.TempDir()
	a, b = nodeAt(t, dir, "north"), nodeAt(t, dir, "south")
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func write(t fails, s *Store, now time.Time, id string, fields ...string) Page {
	t.Helper()
	e := Edit{Key: Key{Shared, "all", id}, Drop: len(fields) == 0}
	for i := 0; i < len(fields); i += 2 {
		if e.Set == nil {
			e.Set = map[string]string{}
		}
		e.Set[fields[i]] = fields[i+1]
	}
	news, err := s.Write(now, e)
	if err != nil {
		t.Fatalf("write %s: %v", id, err)
	}
	return news
}

func fields(t fails, s *Store, id string) map[string]string {
	t.Helper()
	r, _, err := s.Get(Key{Shared, "all", id})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return r.Fields()
}

// pull brings all to s that other has, as two nodes on a line would.
func pull(t fails, s, other *Store, now time.Time) (m Merged) {
	t.Helper()
	ask := Ask{Skip: Vector{}}
	for {
		ask.Vector, _ = s.Vector()
		p, err := other.Page(now, through(t, ask.Encode(), DecodeAsk))
		if err != nil {
			t.Fatalf("%v", err)
		}
		if p.Cut {
			fresh(t, s, other, now)
			continue
		}
		if m, err = s.Merge(now, through(t, p.Encode(), DecodePage)); err != nil {
			t.Fatalf("%v", err)
		}
		maps.Copy(ask.Skip, m.Held)
		if !p.More {
			return m
		}
	}
}

// fresh makes s a copy of other, but for what only s has.
func fresh(t fails, s, other *Store, now time.Time) {
	t.Helper()
	first, after := Vector(nil), ""
	for {
		p, err := other.Copy(now, Want{After: after})
		if err != nil {
			t.Fatalf("%v", err)
		}
		if first == nil {
			first = p.Vector
		}
		if _, err := s.MergeCopy(now, after, p); err != nil {
			t.Fatalf("%v", err)
		}
		if after = p.Last; !p.More {
			break
		}
	}
	if err := s.EndCopy(first, nil); err != nil {
		t.Fatalf("%v", err)
	}
}

func through[T any](t fails, data []byte, decode func([]byte) (T, error)) T {
	t.Helper()
	v, err := decode(data)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return v
}

func alike(t fails, a, b *Store) {
	t.Helper()
	sound(t, a)
	sound(t, b)
	da, _, _ := a.Digests()
	db, _, _ := b.Digests()
	la, _ := a.List(Shared, "all", "", MaxList)
	lb, _ := b.List(Shared, "all", "", MaxList)
	for _, l := range [][]Record{la, lb} {
		for i := range l {
			l[i].Gone = Mark{} // it may be forgotten on one already
		}
	}
	if !bytes.Equal(da, db) || !reflect.DeepEqual(la, lb) {
		t.Fatalf("they differ:\n%v\n%v", la, lb)
	}
	if n, _ := a.Count(Shared, "all"); n != len(la) {
		t.Fatalf("%d entries are counted, there are %d", n, len(la))
	}
}

// TestConverge: three nodes write, delete, take in pages of one another in any
// order, twice or never, forget deletions, lose their disks. When all have
// pulled from all they have the same, and edits to different fields are there.
func TestConverge(t *testing.T) {
	dir := t.TempDir()
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		base := filepath.Join(dir, fmt.Sprint(run))
		os.Mkdir(base, 0o700)
		defer os.RemoveAll(base)
		var nodes []*Store
		for _, name := range []string{"east", "north", "west"} {
			s := nodeAt(t, base, name)
			defer s.Close()
			nodes = append(nodes, s)
		}
		any := func() *Store { return nodes[rapid.IntRange(0, 2).Draw(t, "node")] }
		var pages []Page
		now := noon
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "hours")) * time.Hour)
			skew := time.Duration(rapid.IntRange(-50, 50).Draw(t, "skew")) * time.Second
			id := fmt.Sprint(rapid.IntRange(1, 3).Draw(t, "id"))
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1:
				field := rapid.SampledFrom([]string{"name", "fax", "note"}).Draw(t, "field")
				pages = append(pages, write(t, any(), now.Add(skew/2), id, field, fmt.Sprint(len(pages))))
			case 2:
				pages = append(pages, write(t, any(), now.Add(skew/2), id))
			case 3: // news, late or twice, to whom it fits
				if len(pages) > 0 {
					if _, _, err := any().Hear(now, rapid.SampledFrom(pages).Draw(t, "page")); err != nil {
						t.Fatalf("%v", err)
					}
				}
			case 4:
				pull(t, any(), any(), now)
			case 5: // deletions that all have go
				any().Sweep(now, func(m Mark) bool {
					for _, s := range nodes {
						if v, _ := s.Vector(); !v.Covers(m) {
							return false
						}
					}
					return true
				})
			}
		}
		for range 2 {
			for _, s := range nodes {
				for _, other := range nodes {
					pull(t, s, other, now.Add(time.Minute))
				}
			}
		}
		alike(t, nodes[0], nodes[1])
		alike(t, nodes[1], nodes[2])
	})
}

// TestTwoEditors: two edit one entry, each in an island.
func TestTwoEditors(t *testing.T) {
	a, b := pair(t)
	write(t, a, noon, "1", "name", "Anna", "fax", "1")
	pull(t, b, a, noon)
	write(t, a, noon.Add(time.Second), "1", "fax", "2")
	write(t, b, noon.Add(time.Second), "1", "note", "ward 3")
	pull(t, b, a, noon)
	pull(t, a, b, noon)
	alike(t, a, b)
	if got, want := fields(t, a, "1"), (map[string]string{"name": "Anna", "fax": "2", "note": "ward 3"}); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestPages: more than a page goes over in several, each of bounded size, and
// the second time nothing does.
func TestPages(t *testing.T) {
	a, b := pair(t)
	var edits []Edit
	for i := range 600 {
		edits = append(edits, Edit{Key: Key{Shared, "all", fmt.Sprintf("%04d", i)}, Set: map[string]string{"note": strings.Repeat("x", MaxValue)}})
	}
	if _, err := a.Write(noon, edits...); err != nil {
		t.Fatal(err)
	}
	p, err := a.Page(noon, Ask{})
	if err != nil || !p.More || len(p.Encode()) > PageSize+4*MaxValue {
		t.Fatalf("a page of %d octets, more %v: %v", len(p.Encode()), p.More, err)
	}
	pull(t, b, a, noon)
	alike(t, a, b)
	v, _ := b.Vector()
	if p, _ := a.Page(noon, Ask{Vector: v}); len(p.Records) > 0 || p.More {
		t.Errorf("%d records again", len(p.Records))
	}
}

// TestLongAway: a node that was away while deletions were forgotten deletes
// what was deleted, keeps what it has written, brings back nothing.
func TestLongAway(t *testing.T) {
	a, b := pair(t)
	for i := range 20 {
		write(t, a, noon, fmt.Sprint(i), "name", "n")
	}
	pull(t, b, a, noon)
	pull(t, a, b, noon)
	write(t, a, noon, "7")
	write(t, b, noon, "8", "fax", "5")
	write(t, b, noon, "new", "name", "n")
	later := noon.Add(MaxGone + time.Hour)
	if n, err := a.Sweep(later, func(Mark) bool { return false }); n != 1 || err != nil {
		t.Fatalf("%d deletions are forgotten: %v", n, err)
	}
	write(t, b, later, "7", "note", "left behind")
	pull(t, a, b, later) // it comes with fields that were deleted here
	if got := fields(t, a, "7"); !reflect.DeepEqual(got, map[string]string{"note": "left behind"}) {
		t.Errorf("%v came back", got)
	}
	pull(t, b, a, later)
	alike(t, a, b)
	if fields(t, b, "new")["name"] != "n" || fields(t, b, "8")["fax"] != "5" {
		t.Error("what it has written is lost")
	}
}

// TestSweep: a deletion stays while a member may not have it, or is young.
func TestSweep(t *testing.T) {
	a, _ := pair(t)
	write(t, a, noon, "1", "name", "n")
	write(t, a, noon, "1")
	all, none := func(Mark) bool { return true }, func(Mark) bool { return false }
	for _, c := range []struct {
		after time.Duration
		seen  func(Mark) bool
		want  int
	}{{KeepGone / 2, all, 0}, {2 * KeepGone, none, 0}, {2 * KeepGone, all, 1}, {2 * KeepGone, all, 0}} {
		if n, err := a.Sweep(noon.Add(c.after), c.seen); n != c.want || err != nil {
			t.Errorf("after %v: %d, %v", c.after, n, err)
		}
	}
}

// TestDamage: a record that is lost without a trace is found by the digests.
func TestDamage(t *testing.T) {
	a, b := pair(t)
	for i := range 50 {
		write(t, a, noon, fmt.Sprint(i), "name", "n")
	}
	pull(t, b, a, noon)
	r, _, _ := b.Get(Key{Shared, "all", "7"})
	if err := b.db.Update(func(tx *bbolt.Tx) error {
		_, err := change(tx, r, Record{Key: r.Key})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	da, _, _ := a.Digests()
	db, _, _ := b.Digests()
	which, n := Differing(da, db)
	if n != 1 {
		t.Fatalf("%d buckets differ", n)
	}
	p, err := a.Copy(noon, Want{Buckets: which})
	if err != nil || len(p.Records) != 1 {
		t.Fatalf("%d records, %v", len(p.Records), err)
	}
	if _, err := b.Merge(noon, Page{Vector: p.Vector, Records: p.Records}); err != nil {
		t.Fatal(err)
	}
	alike(t, a, b)
}

func TestRefused(t *testing.T) {
	a, _ := pair(t)
	many := map[string]string{}
	for i := range MaxFields + 1 {
		many[fmt.Sprint(i)] = "x"
	}
	for name, e := range map[string]Edit{
		"no field":        {Key: theKey},
		"too many fields": {Key: theKey, Set: many},
		"too long":        {Key: theKey, Set: map[string]string{"a": strings.Repeat("x", MaxValue+1)}},
		"not UTF-8":       {Key: theKey, Set: map[string]string{"a": "\xff"}},
		"a control":       {Key: theKey, Set: map[string]string{"a\x00": "x"}},
		"no owner":        {Key: Key{Personal, "", "1"}, Set: map[string]string{"a": "x"}},
		"a kind":          {Key: Key{9, "anna", "1"}, Set: map[string]string{"a": "x"}},
	} {
		if _, err := a.Write(noon, e); fax.KindOf(err) != fax.Invalid && fax.KindOf(err) != fax.TooLarge {
			t.Errorf("%s: %v", name, err)
		}
	}
	var edits []Edit
	for i := range MaxSettings + 1 {
		edits = append(edits, Edit{Key: Key{Profile, "anna", fmt.Sprint(i)}, Set: map[string]string{"a": "x"}})
	}
	if _, err := a.Write(noon, edits...); fax.KindOf(err) != fax.TooLarge {
		t.Errorf("too many: %v", err)
	}
	if n, _ := a.Count(Profile, "anna"); n != 0 {
		t.Errorf("%d of a write that was refused are there", n)
	}
}

// TestErase: nothing of an account is left, here or on another node.
func TestErase(t *testing.T) {
	a, b := pair(t)
	for i := range 30 {
		write(t, a, noon, fmt.Sprint(i), "name", "n")
	}
	pull(t, b, a, noon)
	if _, left, err := a.Erase(noon, Shared, "all"); left != 0 || err != nil {
		t.Fatalf("%d are left: %v", left, err)
	}
	pull(t, b, a, noon)
	alike(t, a, b)
	if l, err := b.List(Shared, "all", "", 5); len(l) != 0 || err != nil {
		t.Errorf("%d are left on the other node: %v", len(l), err)
	}
}
