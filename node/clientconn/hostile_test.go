package clientconn_test

import (
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
	"github.com/faxmesh/faxmesh/node/clientconn"
)

func TestWhoDoesNotSpeakTheProtocolIsClosedAndLogged(t *testing.T) {
	for name, c := range map[string]struct {
		octets string
		login  bool
		log    string
	}{
		"oversized before login":  {header(wire.MaxEarlyPayload+1, wire.REQ, 1), false, "at most 4096"},
		"4 G":                     {"\xff\xff\xff\xff\x01\x00\x00\x00\x00\x01", false, "at most 4096"},
		"unknown type":            {"\x00\x00\x00\x00\x63\x00\x00\x00\x00\x01", false, "type 99"},
		"not a request":           {header(0, wire.DATA, 1), false, "DATA before a login"},
		"stream 0":                {header(1, wire.REQ, 0) + "\x80", false, "request 0"},
		"oversized after login":   {"\x00\x01\x00\x01\x01\x00\x00\x00\x00\x02", true, "at most 65536"},
		"stream again":            {header(1, wire.REQ, 1) + "\x80", true, "request 1 after request 1"},
		"a node's frame":          {header(1, wire.PUSH, 0) + "\x80", true, "PUSH is not for clients"},
		"data from nowhere":       {header(1, wire.DATA, 9) + "x", true, "has not begun"},
		"data on the connection":  {header(1, wire.DATA, 0) + "x", true, "has not begun"},
		"window from nowhere":     {header(0, wire.WINDOW, 7), true, "has not begun"},
		"hello of another port":   {header(1, wire.HELLO, 0) + "\x80", true, "HELLO is not for clients"},
		"cut in a frame's middle": {header(100, wire.REQ, 2) + "abc", true, "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			cluster, log := start(t, clientconn.Limits{})
			r := dial(t, cluster.Addrs()[0])
			if c.login {
				r.login()
			}
			if _, err := io.WriteString(r, c.octets); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(name, "cut") {
				_ = r.Close()
			} else if last := r.closed(); len(last) != 1 || last[0].Type != wire.GOAWAY {
				t.Errorf("the node's last words: %v", last)
			}
			log.eventually(t, c.log)
			alive(t, cluster.Addrs()[0])
		})
	}
}

