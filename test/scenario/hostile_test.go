//go:build linux

package scenario

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"math/big"
	"math/rand/v2"
	"net"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// fairMemory is what a node may need, in MiB, while strangers try its doors.
// Logins take most of it: 19 MiB for each password that is hashed.
const fairMemory = 192

// TestHostile lets strangers loose on the node north of a small cluster while
// a clerk goes on working there.
func TestHostile(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	north := l.found(t, "north")
	south := l.join(t, north, "south", 1)
	goHome := north.standBy(t)
	admin := north.login(t, "admin", adminPassword)

	north.proc.bounded(t, fairMemory, func() {
		t.Run("doors", func(t *testing.T) { // all at once; what each is told is exact
			t.Run("clients", func(t *testing.T) { clientDoor(t, north) })
			t.Run("nodes", func(t *testing.T) { clusterDoor(t, north) })
			t.Run("gossip", func(t *testing.T) { gossipDoor(t, north) })
			t.Run("names", func(t *testing.T) { oddNames(t, north, admin) })
			t.Run("tokens", func(t *testing.T) { forgedTokens(t, north, admin) })
		})
		// Only so many refusals are logged in a while. Those above are about as many
		// as may come at once; those who are slow are refused behind them, and
		// floods, which use up what is left, come last.
		t.Run("time", func(t *testing.T) {
			t.Run("slow", func(t *testing.T) { slowStrangers(t, north) })
			t.Run("passwords", func(t *testing.T) { wrongPasswords(t, north, admin) })
		})
		t.Run("crowd", func(t *testing.T) { crowd(t, north) })
		t.Run("noise", func(t *testing.T) { noise(t, north) })
	})
	t.Run("documents", func(t *testing.T) { badDocuments(t, north) })

	ctx, cancel := asking(t)
	defer cancel()
	nodes, err := admin.Cluster(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		if !n.Alive {
			t.Errorf("%s has lost %s", north.name, n.Node.Name)
		}
	}
	if len(nodes) != 2 {
		t.Errorf("the cluster has %d nodes", len(nodes))
	}
	for line := range strings.Lines(north.proc.said.String()) {
		if strings.Contains(line, "level=ERROR") {
			t.Errorf("what strangers do is no error of the node: %s", line)
		}
	}
	goHome()
	south.proc.stop(t)
	linger(t, north)
	north.proc.stop(t)
}

// linger leaves connections at every stage, none of which may keep the node
// from stopping.
func linger(t *testing.T, n *node) {
	t.Helper()
	from := loopback(t, "strangers")
	for _, arrive := range []func(t *testing.T, from, to string) *stranger{meet, shaken, meetClient, known} {
		arrive(t, from, n.clients)
	}
	meet(t, from, n.clusters)
	shaken(t, from, n.clusters)
	half := known(t, from, n.clients)
	id := half.asks(t, wire.CmdUpload, &wire.Upload{Size: 1 << 20})
	if f := half.hears(t); f.Type != wire.RES {
		t.Fatalf("an upload is answered with %s", f.Type)
	}
	if _, err := half.Write(frame(wire.DATA, id, make([]byte, wire.Chunk))); err != nil {
		t.Fatal(err)
	}
}

// closedLine is the line in which a node says why it has closed a stranger's
// connection.
func closedLine(addr, reason string) *regexp.Regexp {
	return regexp.MustCompile(`client connection closed.*peer=` + regexp.QuoteMeta(addr) + ` reason=[^\n]*` + regexp.QuoteMeta(reason))
}

