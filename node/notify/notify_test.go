package notify

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
	"github.com/faxmesh/faxmesh/cluster/presence"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// cluster is who is logged in, and their events.
type cluster struct {
	mu       sync.Mutex
	sessions []presence.Session
	void     string // id of a session
	events   []fax.Event
	early    []fax.Event // tentative
	bells    []chan struct{}
}

func (c *cluster) Sessions() []presence.Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.sessions)
}

func (c *cluster) Events(_ string, after uint64, limit int) ([]fax.Event, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rest := c.events[min(int(after), len(c.events)):]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

func (c *cluster) LastEvent(string) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return uint64(len(c.events)), nil
}

func (c *cluster) Tentative(_ string, after uint64, limit int) ([]fax.Event, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var news []fax.Event
	for _, e := range c.early {
		if e.Seq > after && len(news) < limit {
			news = append(news, e)
		}
	}
	return news, nil
}

func (c *cluster) Void(s presence.Session) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return s.ID == c.void, nil
}

func (c *cluster) Secret(session string) string { return "secret of " + session }

func (c *cluster) changed() (<-chan struct{}, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := make(chan struct{}, 1)
	c.bells = append(c.bells, b)
	return b, func() {}
}

func (c *cluster) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	for _, b := range c.bells {
		select {
		case b <- struct{}{}:
		default:
		}
	}
}

// happens puts the next event on record.
func (c *cluster) happens(node string) {
	c.change(func() {
		c.events = append(c.events, fax.Event{Account: "reception", Seq: uint64(len(c.events) + 1),
			Kind: fax.EventSent, Fax: "f1", Node: node, At: fax.At(time.Now())})
	})
}

func (c *cluster) logIn(p presence.Session) {
	c.change(func() { c.sessions = append(c.sessions, p) })
}

func (c *cluster) open(t *testing.T, node string, mayDial func(netip.AddrPort, string) error) *Notifier {
	cert := certificate(t)
	n := Open(Config{Node: node, Cluster: c, Changed: c.changed, MayDial: mayDial,
		Certificate: func() tls.Certificate { return cert }, Log: quiet})
	t.Cleanup(n.Close)
	return n
}

func near(addr netip.AddrPort, _ string) error { return CheckAddress(addr, true) }

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// told is an event with the node that brought it.
type told struct {
	node  string
	event fax.Event
}

// client is a notification listener.
type client struct {
	net.Listener
	session presence.Session
	told    chan told
	calls   chan string // node of each connection that proved itself
	deaf    bool        // never acknowledges
}

func newClient(t *testing.T, id string) *client {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cert := certificate(t)
	c := &client{Listener: l, told: make(chan told, 100), calls: make(chan string, 100),
		session: presence.Session{ID: id, Account: "reception", Node: "north", Since: fax.At(time.Now()),
			Addr: l.Addr().(*net.TCPAddr).AddrPort(), Fingerprint: wire.Fingerprint(cert.Certificate[0])}}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.serve(tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAnyClientCert}))
		}
	}()
	return c
}

func (c *client) serve(conn net.Conn) {
	defer conn.Close()
	preface, err := wire.ReadPreface(conn)
	if err != nil {
		return
	}
	f, err := wire.ReadFrame(conn, wire.MaxEarlyPayload)
	var hello wire.Hello
	if err != nil || f.Type != wire.HELLO || wire.CheckThenDecode(f.Payload, &hello) != nil || !hello.Proves("secret of "+c.session.ID) {
		return
	}
	if wire.NewAnswer(preface).Write(conn) != nil {
		return
	}
	c.calls <- hello.Node
	for {
		f, err := wire.ReadFrame(conn, wire.MaxPayload)
		if err != nil {
			return
		}
		var events wire.Events
		if f.Type != wire.PUSH || wire.CheckThenDecode(f.Payload, &events) != nil {
			continue
		}
		var seqs wire.Seqs
		for _, e := range events.Events {
			c.told <- told{hello.Node, e}
			seqs.Seqs = append(seqs.Seqs, e.Seq)
		}
		if payload, err := wire.Encode(&seqs); err == nil && !c.deaf {
			_ = wire.WriteFrame(conn, wire.Frame{Type: wire.ACK, Payload: payload})
		}
	}
}

