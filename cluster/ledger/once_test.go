package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"pgregory.net/rapid"
)

func encoded(t testing.TB, c Command) []byte {
	t.Helper()
	data, err := Encode(c)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func once(t testing.TB, run, seq, open uint64, c Command) Once {
	t.Helper()
	return Once{Node: "north", Run: run, Seq: seq, Open: open, Command: encoded(t, c)}
}

// told counts the entries of the activity record that tell of an object.
func told(t testing.TB, l *Ledger, object string) (n int) {
	t.Helper()
	for a, err := range l.WholeActivity() {
		if err != nil {
			t.Fatal(err)
		}
		if a.Object == object {
			n++
		}
	}
	return n
}

func noteOf(object string) Command {
	return Note{fax.Activity{At: 1, Who: "clerk", What: "look", Object: object}}
}

// A node with several commands under way, any of which arrives any number of
// times in any order, also after its answer: each is judged once, and all
// answers to it are the first one.
func TestOnceHoweverDelivered(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l, err := Open(filepath.Join(t.TempDir(), "ledger.db"), slog.New(slog.DiscardHandler))
		if err != nil {
			rt.Fatal(err)
		}
		defer l.Close()
		l.db.NoSync = true
		type sent struct {
			Once
			object  string
			first   *Result
			settled bool // the node has said so, in a command that was judged
		}
		var all []*sent
		run, seq, low := uint64(1), uint64(0), uint64(1)
		answered := map[uint64]bool{}
		judged := map[string]int{}
		for step := range rapid.IntRange(1, 60).Draw(rt, "steps") {
			switch what := rapid.IntRange(0, 9).Draw(rt, "what"); {
			case what == 0: // the node is started again
				run, seq, low = run+1, 0, 1
				clear(answered)
			case what <= 3 || len(all) == 0: // another command; every third would make the same account
				seq++
				for answered[low] {
					low++
				}
				object := fmt.Sprint("o", step)
				c := noteOf(object)
				if step%3 == 0 {
					c, object = account("twice", fax.Individual), ""
				}
				all = append(all, &sent{Once: once(t, run, seq, low, c), object: object})
			case what == 4: // an answer has come
				s := rapid.SampledFrom(all).Draw(rt, "answered")
				if s.Run == run && s.first != nil {
					answered[s.Seq] = true
				}
			default:
				s := rapid.SampledFrom(all).Draw(rt, "delivered")
				r := do(t, l, s.Once)
				switch {
				case r.Void != VoidNot && s.first != nil && !s.settled || r.Void == VoidNot && s.settled:
					rt.Fatalf("%+v: %+v; settled %v, first %+v", s.Once, r, s.settled, s.first)
				case r.Void == VoidNot && s.first == nil:
					s.first = &r
					judged[s.object]++
					for _, o := range all {
						o.settled = o.settled || o.Run < s.Run || o.Run == s.Run && o.Seq < s.Open
					}
				case r.Void == VoidNot && !reflect.DeepEqual(r, *s.first):
					rt.Fatalf("%+v: %+v, first %+v", s.Once, r, *s.first)
				}
			}
		}
		for _, s := range all {
			if s.object != "" && told(t, l, s.object) != judged[s.object] {
				rt.Fatalf("%s is told %d times and was judged %d times", s.object, told(t, l, s.object), judged[s.object])
			}
			if judged[s.object] > 1 && s.object != "" {
				rt.Fatalf("%s was judged %d times", s.object, judged[s.object])
			}
		}
	})
}

func TestOnce(t *testing.T) {
	l := fresh(t)
	first := must(t, l, once(t, 7, 1, 1, noteOf("a")))
	if again := must(t, l, once(t, 7, 1, 1, noteOf("a"))); !reflect.DeepEqual(first, again) || told(t, l, "a") != 1 {
		t.Errorf("%+v, then %+v, told %d times", first, again, told(t, l, "a"))
	}
	// A refusal stays one, although the reason for it is gone.
	drop := once(t, 7, 2, 1, DropAccount{Name: "clerk"})
	if r := do(t, l, drop); fax.KindOf(r.Err) != fax.NotFound || r.Void != VoidNot {
		t.Errorf("%+v", r)
	}
	must(t, l, account("admin", fax.Administrator))
	must(t, l, account("clerk", fax.Individual))
	if r := do(t, l, drop); fax.KindOf(r.Err) != fax.NotFound {
		t.Errorf("judged again: %+v", r)
	}
	// 3 is given up and comes after 4, which says so.
	must(t, l, once(t, 7, 4, 4, noteOf("d")))
	if r := refused(t, l, fax.Conflict, once(t, 7, 3, 1, noteOf("c"))); r.Void != VoidPassed || told(t, l, "c") != 0 {
		t.Errorf("%+v", r)
	}
	if r := refused(t, l, fax.Conflict, once(t, 7, 1, 1, noteOf("a"))); r.Void != VoidPassed {
		t.Errorf("an acknowledged one: %+v", r)
	}
	// The next run begins at 1 again, and nothing of the last one holds.
	must(t, l, once(t, 9, 1, 1, noteOf("e")))
	if r := refused(t, l, fax.Conflict, once(t, 7, 5, 5, noteOf("f"))); r.Void != VoidEarlierRun || r.Run != 9 {
		t.Errorf("%+v", r)
	}
	if run, err := l.RunOf("north"); run != 9 || err != nil {
		t.Error(run, err)
	}
	// Another node has numbers of its own.
	other := once(t, 1, 1, 1, noteOf("g"))
	other.Node = "south"
	must(t, l, other)
	must(t, l, once(t, 9, 1, 1, noteOf("e")))
	if told(t, l, "e") != 1 || told(t, l, "g") != 1 {
		t.Error(told(t, l, "e"), told(t, l, "g"))
	}
}

