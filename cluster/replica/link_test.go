package replica

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/cluster/peer"
)

// counting dials and remembers the connections.
type counting struct {
	dial func(context.Context, string) (net.Conn, error)
	mu   sync.Mutex
	made []net.Conn
}

func (c *counting) Dial(ctx context.Context, node string) (net.Conn, error) {
	conn, err := c.dial(ctx, node)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made = append(c.made, conn)
	return conn, err
}

// pair is two nodes, of which north counts its connections to south.
func pair(t *testing.T) (w *town, north *node, dialled *counting) {
	t.Helper()
	w = newTown()
	w.settle(t, 2, "north", "south")
	north = w.nodes["north"]
	dialled = &counting{dial: w.dial}
	north.cfg.Dial = dialled.Dial
	return w, north, dialled
}

func putOne(t *testing.T, n *node, content string) {
	t.Helper()
	if _, copies, err := n.Put(t.Context(), bytes.NewReader([]byte(content))); err != nil || copies != 2 {
		t.Fatalf("%q: %d copies, %v", content, copies, err)
	}
}

// TestLinkIsKept: one connection carries one document after another, there and
// back, and questions.
func TestLinkIsKept(t *testing.T) {
	w, north, dialled := pair(t)
	for _, content := range []string{"one", "two", "one", ""} {
		putOne(t, north, content)
	}
	doc, err := w.nodes["south"].cfg.Store.Put(bytes.NewReader([]byte("of the south")))
	if err != nil {
		t.Fatal(err)
	}
	if err := north.receive(t.Context(), "south", doc.Hash); err != nil {
		t.Fatal(err)
	}
	if has, err := north.ask(t.Context(), opHas, "south", []string{doc.Hash}); err != nil || !has[0] {
		t.Fatal(has, err)
	}
	if len(dialled.made) != 1 {
		t.Errorf("%d connections were dialled", len(dialled.made))
	}
}

// TestLinkIsDead: what a node that was started again has closed is replaced.
func TestLinkIsDead(t *testing.T) {
	w, north, dialled := pair(t)
	putOne(t, north, "before")
	south := w.nodes["south"]
	south.Replica.mu.Lock()
	for conn := range south.serving {
		conn.Close()
	}
	south.Replica.mu.Unlock()
	putOne(t, north, "after")
	if len(dialled.made) != 2 {
		t.Errorf("%d connections were dialled", len(dialled.made))
	}
}

// TestLinkIsRefused: a refusal is an answer. It is not asked for again, and the
// connection is not used any more.
func TestLinkIsRefused(t *testing.T) {
	w, north, dialled := pair(t)
	putOne(t, north, "before")
	w.nodes["south"].full.Store(true)
	if _, copies, err := north.Put(t.Context(), bytes.NewReader([]byte("refused"))); err != nil || copies != 1 {
		t.Fatal(copies, err)
	}
	if len(dialled.made) != 1 {
		t.Errorf("%d connections were dialled", len(dialled.made))
	}
	w.nodes["south"].full.Store(false)
	putOne(t, north, "after")
	if len(dialled.made) != 2 {
		t.Errorf("%d connections were dialled", len(dialled.made))
	}
}

// TestWaitingMakesRoom: connections that wait for an operation keep nobody out.
func TestWaitingMakesRoom(t *testing.T) {
	w, north, _ := pair(t)
	ask := append([]byte{opHas}, make([]byte, hashLen)...)
	for i := range maxServing + 10 {
		conn, err := w.dial(t.Context(), "south")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := peer.WriteFrame(conn, ask); err != nil {
			t.Fatal(err)
		}
		if code, _, err := readAnswer(conn); err != nil || code != codeDone {
			t.Fatalf("connection %d: %d, %v", i+1, code, err)
		}
	}
	putOne(t, north, "there is room")
	south := w.nodes["south"]
	south.Replica.mu.Lock()
	defer south.Replica.mu.Unlock()
	if len(south.serving) > maxServing {
		t.Errorf("%d connections are served", len(south.serving))
	}
}

// TestLinksEnd: kept connections are bounded in number and time, and end with
// the replica.
func TestLinksEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := links{idle: map[string][]*link{}}
		closed := func(c net.Conn) bool {
			return errors.Is(c.SetDeadline(time.Time{}), io.ErrClosedPipe)
		}
		var all []net.Conn
		for range maxIdle + 1 {
			here, there := net.Pipe()
			defer there.Close()
			all = append(all, here)
			l.put("south", here)
		}
		if !closed(all[maxIdle]) || len(l.idle["south"]) != maxIdle {
			t.Errorf("%d are kept", len(l.idle["south"]))
		}
		if got := l.take("south"); got != all[maxIdle-1] || l.take("west") != nil {
			t.Error("not the one used last")
		}
		time.Sleep(idleTime)
		synctest.Wait()
		if len(l.idle) != 0 || !closed(all[0]) || closed(all[maxIdle-1]) || l.take("south") != nil {
			t.Errorf("%d are kept for too long", len(l.idle["south"]))
		}
		l.put("south", all[maxIdle-1])
		l.close()
		if !closed(all[maxIdle-1]) {
			t.Error("one outlives the end")
		}
		late, there := net.Pipe()
		defer there.Close()
		if l.put("south", late); !closed(late) {
			t.Error("one is kept after the end")
		}
	})
}