// next is the next thing on ch, within a time that only a fault exceeds.
func next[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// TestCallback: the node that handled the fax calls, no other, once for each
// event, over one connection.
func TestCallback(t *testing.T) {
	t.Parallel() // because it waits
	c, cl := &cluster{}, newClient(t, "s1")
	c.happens("south") // before the login: not told
	c.events[0].At -= 60_000
	c.logIn(cl.session)
	north := c.open(t, "north", near)
	c.open(t, "south", near)
	own := make(chan []fax.Event, 10)
	defer north.Attach("s1", "reception", 1, func(e []fax.Event) error { own <- e; return nil })()

	for i := range 3 {
		c.happens("south")
		got := next(t, cl.told)
		if got.node != "south" || got.event.Seq != uint64(i+2) {
			t.Errorf("got %+v", got)
		}
		north.Ack("s1", []uint64{got.event.Seq}) // as the client does
	}
	c.happens("north")
	if got := next(t, cl.told); got.node != "north" || got.event.Seq != 5 {
		t.Errorf("got %+v", got)
	}
	// Nothing is left for the way of last resort: not even what north itself
	// told, though the client has not acknowledged it there.
	time.Sleep(Patience + 200*time.Millisecond)
	if len(own) != 0 || len(cl.told) != 0 {
		t.Errorf("told again: %d times over the own connection, %d times by callback", len(own), len(cl.told))
	}
	if calls := len(cl.calls); calls != 2 {
		t.Errorf("%d connections, want one from each node", calls)
	}
}

// TestLastResort: the ways of last resort, side by side because each takes
// Patience.
func TestLastResort(t *testing.T) {
	refuse := func(netip.AddrPort, string) error { return errors.New("not allowed") }
	for _, tc := range []struct {
		name string
		dial func(netip.AddrPort, string) error
		set  func(cl *client)
		min  time.Duration
	}{
		{"no notification port", near, func(cl *client) { cl.session.Addr = netip.AddrPort{} }, 0},
		{"nobody listens", near, func(cl *client) { cl.Close() }, Patience},
		{"another certificate", near, func(cl *client) { cl.session.Fingerprint = wire.Fingerprint([]byte("x")) }, Patience},
		{"not acknowledged", near, func(cl *client) { cl.deaf = true }, Patience},
		{"address not allowed", refuse, func(*client) {}, Patience},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c, cl := &cluster{}, newClient(t, "s1")
			tc.set(cl)
			c.logIn(cl.session)
			n := c.open(t, "north", tc.dial)
			own := make(chan []fax.Event, 10)
			detach := n.Attach("s1", "reception", 0, func(e []fax.Event) error { own <- e; return nil })
			begun := time.Now()
			c.happens("north")
			got := next(t, own)
			if len(got) != 1 || got[0].Seq != 1 || time.Since(begun) < tc.min {
				t.Errorf("got %+v after %v", got, time.Since(begun))
			}
			detach()
			c.happens("north")
			time.Sleep(100 * time.Millisecond)
			if len(own) != 0 {
				t.Error("told after it was detached")
			}
		})
	}
}