// What is remembered comes with a snapshot.
func TestOnceAfterSnapshot(t *testing.T) {
	l, other := fresh(t), fresh(t)
	first := must(t, l, once(t, 7, 1, 1, noteOf("a")))
	var stream bytes.Buffer
	s, err := l.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.WriteTo(&stream); err != nil {
		t.Fatal(err)
	}
	s.Release()
	if err := other.Restore(&stream); err != nil {
		t.Fatal(err)
	}
	if again := must(t, other, once(t, 7, 1, 1, noteOf("a"))); !reflect.DeepEqual(first, again) || told(t, other, "a") != 1 {
		t.Errorf("%+v, then %+v", first, again)
	}
}

// An import by way of the envelope is taken whole, and once by its own numbers.
func TestOnceWithImport(t *testing.T) {
	l := fresh(t)
	batch := Import{Node: "north", Era: "e", First: 1, Commands: [][]byte{encoded(t, noteOf("a")), encoded(t, noteOf("b"))}, At: 1}
	must(t, l, once(t, 7, 1, 1, batch))
	must(t, l, once(t, 7, 1, 1, batch))
	must(t, l, once(t, 8, 1, 1, batch))
	if told(t, l, "a") != 1 || told(t, l, "b") != 1 {
		t.Error(told(t, l, "a"), told(t, l, "b"))
	}
	batch.Commands = [][]byte{{0xff, 0xff, 0x80}}
	if _, err := Decode(encoded(t, once(t, 8, 2, 1, batch))); !errors.Is(err, ErrUnknownCommand) {
		t.Errorf("a command of a newer program within: %v", err)
	}
}

// A node keeps no more results than MaxOpen, and what was dropped is refused.
func TestOnceIsBounded(t *testing.T) {
	l := fresh(t)
	l.db.NoSync = true
	entries := make([]Entry, MaxOpen+1)
	for i := range entries {
		n := uint64(i + 1)
		entries[i] = Entry{n, encoded(t, once(t, 1, n, 1+n/(MaxOpen+1), SetPassword{}))}
	}
	if _, err := l.ApplyBatch(entries); err != nil {
		t.Fatal(err)
	}
	results, err := readAll[Result](l, inOnce)
	if err != nil || len(results) != MaxOpen {
		t.Errorf("%d results, %v", len(results), err)
	}
	if r := refused(t, l, fax.Conflict, once(t, 1, 1, 1, noteOf("a"))); r.Void != VoidPassed {
		t.Errorf("%+v", r)
	}
	must(t, l, once(t, 1, MaxOpen+2, MaxOpen+2, noteOf("b")))
	if results, err = readAll[Result](l, inOnce); err != nil || len(results) != 1 {
		t.Errorf("%d results when all is settled, %v", len(results), err)
	}
}

// Nodes that were heard long ago make room for others.
func TestProposersAreBounded(t *testing.T) {
	l := fresh(t)
	l.db.NoSync = true
	entries := make([]Entry, MaxProposers+1)
	for i := range entries {
		c := once(t, 1, 1, 1, SetPassword{})
		c.Node = fmt.Sprint("n", i)
		entries[i] = Entry{uint64(i + 1), encoded(t, c)}
	}
	if _, err := l.ApplyBatch(entries); err != nil {
		t.Fatal(err)
	}
	kept, err := readAll[proposer](l, inProposers)
	results, err2 := readAll[Result](l, inOnce)
	if err := errors.Join(err, err2); err != nil || len(kept) != MaxProposers || len(results) != MaxProposers {
		t.Errorf("%d nodes, %d results, %v", len(kept), len(results), err)
	}
	if run, err := l.RunOf("n0"); run != 0 || err != nil {
		t.Error("the one that was heard first is kept", err)
	}
}

func TestHostileOnce(t *testing.T) {
	good := once(t, 1, 1, 1, noteOf("a"))
	for why, change := range map[string]func(*Once){
		"no node":           func(c *Once) { c.Node = "" },
		"a node with zeros": func(c *Once) { c.Node = "a\x00b" },
		"no run":            func(c *Once) { c.Run = 0 },
		"nothing is open":   func(c *Once) { c.Open = 0 },
		"not open itself":   func(c *Once) { c.Open = 2 },
		"too many are open": func(c *Once) { c.Seq = MaxOpen + 1 },
		"nothing within":    func(c *Once) { c.Command = nil },
		"damage within":     func(c *Once) { c.Command = []byte{0, 1, 0x81} },
	} {
		l := fresh(t)
		c := good
		change(&c)
		if r := do(t, l, c); fax.KindOf(r.Err) != fax.Invalid || told(t, l, "a") != 0 {
			t.Errorf("%s: %+v", why, r)
		}
	}
	nested := good
	nested.Command = encoded(t, good)
	if _, err := Decode(encoded(t, nested)); !errors.Is(err, errNested) {
		t.Errorf("one within another: %v", err)
	}
	l := fresh(t)
	must(t, l, Import{Node: "north", Era: "e", First: 1, Commands: [][]byte{encoded(t, good)}, At: 1})
	if told(t, l, "a") != 0 || told(t, l, "e/1") != 1 {
		t.Error("a node cut off has taken one of another's numbers")
	}
	if node, ok := ProposerOf(encoded(t, good)); node != "north" || !ok {
		t.Error(node, ok)
	}
	for _, data := range [][]byte{nil, encoded(t, noteOf("a")), {0, 25, 0x81}} {
		if _, ok := ProposerOf(data); ok {
			t.Errorf("% x has a proposer", data)
		}
	}
}