func TestWhatIsNotTLSIsClosedAndLogged(t *testing.T) {
	cluster, log := start(t, clientconn.Limits{})
	conn, err := net.Dial("tcp", cluster.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: fax\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(conn)
	log.eventually(t, "first record does not look like a TLS handshake")
	alive(t, cluster.Addrs()[0])
}

func TestNoiseHarmsNobody(t *testing.T) {
	cluster, _ := start(t, clientconn.Limits{})
	noise := rand.New(rand.NewPCG(1, 2))
	for i := range 40 {
		r := dial(t, cluster.Addrs()[0])
		if i%2 == 0 {
			r.login()
		}
		junk := make([]byte, noise.IntN(8000))
		for k := range junk {
			junk[k] = byte(noise.Uint32())
		}
		if i%3 == 0 { // a frame that is well formed, with junk in it
			junk = junk[:min(len(junk), wire.MaxEarlyPayload)]
			_ = wire.WriteFrame(r, wire.Frame{Type: wire.REQ, Stream: 2, Payload: junk})
		} else {
			_, _ = r.Write(junk)
		}
		_ = r.Close()
	}
	alive(t, cluster.Addrs()[0])
}

func TestBadMessagesAreRefusedAndTheConnectionGoesOn(t *testing.T) {
	cluster, _ := start(t, clientconn.Limits{})
	r := dial(t, cluster.Addrs()[0])
	r.login()
	for _, payload := range []string{
		"", "\xc0\xc0", "\xdd\xff\xff\xff\xff", strings.Repeat("\x91", 60_000), "\x80", "\x81\xa1c\xa4jobs",
		"\x82\xa1c\xa4jobs\xa1b\xdd\xff\xff\xff\xff", "\x82\xa1c\xa4jobs\xa1b\xa3abc", "\x81\xa1c" + "\xd9\x40" + strings.Repeat("j", 64),
	} {
		r.next++
		r.send(wire.Frame{Type: wire.REQ, Stream: r.next, Payload: []byte(payload)})
		if e := r.refused(); e.Kind != fax.Invalid || e.Text == "" {
			t.Errorf("%.40q: %+v", payload, e)
		}
	}
	r.request("teleport", &wire.Done{})
	if e := r.refused(); e.Kind != fax.Unsupported || !strings.Contains(e.Text, "teleport") {
		t.Errorf("unknown command: %+v", e)
	}
	r.request(wire.CmdLogin, &wire.Login{Account: "reception", Password: password})
	if e := r.refused(); e.Kind != fax.Conflict {
		t.Errorf("login twice: %+v", e)
	}
	r.request(wire.CmdJobs, &wire.Jobs{})
	if f := r.read(); f.Type != wire.RES {
		t.Errorf("afterwards: %v", f.Type)
	}
}

func TestUploadsAreBounded(t *testing.T) {
	cluster, log := start(t, clientconn.Limits{})
	r := dial(t, cluster.Addrs()[0])
	r.login()
	r.request(wire.CmdUpload, &wire.Upload{Size: 1 << 30})
	if e := r.refused(); e.Kind != fax.TooLarge || !strings.Contains(e.Text, "256 MiB") {
		t.Errorf("1 GB: %+v", e)
	}
	begin := func(size int64) uint32 {
		t.Helper()
		id := r.request(wire.CmdUpload, &wire.Upload{Size: size})
		if f := r.read(); f.Type != wire.RES || f.Flags != wire.More || f.Stream != id {
			t.Fatalf("%v %q", f.Type, f.Payload)
		}
		return id
	}
	for name, f := range map[string]wire.Frame{
		"more than announced": {Type: wire.DATA, Payload: make([]byte, 11)},
		"an empty part":       {Type: wire.DATA},
		"no hash":             {Type: wire.DATA, Flags: wire.End, Payload: []byte("x")},
		"less than announced": {Type: wire.DATA, Flags: wire.End, Payload: make([]byte, 32)},
		"another frame":       {Type: wire.WINDOW, Payload: []byte("\x81\xa1o\x00")},
	} {
		f.Stream = begin(10)
		r.send(f)
		if e := r.refused(); e.Kind != fax.Invalid {
			t.Errorf("%s: %+v", name, e)
		}
		r.send(wire.Frame{Type: wire.DATA, Stream: f.Stream, Payload: []byte("was under way")})
	}
	id := begin(3)
	r.send(wire.Frame{Type: wire.DATA, Stream: id, Payload: []byte("abc")})
	if f := r.read(); f.Type != wire.WINDOW {
		t.Errorf("a part is answered with %v", f.Type)
	}
	r.send(wire.Frame{Type: wire.DATA, Flags: wire.End, Stream: id, Payload: make([]byte, 32)})
	if e := r.refused(); e.Kind != fax.Invalid {
		t.Errorf("wrong hash: %+v", e)
	}
	id = r.request(wire.CmdJobs, &wire.Jobs{})
	_ = r.read()
	other := r.request(wire.CmdUpload, &wire.Upload{Size: -1})
	_ = r.read()
	r.send(wire.Frame{Type: wire.CANCEL, Stream: other})
	r.send(wire.Frame{Type: wire.CANCEL, Stream: id})
	r.send(wire.Frame{Type: wire.CANCEL, Stream: 4_000_000})
	r.request(wire.CmdJobs, &wire.Jobs{})
	if f := r.read(); f.Type != wire.RES || log.String() != "" {
		t.Errorf("afterwards: %v, log %q", f.Type, log)
	}
}

func TestLoginsAreBounded(t *testing.T) {
	cluster, log := start(t, clientconn.Limits{PerAddress: 2})
	addr := cluster.Addrs()[0]
	r := dial(t, addr)
	r.request(wire.CmdJobs, &wire.Jobs{})
	if e := r.refused(); e.Kind != fax.BadLogin {
		t.Errorf("jobs before login: %+v", e)
	}
	r.request(wire.CmdLogin, &wire.Login{Account: "reception", Password: "wrong"})
	if e := r.refused(); e.Kind != fax.BadLogin {
		t.Errorf("wrong password: %+v", e)
	}
	r.request(wire.CmdLogin, &wire.Login{Account: "a\x1b[2Jb", Password: "wrong"})
	if e := r.refused(); e.Kind != fax.Invalid {
		t.Errorf("odd name: %+v", e)
	}
	r.closed()
	log.eventually(t, "no login in 3 requests")

	one, _ := dial(t, addr), dial(t, addr)
	third, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(third); len(b) != 0 {
		t.Errorf("the third stranger was told %q", b)
	}
	log.eventually(t, "2 connections of this address wait for a login")
	one.login() // makes room: who is known does not count
	dial(t, addr).login()
	dial(t, addr).login()
}

func TestLogFloodIsBounded(t *testing.T) {
	cluster, log := start(t, clientconn.Limits{})
	for range 60 {
		conn, err := net.Dial("tcp", cluster.Addrs()[0])
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "nonsense, again and again")
		_, _ = io.ReadAll(conn)
		_ = conn.Close()
	}
	log.eventually(t, "client connection closed")
	if n := strings.Count(log.String(), "client connection closed"); n > 40 {
		t.Errorf("%d lines for 60 refusals", n)
	}
}