// TestLogout: a session that is gone is not called, and nothing of it stays.
func TestLogout(t *testing.T) {
	c, cl := &cluster{}, newClient(t, "s1")
	c.logIn(cl.session)
	n := c.open(t, "north", near)
	c.happens("north")
	next(t, cl.told)
	c.change(func() { c.sessions = nil })
	for {
		n.mu.Lock()
		left := len(n.sessions)
		n.mu.Unlock()
		if left == 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	c.happens("north")
	time.Sleep(100 * time.Millisecond)
	if len(cl.told) != 0 {
		t.Errorf("told %+v after logout", <-cl.told)
	}
}

// TestAckFirst: an event that the client has from another node before its home
// knows of it is not told again.
func TestAckFirst(t *testing.T) {
	t.Parallel() // because it waits
	c := &cluster{}
	north := c.open(t, "north", near)
	own := make(chan []fax.Event, 10)
	defer north.Attach("s1", "reception", 0, func(e []fax.Event) error { own <- e; return nil })()
	north.Ack("s1", []uint64{1, 3})
	for range 3 {
		c.happens("south")
	}
	var told []uint64
	for len(told) == 0 || told[len(told)-1] < 2 {
		for _, e := range next(t, own) {
			told = append(told, e.Seq)
		}
	}
	time.Sleep(200 * time.Millisecond)
	if len(own) != 0 || !slices.Equal(told, []uint64{2}) {
		t.Errorf("told %d, and %d times more; want 2 alone", told, len(own))
	}
}

// TestVoid: a session that is void is shown until its connection ends, but told
// nothing.
func TestVoid(t *testing.T) {
	c, first, second := &cluster{}, newClient(t, "s1"), newClient(t, "s2")
	c.logIn(first.session)
	c.logIn(second.session)
	c.open(t, "north", near)
	c.happens("north")
	next(t, first.told)
	next(t, second.told)
	c.change(func() { c.void = "s1" })
	for range 3 {
		c.happens("north")
		next(t, second.told)
	}
	time.Sleep(100 * time.Millisecond)
	if len(first.told) != 0 {
		t.Errorf("a void session was told %+v", <-first.told)
	}
}

// TestSeenLate: a node that learns of a session after the event tells it what
// happened since the login.
func TestSeenLate(t *testing.T) {
	c, cl := &cluster{}, newClient(t, "s1")
	c.open(t, "south", near)
	c.happens("south")
	c.events[0].At = cl.session.Since - 1
	c.happens("south")
	c.logIn(cl.session)
	if got := next(t, cl.told); got.event.Seq != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestDue(t *testing.T) {
	now := time.Unix(1000, 0)
	l := &lastResort{}
	for i := range MaxPending + 2 {
		l.add(fax.Event{Seq: uint64(i + 1)}, now.Add(time.Duration(i)*time.Millisecond))
	}
	if len(l.waiting) != MaxPending || l.waiting[0].event.Seq != 3 {
		t.Fatalf("%d wait, the first is %d", len(l.waiting), l.waiting[0].event.Seq)
	}
	events, wait := l.due(now.Add(Patience+3*time.Millisecond), true)
	if len(events) != 2 || events[0].Seq != 3 || events[1].Seq != 4 || wait != time.Millisecond {
		t.Errorf("due = %d events, then %v", len(events), wait)
	}
	if events, wait = l.due(now.Add(Patience+4*time.Millisecond), true); len(events) != 1 || events[0].Seq != 5 || wait != time.Millisecond {
		t.Errorf("due = %d events, then %v", len(events), wait)
	}
	if events, wait = l.due(now.Add(time.Second), false); len(events) != MaxPending-3 || wait != idle {
		t.Errorf("without a port: %d events, then %v", len(events), wait)
	}
}

func TestCheckAddress(t *testing.T) {
	for _, c := range []struct {
		addr string
		near bool
		ok   bool
	}{
		{"192.0.2.7:1500", false, true},
		{"10.0.0.7:7485", false, true},
		{"[2001:db8::1]:20000", false, true},
		{"192.0.2.7:1023", true, false},
		{"192.0.2.7:0", true, false},
		{"127.0.0.1:1500", false, false},
		{"127.0.0.1:1500", true, true},
		{"[::1]:1500", false, false},
		{"[::ffff:127.0.0.1]:1500", false, false},
		{"169.254.1.1:1500", false, false},
		{"[fe80::1]:1500", false, false},
		{"224.0.0.1:1500", true, false},
		{"[::ffff:224.0.0.1]:1500", true, false},
		{"[ff02::1]:1500", true, false},
		{"0.0.0.0:1500", true, false},
		{"[::]:1500", true, false},
		{"255.255.255.255:1500", true, false},
	} {
		if err := CheckAddress(netip.MustParseAddrPort(c.addr), c.near); (err == nil) != c.ok {
			t.Errorf("CheckAddress(%s, near %v) = %v", c.addr, c.near, err)
		}
	}
	if CheckAddress(netip.AddrPort{}, true) == nil {
		t.Error("no address is allowed")
	}
}

// TestTentative: what only a node that is cut off knows is told by it, once.
func TestTentative(t *testing.T) {
	t.Parallel()
	c, cl := &cluster{}, newClient(t, "s1")
	c.logIn(cl.session)
	n := c.open(t, "north", near)
	own := make(chan []fax.Event, 10)
	defer n.Attach("s1", "reception", 0, func(e []fax.Event) error { own <- e; return nil })()
	for i := range uint64(2) {
		e := fax.Event{Account: "reception", Seq: fax.Tentative + 2*i + 1, Kind: fax.EventSent, Fax: "f", Node: "north", At: fax.At(time.Now())}
		old := e
		old.Seq, old.At = e.Seq-1, 1 // from before the login
		c.change(func() { c.early = append(c.early, old, e) })
		if got := next(t, cl.told); got.event.Identity() != e.Identity() || got.event.Seq != e.Seq {
			t.Fatalf("got %+v, want %+v", got, e)
		}
		n.Ack("s1", []uint64{e.Seq})
	}
	c.happens("north")
	if got := next(t, cl.told); got.event.Seq != 1 {
		t.Errorf("got %+v", got)
	}
}
