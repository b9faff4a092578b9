package cluster

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/consensus"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/cluster/peer"
	"github.com/faxmesh/faxmesh/cluster/presence"
)

// These tests wait for one another's timeouts more than they compute.
const atOnce = "6"

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", atOnce); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// hash is any argon2id hash: the ledger does not look into it.
const hash = "$argon2id$v=19$m=65536,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"

// town is the nodes of one cluster, on loopback.
type town struct {
	t     *testing.T
	nodes map[string]*Cluster
	dirs  map[string]string
	log   io.Writer

	alter func(*Options) // of a node that is about to be opened, if set
}

// found makes a cluster with its first node, north, open.
func found(t *testing.T) *town {
	t.Helper()
	w := &town{t: t, nodes: map[string]*Cluster{}, dirs: map[string]string{}, log: io.Discard}
	if os.Getenv("FAXMESH_TEST_LOG") != "" {
		w.log = t.Output()
	}
	w.dirs["north"] = t.TempDir()
	err := Init(w.dirs["north"], Options{Name: "north", Admin: "admin", AdminHash: hash, Logger: w.logger()})
	if err != nil {
		t.Fatal(err)
	}
	w.open("north", "127.0.0.1:0")
	return w
}

func (w *town) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (w *town) open(name, listen string) *Cluster {
	w.t.Helper()
	opt := Options{Dir: w.dirs[name], Name: name, PeerListen: listen, ClientAddr: "127.0.0.1:7488", IslandAfter: 2500 * time.Millisecond,
		Timeouts: consensus.Timeouts{Heartbeat: 1500 * time.Millisecond, Election: 1500 * time.Millisecond, Lease: 1500 * time.Millisecond}, Logger: w.logger()}
	if w.alter != nil {
		w.alter(&opt)
	}
	c, err := Open(w.t.Context(), opt)
	if err != nil {
		w.t.Fatalf("open %s: %v", name, err)
	}
	w.nodes[name] = c
	w.t.Cleanup(func() { c.Close() })
	return c
}

func (w *town) token() string {
	w.t.Helper()
	token, err := w.nodes["north"].NewToken(patience(w.t), "admin", 5, time.Hour)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// settle has a node join north and opens it.
func (w *town) settle(names ...string) {
	w.t.Helper()
	token := w.token()
	for _, name := range names {
		w.dirs[name] = w.t.TempDir()
		waitFor(w.t, name+" may join", func() bool { // north takes so many in a moment, and no more
			err := Join(patience(w.t), w.dirs[name], token, w.nodes["north"].PeerAddr().String(), Options{Name: name})
			if err != nil && fax.KindOf(err) != fax.Busy {
				w.t.Fatalf("%s joins: %v", name, err)
			}
			return err == nil
		})
		w.open(name, "127.0.0.1:0")
	}
}

func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not come about that %s", what)
		}
	}
}

// voters waits until n nodes vote, as each open node sees it.
func (w *town) voters(n int) {
	w.t.Helper()
	waitFor(w.t, fmt.Sprintf("%d nodes vote", n), func() bool {
		for _, c := range w.nodes {
			voters := 0
			for _, m := range c.Members() {
				if m.Voter {
					voters++
				}
			}
			if voters != n {
				return false
			}
		}
		return true
	})
}

// agree waits until all open nodes have the same ledger.
func (w *town) agree() {
	w.t.Helper()
	waitFor(w.t, "all ledgers are the same", func() bool {
		chains := map[string]bool{}
		for _, c := range w.nodes {
			index, chain := c.Ledger().Applied()
			chains[fmt.Sprint(index, chain)] = true
		}
		return len(chains) == 1
	})
}

// propose adds an account by way of a node and reads it back there.
func (w *town) propose(node, account string) {
	w.t.Helper()
	c := w.nodes[node]
	_, err := c.Propose(patience(w.t), ledger.AddAccount{
		Account: fax.Account{Name: account, Rights: fax.Individual, Created: fax.At(time.Now())}, Hash: hash, By: "admin", Node: node,
	})
	if err != nil {
		w.t.Fatalf("a proposal by way of %s: %v", node, err)
	}
	if _, _, err := c.Ledger().Account(account); err != nil {
		w.t.Errorf("%s does not see its own write: %v", node, err)
	}
}

