package courier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/roaming"
)

type answerer = func(ctx context.Context, from string, body []byte) ([]byte, error)

// town is nodes whose news gets lost, and whose links can be cut.
type town struct {
	t     *testing.T
	dir   string
	names []string
	nodes map[string]*resident

	mu   sync.Mutex
	lost float64
	ring bool                  // news goes from each node to the next alone
	cut  map[string]bool       // this node is alone
	wall map[string]fax.Millis // how far a node's clock is ahead, as the others hear it; not changed while they talk
}

type resident struct {
	*Courier
	store   *roaming.Store
	answers map[string]answerer

	mu      sync.Mutex
	changed int
	alarms  []string
}

func found(t *testing.T, lost float64, names ...string) *town {
	w := &town{t: t, dir: t.TempDir(), names: names, nodes: map[string]*resident{}, lost: lost, cut: map[string]bool{}, wall: map[string]fax.Millis{}}
	for _, name := range names {
		store, err := roaming.Open(filepath.Join(w.dir, name), name)
		if err != nil {
			t.Fatal(err)
		}
		w.nodes[name] = &resident{store: store, answers: map[string]answerer{}}
	}
	for _, name := range names {
		n := w.nodes[name]
		others := func() (others []string) {
			for _, other := range names {
				if other != name && w.linked(name, other) {
					others = append(others, other)
				}
			}
			return others
		}
		n.Courier = Open(Config{Name: name, Store: n.store, Others: others, Members: others, Call: w.from(name), Broadcast: w.told(name),
			Changed: func(keys []roaming.Key) { n.mu.Lock(); n.changed += len(keys); n.mu.Unlock() },
			Alarm:   func(what, _, _ string) { n.mu.Lock(); n.alarms = append(n.alarms, what); n.mu.Unlock() },
			Logger:  slog.New(slog.DiscardHandler)})
		n.Handle(func(method string, f answerer) { n.answers[method] = f })
	}
	return w
}

func (w *town) close() {
	for _, n := range w.nodes {
		n.Close()
		n.store.Close()
	}
}

func (w *town) linked(a, b string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.cut[a] && !w.cut[b]
}

func (w *town) isolate(node string, alone bool) {
	w.mu.Lock()
	w.cut[node] = alone
	w.mu.Unlock()
}

func (w *town) from(name string) func(ctx context.Context, node, method string, body []byte) ([]byte, error) {
	return func(ctx context.Context, node, method string, body []byte) ([]byte, error) {
		time.Sleep(5 * time.Millisecond) // the line
		if !w.linked(name, node) {
			return nil, errors.New("nobody there")
		}
		if ask, err := roaming.DecodeAsk(body); err == nil && method == methodAsk {
			ask.Wall += w.wall[name]
			body = ask.Encode()
		}
		answer, err := w.nodes[node].answers[method](ctx, name, body)
		if p, pageErr := roaming.DecodePage(answer); err == nil && pageErr == nil {
			p.Wall += w.wall[node]
			answer = p.Encode()
		}
		return answer, err
	}
}

func (w *town) told(name string) func(string, []byte) error {
	return func(_ string, message []byte) error {
		if len(message) > MaxNews {
			return errors.New("it does not fit a packet")
		}
		for i, other := range w.names {
			w.mu.Lock()
			before := w.names[(i+len(w.names)-1)%len(w.names)]
			is := rand.Float64() >= w.lost && (!w.ring || before == name) && other != name && !w.cut[name] && !w.cut[other]
			w.mu.Unlock()
			if is {
				w.nodes[other].Hear(bytes.Clone(message))
			}
		}
		return nil
	}
}

func edit(id, field, value string) roaming.Edit {
	return roaming.Edit{Key: roaming.Key{Kind: roaming.Shared, Owner: "all", ID: id}, Set: map[string]string{field: value}}
}

// have reports whether a node has the values of an entry.
func (w *town) have(node, id string, want ...string) bool {
	r, _, err := w.nodes[node].store.Get(edit(id, "", "").Key)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(want); i += 2 {
		if r.Cells[want[i]].Value != want[i+1] {
			return false
		}
	}
	return true
}

// alike waits until all nodes have the same, within virtual time.
func (w *town) alike(within time.Duration) {
	w.t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(100 * time.Millisecond) {
		all := map[string]bool{}
		for _, n := range w.nodes {
			d, _, err := n.store.Digests()
			if err != nil {
				w.t.Fatal(err)
			}
			all[string(d)] = true
		}
		if len(all) == 1 {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("after %v there are %d different states", within, len(all))
		}
	}
}

func (w *town) write(node string, edits ...roaming.Edit) {
	w.t.Helper()
	if err := w.nodes[node].Write(edits...); err != nil {
		w.t.Fatal(err)
	}
}

// TestNews: what fits a packet is there at once, with no question asked; what
// does not is asked for soon.
func TestNews(t *testing.T) {
	t.Parallel() // these tests wait for the disk more than they compute
	synctest.Test(t, func(t *testing.T) {
		w := found(t, 0, "east", "north", "west")
		defer w.close()
		w.write("north", edit("1", "name", "Anna"))
		synctest.Wait()
		if !w.have("east", "1", "name", "Anna") || !w.have("west", "1", "name", "Anna") {
			t.Error("news that fits is not taken in")
		}
		var many []roaming.Edit
		for i := range 800 {
			many = append(many, edit(fmt.Sprint("m", i), "note", strings.Repeat("x", 900)))
		}
		w.write("north", many...)
		w.alike(time.Second)
		synctest.Wait()
		n := w.nodes["east"]
		if n.mu.Lock(); n.changed != 801 {
			t.Errorf("it is told of %d changes", n.changed)
		}
		n.mu.Unlock()
		w.nodes["east"].Hear([]byte{First, 9, 9})
		w.nodes["east"].Hear(bytes.Repeat([]byte{First}, MaxNews+1))
		if err := w.nodes["west"].Erase(roaming.Shared, "all"); err != nil {
			t.Fatal(err)
		}
		w.alike(time.Second)
		if n, err := w.nodes["east"].store.Count(roaming.Shared, "all"); n != 0 || err != nil {
			t.Errorf("%d entries are left: %v", n, err)
		}
	})
}

