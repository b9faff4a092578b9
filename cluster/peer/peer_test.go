package peer

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// town is a cluster's nodes as the tests need them: who is a member, and where.
type town struct {
	mu      sync.Mutex
	members map[string]string // name to fingerprint
	addrs   map[string]string
	log     bytes.Buffer
}

func (w *town) member(name, fingerprint string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.members[name] == fingerprint
}

func (w *town) locate(name string) (string, string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	addr, ok := w.addrs[name]
	return addr, w.members[name], ok
}

func (w *town) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

func (w *town) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// settle adds a node to the town and opens its port.
func (w *town) settle(t *testing.T, id *Identity) *Mux {
	t.Helper()
	m, err := Listen("127.0.0.1:0", Config{Identity: id, Member: w.member, Locate: w.locate, Logger: slog.New(slog.NewTextHandler(w, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.members == nil {
		w.members, w.addrs = map[string]string{}, map[string]string{}
	}
	w.members[id.Name], w.addrs[id.Name] = id.Fingerprint(), m.Addr().String()
	return m
}

func found(t *testing.T, name string) *Identity {
	t.Helper()
	id, err := Found(name)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// admit makes another node of id's cluster.
func admit(t *testing.T, id *Identity, name string) *Identity {
	t.Helper()
	a, err := Apply(t.TempDir(), name)
	if err != nil {
		t.Fatal(err)
	}
	return accept(t, id, a)
}

func accept(t *testing.T, id *Identity, a *Applicant) *Identity {
	t.Helper()
	request, err := a.Request()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := id.Admit(request, a.Name)
	if err != nil {
		t.Fatal(err)
	}
	m, err := id.Membership(cert)
	if err != nil {
		t.Fatal(err)
	}
	other, err := a.Accept(m)
	if err != nil {
		t.Fatal(err)
	}
	return other
}

func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestIdentityOnDisk(t *testing.T) {
	north := found(t, "north")
	dir := t.TempDir()
	a, err := Apply(dir, "süd west")
	if err != nil {
		t.Fatal(err)
	}
	again, err := Apply(dir, "süd west")
	if err != nil {
		t.Fatal(err)
	}
	south := accept(t, north, a)
	if repeated := accept(t, north, again); repeated.Fingerprint() != south.Fingerprint() {
		t.Error("a repeated join gives another certificate")
	}
	if err := south.Save(dir); err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if loaded.Fingerprint() != south.Fingerprint() || loaded.Name != "süd west" || !bytes.Equal(loaded.SessionKey, north.SessionKey) {
		t.Errorf("loaded another identity: %+v", loaded)
	}
	for _, f := range []string{nodeFile, caKeyFile, secretsFile} {
		if info, err := os.Stat(filepath.Join(dir, f)); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: mode %v, %v; others may read it", f, info.Mode(), err)
		}
	}
	if err := found(t, "south").Save(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	// The key of one node beside the certificate of another is no identity.
	mixed, err := pair{key: south.own.key, leaf: north.own.leaf}.encode()
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(dir, nodeFile), mixed, 0o600)
	if _, err := Load(dir); err == nil {
		t.Error("a key that is not the certificate's was accepted")
	}
}

func TestMembersMeet(t *testing.T) {
	var w town
	one := found(t, "north")
	north, south := w.settle(t, one), w.settle(t, admit(t, one, "south"))
	for _, p := range []Proto{Gossip, Raft, Blob, Request} {
		out, err := north.Dial(patience(t), "south", p)
		if err != nil {
			t.Fatal(p, err)
		}
		defer out.Close()
		in, err := south.Listener(p).Accept()
		if err != nil {
			t.Fatal(p, err)
		}
		if name := in.(*Conn).Peer; name != "north" {
			t.Errorf("%v comes from %q", p, name)
		}
		go out.Write([]byte(p.String()))
		got := make([]byte, len(p.String()))
		if _, err := io.ReadFull(in, got); err != nil || string(got) != p.String() {
			t.Errorf("%v: got %q, %v", p, got, err)
		}
	}
	if _, err := north.Dial(patience(t), "west", Raft); err == nil {
		t.Error("a node that is not a member was dialled")
	}
	w.mu.Lock()
	w.addrs["south"] = w.addrs["north"]
	w.mu.Unlock()
	if _, err := north.Dial(patience(t), "south", Raft); err == nil || !strings.Contains(err.Error(), `node "north"`) {
		t.Errorf("north at south's address: %v", err)
	}
}

// closed reports whether the other end closes the connection without a word.
func closed(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(HandshakeTime + 3*time.Second))
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || os.IsTimeout(err) {
		t.Errorf("the port answers a stranger: %d octets, %v", n, err)
	}
}

func TestStrangersGetNothing(t *testing.T) {
	var w town
	one := found(t, "north")
	north := w.settle(t, one)
	addr := north.Addr().String()
	insecure := func(certs ...tls.Certificate) *tls.Config {
		cfg := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, NextProtos: Spoken.names()}
		if len(certs) > 0 { // shown whatever authority the port asks for
			cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certs[0], nil }
		}
		return cfg
	}
	other := found(t, "north")
	removed := admit(t, one, "south")
	for name, c := range map[string]struct {
		cfg   *tls.Config
		first byte
		why   string
	}{
		"no certificate":       {insecure(), byte(Raft), "no certificate"},
		"another cluster's":    {insecure(other.Certificate()), byte(Raft), "unknown authority"},
		"not a member":         {insecure(removed.Certificate()), byte(Raft), "not one of a member"},
		"no protocol":          {insecure(one.Certificate()), 'x', "no protocol"},
		"web":                  {&tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}, byte(Join), "no version of the cluster protocol in common"},
		"an old TLS":           {&tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}, byte(Join), "TLS handshake"},
		"join, another's cert": {insecure(other.Certificate()), byte(Join), "unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := tls.Dial("tcp", addr, c.cfg)
			if err == nil {
				defer conn.Close()
				conn.Write([]byte{c.first})
				closed(t, conn)
			}
			waitFor(t, func() bool { return strings.Contains(w.logged(), c.why) })
		})
	}
	t.Run("no version", func(t *testing.T) { // shown no certificate, not even for a member's own
		cfg := insecure(one.Certificate())
		cfg.NextProtos = nil
		cfg.VerifyConnection = func(tls.ConnectionState) error { t.Error("the port has said who it is"); return nil }
		if conn, err := tls.Dial("tcp", addr, cfg); err == nil {
			conn.Close()
			t.Error("the handshake is finished")
		}
		waitFor(t, func() bool { return strings.Contains(w.logged(), "which version") })
	})
	t.Run("noise", func(t *testing.T) {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.CopyN(conn, rand.Reader, 100_000) // fails once the port has closed it
		closeSoon(t, conn)
	})
	// After all that the port serves its members.
	conn, err := north.Dial(patience(t), "north", Request)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// closeSoon accepts a TLS alert, but then the connection must end.