// The life of a cluster of three: each part of it works on every node, a lost
// leader is replaced, a node that was away comes back.
func TestThreeNodes(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.settle("south", "west")
	w.voters(3)
	for _, node := range []string{"north", "south", "west"} {
		w.propose(node, "by "+node)
	}
	w.agree()
	t.Run("many at once", w.many)
	t.Run("refusals keep their kind", w.refusals)
	t.Run("presence", w.presence)
	t.Run("documents", w.documents)
	t.Run("calls", w.calls)
	t.Run("hostile octets", w.hostile)

	leader := w.nodes["north"].Leader()
	addr := w.nodes[leader].PeerAddr().String()
	if err := errors.Join(w.nodes[leader].Close(), w.nodes[leader].Close()); err != nil {
		t.Errorf("the leader closes: %v", err)
	}
	delete(w.nodes, leader)
	for node, c := range w.nodes {
		w.propose(node, "without leader by "+node)
		waitFor(t, "the leader is seen to be gone", func() bool { return len(c.Presence().Alive()) == 2 })
	}
	w.open(leader, addr)
	w.agree()
	w.propose(leader, "back again")
	waitFor(t, "it is seen again", func() bool {
		for _, c := range w.nodes {
			if len(c.Presence().Alive()) != 3 {
				return false
			}
		}
		return true
	})
}

func (w *town) refusals(t *testing.T) {
	for node, c := range w.nodes {
		_, err := c.Propose(patience(t), ledger.AddAccount{Account: fax.Account{Name: "ADMIN", Rights: fax.Individual}, Hash: hash, By: "admin", Node: node})
		if fax.KindOf(err) != fax.Exists {
			t.Errorf("at %s: %v, want Exists", node, err)
		}
	}
}

// many proposals at once, of both kinds, all get their answers.
func (w *town) many(t *testing.T) {
	var work sync.WaitGroup
	ctx := patience(t)
	for node, c := range w.nodes {
		for i := range 50 {
			work.Go(func() {
				name := fmt.Sprint(node, " ", i)
				_, err := c.Propose(ctx, ledger.AddAccount{Account: fax.Account{Name: name, Rights: fax.Individual}, Hash: hash, By: "admin", Node: node})
				for fax.KindOf(err) == fax.Unavailable && ctx.Err() == nil { // the machine was so slow that the lead has changed
					_, err = c.Propose(ctx, ledger.AddAccount{Account: fax.Account{Name: name, Rights: fax.Individual}, Hash: hash, By: "admin", Node: node})
					if fax.KindOf(err) == fax.Exists {
						err = nil
					}
				}
				if err != nil {
					t.Errorf("add %s: %v", name, err)
				}
				if _, err = c.Propose(ctx, ledger.SetRights{Name: name, Rights: fax.Administrator, By: "admin", Node: node}); err != nil {
					t.Errorf("set %s: %v", name, err)
				}
				if a, _, err := c.Ledger().Account(name); err != nil || a.Rights != fax.Administrator {
					t.Errorf("%s: %+v, %v", name, a, err)
				}
			})
		}
	}
	work.Wait()
	w.agree()
}

func (w *town) presence(t *testing.T) {
	bell, stop := w.nodes["west"].Changed()
	defer stop()
	for node, c := range w.nodes {
		s := presence.Session{ID: "at " + node, Account: "reception", Addr: netip.MustParseAddrPort("127.0.0.1:1500")}
		line := fax.LineState{Name: "l1", Number: "100", State: "free", Kind: "simulated"}
		if err := errors.Join(c.PutSession(s), c.SetLine(line), c.SetLoad(presence.Load{Sessions: 1, Room: "ample"})); err != nil {
			t.Fatal(err)
		}
	}
	seen := func(sessions int) func() bool {
		return func() bool {
			for _, c := range w.nodes {
				if len(c.Presence().Sessions("Reception")) != sessions || len(c.Presence().Lines()) != 3 {
					return false
				}
			}
			return true
		}
	}
	waitFor(t, "all see three sessions and lines", seen(3))
	select {
	case <-bell:
	case <-time.After(5 * time.Second):
		t.Error("the bell has not rung")
	}
	if err := w.nodes["south"].DropSession("at south"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "all see two", seen(2))
}

func (w *town) documents(t *testing.T) {
	content := make([]byte, 200_000)
	rand.Read(content)
	doc, copies, err := w.nodes["south"].Blobs().Put(patience(t), bytes.NewReader(content))
	if err != nil || copies != DefaultCopies {
		t.Fatalf("%d copies, %v", copies, err)
	}
	for node, c := range w.nodes {
		r, err := c.Blobs().Open(patience(t), doc.Hash)
		if err != nil {
			t.Fatalf("at %s: %v", node, err)
		}
		got, err := io.ReadAll(r)
		if r.Close(); err != nil || !bytes.Equal(got, content) {
			t.Errorf("at %s: %d octets, %v", node, len(got), err)
		}
	}
}

