package replica

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/blob"
)

// town is some nodes on loopback with the documents their records name.
type town struct {
	mu     sync.Mutex
	nodes  map[string]*node
	away   []string // members that do not answer
	needed map[string]bool
	// refused is why nothing may be removed.
	refused error
}

type node struct {
	*Replica
	name   string
	dir    string
	listen net.Listener
	full   atomic.Bool
	claims atomic.Bool // to have a record of every document

	mu     sync.Mutex
	alarms []string
}

func (w *town) settle(t testing.TB, copies int, names ...string) {
	t.Helper()
	for _, name := range names {
		n := &node{name: name, dir: t.TempDir()}
		logger := slog.New(slog.NewTextHandler(io.Discard, nil))
		store, err := blob.Open(blob.Config{Dir: n.dir, Logger: logger})
		if err != nil {
			t.Fatal(err)
		}
		if n.listen, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		w.nodes[name] = n
		w.mu.Unlock()
		n.Replica = Open(Config{Name: name, Store: store, Copies: copies, Listener: n.listen, Dial: w.dial,
			Others: func() []string { return w.others(name) }, Members: func() []string { return w.members(name) },
			Records: own{w, n}, Admit: n.admit, Alarm: n.alarm, Ages: filepath.Join(t.TempDir(), "ages.json"), Logger: logger})
		t.Cleanup(func() { n.Close() })
	}
}

func (w *town) dial(ctx context.Context, name string) (net.Conn, error) {
	w.mu.Lock()
	n := w.nodes[name]
	w.mu.Unlock()
	if n == nil {
		return nil, errors.New("nobody there")
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", n.listen.Addr().String())
}

func (w *town) others(self string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Collect(maps.Keys(w.nodes)), func(n string) bool { return n == self })
}

func (w *town) Needed() iter.Seq2[string, error] {
	w.mu.Lock()
	hashes := slices.Sorted(maps.Keys(w.needed))
	w.mu.Unlock()
	return func(yield func(string, error) bool) {
		for _, h := range hashes {
			if !yield(h, nil) {
				return
			}
		}
	}
}

func (w *town) Named(hash string) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.needed[hash], nil
}

// own is the records of one node.
type own struct {
	*town
	node *node
}

func (o own) Named(hash string) (bool, error) {
	named, err := o.town.Named(hash)
	return named || o.node.claims.Load(), err
}

func (w *town) Confirm(context.Context, string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.refused
}

// members are the nodes and those that are away.
func (w *town) members(self string) []string {
	w.mu.Lock()
	away := slices.Clone(w.away)
	w.mu.Unlock()
	return append(w.others(self), away...)
}

func (n *node) admit(int64) error {
	if n.full.Load() {
		return fax.Errorf(fax.Full, "no room")
	}
	return nil
}

func (n *node) alarm(what, hash, _ string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.alarms = append(n.alarms, what+" "+hash)
}

func (n *node) alarmed() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.alarms)
}

// remove takes a node off the air.
func (w *town) remove(name string) {
	w.mu.Lock()
	n := w.nodes[name]
	delete(w.nodes, name)
	w.mu.Unlock()
	n.Close()
}

func (w *town) holders(hash string) (names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, n := range w.nodes {
		if n.cfg.Store.Has(hash) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func newTown() *town { return &town{nodes: map[string]*node{}, needed: map[string]bool{}} }

func TestPutCopiesAndOpenFetches(t *testing.T) {
	w := newTown()
	w.settle(t, 2, "north", "south", "west")
	content := make([]byte, 3<<20)
	rand.Read(content)
	for _, c := range [][]byte{content, nil} {
		doc, copies, err := w.nodes["north"].Put(t.Context(), bytes.NewReader(c))
		if err != nil || copies != 2 {
			t.Fatalf("put: %d copies, %v", copies, err)
		}
		if h := w.holders(doc.Hash); len(h) != 2 || !slices.Contains(h, "north") {
			t.Errorf("held by %v", h)
		}
		for name, n := range w.nodes {
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					r, err := n.Open(t.Context(), doc.Hash)
					if err != nil {
						t.Errorf("open at %s: %v", name, err)
						return
					}
					defer r.Close()
					if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, c) {
						t.Errorf("read at %s: %d octets, %v", name, len(got), err)
					}
				})
			}
			wg.Wait()
		}
		if h := w.holders(doc.Hash); len(h) != 3 {
			t.Errorf("what was fetched is not kept: %v", h)
		}
	}
	nowhere := strings.Repeat("0", 64)
	if _, err := w.nodes["north"].Open(t.Context(), nowhere); fax.KindOf(err) != fax.NotFound {
		t.Errorf("a document that is nowhere: %v", err)
	}
	if _, err := w.nodes["north"].Open(t.Context(), "../../etc/passwd"); fax.KindOf(err) != fax.Invalid {
		t.Errorf("a path: %v", err)
	}
}