// clientDoor: what is no frame of the protocol ends the connection, which the
// log explains; what is one but makes no sense is answered, and the connection
// goes on.
func clientDoor(t *testing.T, n *node) {
	t.Parallel()
	from := loopback(t, "strangers")
	for name, c := range map[string]struct {
		arrive func(t *testing.T, from, to string) *stranger
		octets []byte
		hangUp bool
		told   bool // the reason, before the connection is closed
		reason string
	}{
		"no TLS":              {meet, []byte("GET / HTTP/1.1\r\nHost: fax\r\n\r\n"), false, false, "first record does not look like a TLS handshake"},
		"TLS, then HTTP":      {met, []byte("GET / HTTP/1.1\r\nHost: fax\r\n\r\n"), false, false, "does not speak the faxmesh protocol"},
		"a later version":     {met, []byte("FAX1\x09\x0a\x00\x00"), false, false, "the client speaks versions 9 to 10 of the protocol, this node 1 to 1"},
		"oversized":           {meetClient, header(wire.MaxEarlyPayload+1, wire.REQ, 1), false, true, "REQ announces 4097 octets, at most 4096 are allowed here"},
		"four gigabytes":      {meetClient, header(1<<32-1, wire.REQ, 1), false, true, "at most 4096"},
		"no type of frame":    {meetClient, header(0, 99, 1), false, true, "type 99 is not known"},
		"no login":            {meetClient, frame(wire.DATA, 1, []byte("x")), false, true, "DATA before a login"},
		"a name of 10 kB":     {meetClient, frame(wire.REQ, 1, loginPayload(t, string(bytes.Repeat([]byte("a"), 10_000)))), false, false, "at most 4096"},
		"cut in a frame":      {meetClient, append(header(100, wire.REQ, 1), "abc"...), true, false, "unexpected EOF"},
		"known, oversized":    {known, header(wire.MaxPayload+1, wire.REQ, 2), false, true, "at most 65536"},
		"known, foreign data": {known, frame(wire.DATA, 9, []byte("x")), false, true, "has not begun"},
		"known, cut":          {known, append(header(60_000, wire.REQ, 2), "abc"...), true, false, "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			mark := n.proc.said.mark()
			s := c.arrive(t, from, n.clients)
			// The node may have closed before it was given all; its last words are
			// then overtaken by the reset, and the log says what it thought.
			if _, err := s.Write(c.octets); err != nil && c.told {
				t.Fatal(err)
			}
			if c.hangUp {
				_ = s.Close()
			} else if why := s.closed(t, closeTime); c.told {
				kindOf(t, "the node's last words", why, fax.Invalid, c.reason)
			}
			n.proc.said.awaitMatch(t, mark, closedLine(s.addr, c.reason), closeTime)
		})
	}
	t.Run("nonsense is answered", func(t *testing.T) {
		s := meetClient(t, from, n.clients)
		s.sends(t, bytes.Repeat([]byte{0x91}, 4000))
		kindOf(t, "deeply nested before login", s.refused(t), fax.Invalid, "nested deeper than 16")
		s.asks(t, wire.CmdJobs, &wire.Jobs{})
		kindOf(t, "jobs before login", s.refused(t), fax.BadLogin, "log in before")
		if _, err := s.logsIn(t, wire.Login{Account: "admin", Password: adminPassword}); err != nil {
			t.Fatal(err)
		}
		for what, payload := range map[string]string{
			"nested deeper than 16":        string(bytes.Repeat([]byte{0x91}, 60_000)),
			"it ends too early":            "",
			"a value announces":            "\xdd\xff\xff\xff\xff",
			"names no command":             "\x80",
			"text that is not UTF-8":       "\x81\xa1c\xa2\xff\xfe",
			"octets behind its end":        "\xc0\xc0",
			"begins no value that is used": "\xc1",
		} {
			s.sends(t, []byte(payload))
			kindOf(t, what, s.refused(t), fax.Invalid, what)
		}
		s.asks(t, "teleport", &wire.Done{})
		kindOf(t, "an unknown command", s.refused(t), fax.Unsupported, "teleport")
		s.asks(t, wire.CmdJobs, &wire.Jobs{})
		if f := s.hears(t); f.Type != wire.RES {
			t.Errorf("after all that the node answers %s", f.Type)
		}
	})
}

func loginPayload(t *testing.T, account string) []byte {
	body, err := wire.Encode(&wire.Done{})
	if err != nil {
		t.Fatal(err)
	}
	return append(body, account...) // it is refused for its size, before anybody looks
}

// met is meetTLS without a certificate.
func met(t *testing.T, from, to string) *stranger { return meetTLS(t, from, to) }

// shaken has done the TLS handshake and says nothing more.
func shaken(t *testing.T, from, to string) *stranger {
	t.Helper()
	s := meetTLS(t, from, to)
	if err := s.Conn.(*tls.Conn).HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// known has logged in.
func known(t *testing.T, from, to string) *stranger {
	t.Helper()
	s := meetClient(t, from, to)
	if _, err := s.logsIn(t, wire.Login{Account: "admin", Password: adminPassword}); err != nil {
		t.Fatal(err)
	}
	return s
}

// clusterDoor: a stranger gets no octet of ours beyond the TLS handshake, and
// the log says why.
func clusterDoor(t *testing.T, n *node) {
	t.Parallel()
	from := loopback(t, "strangers")
	joining := binary.BigEndian.AppendUint32([]byte("j"), 1<<31)
	for name, c := range map[string]struct {
		stranger *stranger
		octets   []byte
		reason   string
	}{
		"no TLS":              {meet(t, from, n.clusters), []byte("GET / HTTP/1.1\r\n\r\n"), "first record does not look like a TLS handshake"},
		"no protocol":         {meetTLS(t, from, n.clusters), []byte("\x00"), "0x0 is no protocol of the cluster port"},
		"gossip unproved":     {meetTLS(t, from, n.clusters), []byte("g\x00\x00\x00"), "no certificate was shown for gossip"},
		"raft unproved":       {meetTLS(t, from, n.clusters), []byte("r\x00\x00\x00"), "no certificate was shown for raft"},
		"blob unproved":       {meetTLS(t, from, n.clusters), []byte("b\x00\x00\x00"), "no certificate was shown for blob"},
		"request unproved":    {meetTLS(t, from, n.clusters), []byte("q\x00\x00\x00"), "no certificate was shown for request"},
		"another authority":   {meetTLS(t, from, n.clusters, selfMade(t)), []byte("q"), "certificate"},
		"joining, oversized":  {meetTLS(t, from, n.clusters), joining, "the frame is larger than allowed here: 2147483648 octets, at most 8192"},
		"joining, not formed": {meetTLS(t, from, n.clusters), []byte("j\x00\x00\x00\x04\x91\x91\x91\x91"), "the request is not well-formed"},
		"joining, nested":     {meetTLS(t, from, n.clusters), append([]byte("j\x00\x00\x1f\x40"), bytes.Repeat([]byte("["), 8000)...), "the request is not well-formed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _ = c.stranger.Write(c.octets) // a refused handshake is a reason to fail
			_ = c.stranger.SetReadDeadline(time.Now().Add(closeTime))
			got := make([]byte, 1)
			k, err := c.stranger.Read(got)
			if timeout, ok := err.(net.Error); k > 0 || ok && timeout.Timeout() {
				t.Errorf("the stranger was told %q, %v", got[:k], err)
			}
			host, _, _ := net.SplitHostPort(c.stranger.addr)
			n.proc.said.awaitMatch(t, 0, regexp.MustCompile(`level=WARN msg="(a connection was refused|a node could not join)"[^\n]* from=`+
				regexp.QuoteMeta(host)+`[^\n]*`+regexp.QuoteMeta(c.reason)), closeTime)
		})
	}
}