func (w *town) calls(t *testing.T) {
	for name, c := range w.nodes {
		c.Handle("greet", func(_ context.Context, from string, body []byte) ([]byte, error) {
			return fmt.Appendf(nil, "%s to %s: %s", name, from, body), nil
		})
	}
	for from, c := range w.nodes {
		for to := range w.nodes {
			got, err := c.Call(patience(t), to, "greet", []byte("hello"))
			if want := to + " to " + from + ": hello"; err != nil || string(got) != want {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
		}
	}
	if _, err := w.nodes["north"].Call(patience(t), "nowhere", "greet", nil); !errors.Is(err, peer.ErrUnsent) {
		t.Errorf("a node that is none: %v", err)
	}
}

// Noise on both kinds of the port changes nothing for the members.
func (w *town) hostile(t *testing.T) {
	addr := w.nodes["south"].PeerAddr().String()
	for n := range 300 {
		udp, err := net.Dial("udp", addr)
		if err != nil {
			t.Fatal(err)
		}
		noise := make([]byte, n*5)
		rand.Read(noise)
		udp.Write(noise)
		udp.Close()
	}
	for range 20 {
		tcp, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		io.CopyN(tcp, rand.Reader, 20_000)
		tcp.Close()
	}
	w.propose("south", "after the noise")
	w.agree()
}

func TestDirectories(t *testing.T) {
	t.Parallel()
	w := found(t)
	dir := w.dirs["north"]
	quiet := w.logger()
	if err := Init(dir, Options{Name: "south", Admin: "admin", AdminHash: hash}); fax.KindOf(err) != fax.Exists {
		t.Errorf("Init again: %v", err)
	}
	if _, err := Open(t.Context(), Options{Dir: t.TempDir(), Logger: quiet}); fax.KindOf(err) != fax.NotFound {
		t.Errorf("an empty directory: %v", err)
	}
	if _, err := Open(t.Context(), Options{Dir: dir, Name: "south", Logger: quiet}); fax.KindOf(err) != fax.Conflict {
		t.Errorf("another name: %v", err)
	}
	taken := w.nodes["north"].PeerAddr().String()
	other := t.TempDir()
	if err := Init(other, Options{Name: "north", Admin: "admin", AdminHash: hash}); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Dir: other, PeerListen: taken, Logger: quiet}); fax.KindOf(err) != fax.Unavailable {
		t.Errorf("a port in use: %v", err)
	}
	// The ledger of one cluster beside the identity of another.
	w.nodes["north"].Close()
	if err := os.Rename(dir+"/cluster/"+ledgerFile, other+"/cluster/"+ledgerFile); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Dir: other, PeerListen: "127.0.0.1:0", Logger: quiet}); fax.KindOf(err) != fax.Conflict {
		t.Errorf("another cluster's ledger: %v", err)
	}
}

// A single node acknowledges one copy and says so.
func TestAlone(t *testing.T) {
	t.Parallel()
	w := found(t)
	north := w.nodes["north"]
	w.propose("north", "reception")
	if _, copies, err := north.Blobs().Put(patience(t), strings.NewReader("x")); err != nil || copies != 1 {
		t.Errorf("%d copies, %v", copies, err)
	}
	waitFor(t, "its addresses are in the ledger", func() bool {
		n, err := north.Ledger().Node("north")
		return err == nil && n.PeerAddr == north.PeerAddr().String() && n.ClientAddr == "127.0.0.1:7488"
	})
	waitFor(t, "it is told how full its disk is", func() bool {
		load, known := north.Presence().Load("north")
		return known && load.Room != "" && load.Disk > 0
	})
	north.Advertise("192.0.2.1:17488")
	waitFor(t, "a new address is", func() bool {
		n, err := north.Ledger().Node("north")
		return err == nil && n.ClientAddr == "192.0.2.1:17488"
	})
	if m := north.Members(); len(m) != 1 || !m[0].Alive || !m[0].Voter || !m[0].Leader {
		t.Errorf("members: %+v", m)
	}
	cert := north.Certificate()
	if len(cert.Certificate) != 2 || len(north.SessionKey()) != 32 {
		t.Error("certificate or session key is incomplete")
	}
}