func TestAloneIsOneCopy(t *testing.T) {
	w := newTown()
	w.settle(t, 2, "north")
	if _, copies, err := w.nodes["north"].Put(t.Context(), strings.NewReader("x")); err != nil || copies != 1 {
		t.Errorf("%d copies, %v", copies, err)
	}
}

// A node that is believed alive and is not costs a copy on the next one.
func TestPutGoesOnToTheNextNode(t *testing.T) {
	w := newTown()
	w.settle(t, 3, "north", "south", "west")
	w.nodes["west"].Close()
	if _, copies, err := w.nodes["north"].Put(t.Context(), strings.NewReader("x")); err != nil || copies != 2 {
		t.Errorf("%d copies, %v", copies, err)
	}
}

func TestDamagedCopyIsFetchedAgain(t *testing.T) {
	w := newTown()
	w.settle(t, 2, "north", "south")
	doc, _, err := w.nodes["north"].Put(t.Context(), strings.NewReader("a page"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(w.nodes["north"].dir, doc.Hash[:2], doc.Hash[2:4], doc.Hash)
	if err := os.WriteFile(file, []byte("a pagE"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, want := range []error{blob.ErrDamaged, nil} {
		r, err := w.nodes["north"].Open(t.Context(), doc.Hash)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(r); !errors.Is(err, want) {
			t.Errorf("read %d: %v, want %v", i, err, want)
		}
		r.Close()
	}
}

// When nodes are lost and others come, what records name gets its copies
// again, and no more than those; what no record names does not.
func TestRepair(t *testing.T) {
	w := newTown()
	w.settle(t, 2, "north")
	var docs []fax.Document
	for i := range 20 {
		doc, _, err := w.nodes["north"].Put(t.Context(), strings.NewReader(fmt.Sprint("page ", i)))
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, doc)
	}
	w.mu.Lock()
	for _, d := range docs[1:] {
		w.needed[d.Hash] = true
	}
	w.mu.Unlock()
	w.settle(t, 2, "south", "west")
	w.nodes["north"].Repair()
	all := func(what string) {
		t.Helper()
		deadline := time.Now().Add(10 * time.Second)
		for _, d := range docs[1:] {
			for len(w.holders(d.Hash)) != 2 {
				if time.Now().After(deadline) {
					t.Fatalf("%s: held by %v", what, w.holders(d.Hash))
				}
				time.Sleep(5 * time.Millisecond)
			}
		}
	}
	all("new nodes")
	w.remove("north")
	w.nodes["south"].Repair()
	w.nodes["west"].Repair()
	all("north is lost")
	if h := w.holders(docs[0].Hash); len(h) != 0 {
		t.Errorf("a document without a record was copied to %v", h)
	}
}

func TestHostileOperations(t *testing.T) {
	w := newTown()
	w.settle(t, 2, "north")
	hash := bytes.Repeat([]byte{7}, hashLen)
	for name, octets := range map[string][]byte{
		"oversized":    {0xff, 0xff, 0xff, 0xff},
		"empty":        {0, 0, 0, 0},
		"unknown":      {0, 0, 0, 1, 'x'},
		"half a hash":  {0, 0, 0, 3, opHas, 1, 2},
		"huge":         slices.Concat([]byte{0, 0, 0, 41, opPut}, hash, bytes.Repeat([]byte{0xff}, 8)),
		"other octets": slices.Concat([]byte{0, 0, 0, 41, opPut}, hash, []byte{0, 0, 0, 0, 0, 0, 0, 1}, []byte("x")),
	} {
		conn, err := w.dial(t.Context(), "north")
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		conn.Write(octets)
		if answer, err := io.ReadAll(conn); err != nil || len(answer) > 200 {
			t.Errorf("%s: %q, %v; want a closed connection", name, answer, err)
		}
		conn.Close()
	}
	for doc := range w.nodes["north"].cfg.Store.List() {
		t.Errorf("stored %v", doc)
	}
}

func TestRankSpreads(t *testing.T) {
	nodes := []string{"a", "b", "c", "d"}
	first := map[string]int{}
	for i := range 4000 {
		first[rank(fmt.Sprint(i), nodes)[0]]++
	}
	for _, n := range nodes {
		if first[n] < 900 || first[n] > 1100 {
			t.Errorf("%s is first %d times of 4000", n, first[n])
		}
	}
}