func closeSoon(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(HandshakeTime))
	if n, err := io.Copy(io.Discard, c); n > 100 || os.IsTimeout(err) {
		t.Errorf("noise was answered with %d octets, %v", n, err)
	}
}

func waitFor(t *testing.T, what func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !what(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come about")
		}
	}
}

// Many silent connections of one address neither lock others out for good nor
// take more than their share.
func TestSilentConnections(t *testing.T) {
	var w town
	north := w.settle(t, found(t, "north"))
	var silent []net.Conn
	for range MaxPerAddress + 10 {
		c, err := net.Dial("tcp", north.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		silent = append(silent, c)
	}
	waitFor(t, func() bool { return strings.Contains(w.logged(), "too many connections") })
	north.mu.Lock()
	pending := north.pending
	north.mu.Unlock()
	if pending > MaxPerAddress {
		t.Errorf("%d strangers of one address are waited for", pending)
	}
	for _, c := range silent {
		c.Close()
	}
	waitFor(t, func() bool {
		conn, err := north.Dial(patience(t), "north", Request)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

func TestJoinWithoutCertificate(t *testing.T) {
	var w town
	id := found(t, "north")
	north := w.settle(t, id)
	addr := north.Addr().String()
	conn, err := DialJoin(patience(t), addr, id.Authority())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in, err := north.Listener(Join).Accept()
	if err != nil || in.(*Conn).Peer != "" {
		t.Fatal(in, err)
	}
	if _, err := DialJoin(patience(t), addr, found(t, "north").Authority()); err == nil || !strings.Contains(err.Error(), "token") {
		t.Errorf("another cluster's authority: %v", err)
	}
}

func TestExpel(t *testing.T) {
	var w town
	one := found(t, "north")
	north, south := w.settle(t, one), w.settle(t, admit(t, one, "south"))
	conn, err := south.Dial(patience(t), "north", Gossip)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := north.Listener(Gossip).Accept(); err != nil {
		t.Fatal(err)
	}
	north.Expel()
	w.mu.Lock()
	delete(w.members, "south")
	w.mu.Unlock()
	north.Expel()
	closed(t, conn)
}

func TestCloseEndsEverything(t *testing.T) {
	var w town
	one := found(t, "north")
	north := w.settle(t, one)
	half, err := net.Dial("tcp", north.Addr().String()) // in the handshake
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	whole, err := north.Dial(patience(t), "north", Raft)
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	begun := time.Now()
	north.Close()
	north.Close()
	if took := time.Since(begun); took > HandshakeTime/2 {
		t.Errorf("Close took %v", took)
	}
	closed(t, half)
	closed(t, whole)
	if _, err := north.Listener(Raft).Accept(); err == nil {
		t.Error("a closed port accepts")
	}
}