// selfMade is a certificate that names the node south, and is its own
// authority.
func selfMade(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		URIs:        []*url.URL{{Scheme: "faxmesh", Host: "0123456789abcdef", Path: "/node/south"}}}
	der, err := x509.CreateCertificate(crand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// gossipDoor: packets that the cluster has not encrypted are dropped, with a
// line in the log.
func gossipDoor(t *testing.T, n *node) {
	t.Parallel()
	to, err := net.ResolveUDPAddr("udp", n.clusters)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(loopback(t, "strangers"))}, to)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	random := rand.New(rand.NewPCG(3, 4))
	for _, size := range []int{0, 1, 2, 28, 29, 100, 1400, 2048, 2049, 9000, 60_000} {
		for range 20 {
			packet := make([]byte, size)
			for i := range packet {
				packet[i] = byte(random.Uint32())
			}
			if size > 0 && size%2 == 0 {
				packet[0] = 12 // how an encrypted message would begin
			}
			if _, err := conn.Write(packet); err != nil {
				t.Fatal(err)
			}
		}
	}
	n.proc.said.awaitMatch(t, 0, regexp.MustCompile(`level=WARN msg="gossip: [^\n]*`+regexp.QuoteMeta(conn.LocalAddr().String())), closeTime)
}

// slowStrangers: who says nothing, or says it octet by octet, is shown the
// door when his time is over, not when he likes.
func slowStrangers(t *testing.T, n *node) {
	t.Parallel()
	from := loopback(t, "strangers")
	hello := []byte{22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3} // how a TLS handshake begins
	drip := append(header(200, wire.REQ, 1), bytes.Repeat([]byte{0x91}, 200)...)
	var waiting sync.WaitGroup // all at once, however many tests may run at a time
	defer waiting.Wait()
	for name, c := range map[string]struct {
		arrive func(t *testing.T, from, to string) *stranger
		to     string
		octets []byte // one in a while
		within time.Duration
	}{
		"silent client":         {meet, n.clients, nil, wire.HandshakeTimeout},
		"slow client handshake": {meet, n.clients, hello, wire.HandshakeTimeout},
		"no preface":            {shaken, n.clients, nil, wire.HandshakeTimeout},
		"no login":              {meetClient, n.clients, nil, wire.LoginTimeout},
		"slow login":            {meetClient, n.clients, drip, wire.LoginTimeout},
		"silent node":           {meet, n.clusters, nil, wire.HandshakeTimeout},
		"slow node handshake":   {meet, n.clusters, hello, wire.HandshakeTimeout},
		"no protocol":           {shaken, n.clusters, nil, wire.HandshakeTimeout},
	} {
		s := c.arrive(t, from, c.to)
		begun := time.Now()
		waiting.Go(func() { s.drip(c.octets) })
		waiting.Go(func() {
			s.closed(t, c.within+closeTime/2)
			if took := time.Since(begun); took < c.within/2 {
				t.Errorf("%s: the node closed after %v already; nobody was slow here", name, took)
			}
			_ = s.Close()
		})
	}
}

// drip says one octet in a while.
func (s *stranger) drip(octets []byte) {
	for _, octet := range octets {
		if _, err := s.Write([]byte{octet}); err != nil {
			return
		}
		time.Sleep(300 * time.Millisecond) // this is what is slow about him
	}
}