// TestLoss: half of all news is lost; comparing notes makes it good.
func TestLoss(t *testing.T) {
	t.Parallel() // these tests wait for the disk more than they compute
	synctest.Test(t, func(t *testing.T) {
		w := found(t, 0.5, "a", "b", "c", "d", "e")
		defer w.close()
		for i := range 40 {
			w.write(w.names[i%5], edit(fmt.Sprint(i%7), fmt.Sprint("f", i%3), fmt.Sprint(i)))
			time.Sleep(50 * time.Millisecond)
		}
		w.alike(3 * time.Minute)
	})
}

// TestPassedOn: news reaches nodes that the writer does not reach, once.
func TestPassedOn(t *testing.T) {
	t.Parallel() // these tests wait for the disk more than they compute
	synctest.Test(t, func(t *testing.T) {
		w := found(t, 0, "a", "b", "c", "d", "e")
		defer w.close()
		w.ring = true
		w.write("b", edit("1", "name", "Anna"))
		synctest.Wait()
		if !w.have("a", "1", "name", "Anna") {
			t.Error("news is not passed on")
		}
	})
}

// TestToldAgain: news of which every octet is lost is there within three
// seconds.
func TestToldAgain(t *testing.T) {
	t.Parallel() // these tests wait for the disk more than they compute
	synctest.Test(t, func(t *testing.T) {
		w := found(t, 1, "east", "north", "west")
		defer w.close()
		w.write("north", edit("1", "name", "Anna"))
		w.mu.Lock()
		w.lost = 0
		w.mu.Unlock()
		w.alike(3 * time.Second)
	})
}

// TestIsland: both sides go on; when the link is back both have all.
func TestIsland(t *testing.T) {
	t.Parallel() // these tests wait for the disk more than they compute
	synctest.Test(t, func(t *testing.T) {
		w := found(t, 0, "east", "north", "west")
		defer w.close()
		w.write("north", edit("1", "name", "Anna"))
		w.alike(time.Second)
		w.isolate("west", true)
		w.write("west", edit("1", "fax", "1"), edit("2", "name", "Bo"))
		w.write("east", edit("1", "note", "ward 3"), edit("1", "name", "Anne"))
		time.Sleep(time.Hour)
		if w.have("north", "2", "name", "Bo") || !w.have("north", "1", "name", "Anne") {
			t.Error("an island is none")
		}
		w.isolate("west", false)
		for _, name := range w.names {
			w.nodes[name].Alive(map[bool]string{true: "west", false: "north"}[name != "west"])
		}
		w.alike(2 * time.Second)
		if !w.have("west", "1", "name", "Anne", "fax", "1", "note", "ward 3") || !w.have("east", "2", "name", "Bo") {
			t.Error("an edit is lost")
		}
	})
}

// TestLongAway: a node that was away for a year gets all that is new, and
// brings back nothing that was deleted.
func TestLongAway(t *testing.T) {
	t.Parallel() // these tests wait for the disk more than they compute
	synctest.Test(t, func(t *testing.T) {
		w := found(t, 0, "north", "west")
		defer w.close()
		w.write("north", edit("1", "name", "Anna"), edit("2", "name", "Bo"))
		w.alike(time.Second)
		w.isolate("west", true)
		w.write("north", roaming.Edit{Key: edit("1", "", "").Key, Drop: true})
		w.write("west", edit("3", "name", "Cy"))
		// The others know of no member but those they see here, so the deletion
		// is forgotten when all of them have it.
		time.Sleep(roaming.KeepGone + 3*time.Hour)
		if p, err := w.nodes["north"].store.Page(time.Now(), roaming.Ask{}); err != nil || !p.Cut {
			t.Fatalf("the deletion is not forgotten: %v", err)
		}
		w.isolate("west", false)
		w.alike(time.Minute)
		if !w.have("west", "1", "name", "") || !w.have("north", "2", "name", "Bo", "name", "Bo") || !w.have("north", "3", "name", "Cy") {
			t.Error("something has come back, or is lost")
		}
	})
}

// TestClock: a node whose clock is far from the others' says so and takes no
// changes while it is ahead; one that is behind takes them.
func TestClock(t *testing.T) {
	t.Parallel() // these tests wait for the disk more than they compute
	for _, c := range []struct {
		by   time.Duration
		want fax.Kind
	}{{-time.Hour, fax.Unavailable}, {time.Hour, fax.Internal}} {
		synctest.Test(t, func(t *testing.T) {
			w := found(t, 0, "east", "north", "west")
			defer w.close()
			w.wall["east"], w.wall["west"] = fax.Millis(c.by.Milliseconds()), fax.Millis(c.by.Milliseconds())
			w.isolate("west", true)
			time.Sleep(5 * time.Minute)
			n := w.nodes["north"]
			err := n.Write(edit("1", "name", "Anna"))
			if (err != nil) != (c.want == fax.Unavailable) || err != nil && (fax.KindOf(err) != c.want || !strings.Contains(err.Error(), "ahead")) {
				t.Errorf("the others are at %v: %v", c.by, err)
			}
			if n.mu.Lock(); len(n.alarms) != 1 || n.alarms[0] != "clock-wrong" {
				t.Errorf("the others are at %v: alarms %q", c.by, n.alarms)
			}
			n.mu.Unlock()
		})
	}
}
