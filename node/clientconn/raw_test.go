package clientconn_test

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/faxmesh/faxmesh/clientlib/clienttest"
	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
	"github.com/faxmesh/faxmesh/node/clientconn"
)

const password = "correct horse"

// journal is a log that tests read.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

func start(t *testing.T, limits clientconn.Limits) (*clienttest.Cluster, *journal) {
	t.Helper()
	log := &journal{}
	c := clienttest.StartWith(t, limits, log.logger(), "north")
	c.Desk.AddPerson("reception", password, fax.Individual)
	return c, log
}

// raw is a client that says what the test wants.
type raw struct {
	net.Conn
	t    *testing.T
	next uint32
}

// dial connects, up to the exchange of prefaces.
func dial(t *testing.T, addr string) *raw {
	t.Helper()
	tcp, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return greet(t, tcp)
}

func greet(t *testing.T, conn net.Conn) *raw {
	t.Helper()
	secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Minute))
	if err := (wire.Preface{Min: 1, Max: 1}).Write(secure); err != nil {
		t.Fatal(err)
	}
	if _, err := wire.ReadAnswer(secure); err != nil {
		t.Fatal(err)
	}
	return &raw{Conn: secure, t: t}
}

func (r *raw) send(f wire.Frame) {
	r.t.Helper()
	if err := wire.WriteFrame(r, f); err != nil {
		r.t.Fatal(err)
	}
}

func (r *raw) request(command string, q wire.Message) uint32 {
	r.t.Helper()
	body, err := msgpack.Marshal(q) // not wire.Encode, which refuses what is tried here
	if err != nil {
		r.t.Fatal(err)
	}
	payload, err := wire.Encode(&wire.Request{Command: command, Body: body})
	if err != nil {
		r.t.Fatal(err)
	}
	r.next++
	r.send(wire.Frame{Type: wire.REQ, Stream: r.next, Payload: payload})
	return r.next
}

func (r *raw) login() {
	r.t.Helper()
	id := r.request(wire.CmdLogin, &wire.Login{Account: "reception", Password: password})
	if f := r.read(); f.Type != wire.RES || f.Stream != id {
		r.t.Fatalf("login answered with %v %q", f.Type, f.Payload)
	}
}

func (r *raw) read() wire.Frame {
	r.t.Helper()
	f, err := wire.ReadFrame(r, wire.MaxPayload)
	if err != nil {
		r.t.Fatal(err)
	}
	return f
}

// refused reads an ERR.
func (r *raw) refused() fax.Error {
	r.t.Helper()
	return r.failure(wire.ERR)
}

func (r *raw) failure(want wire.Type) fax.Error {
	r.t.Helper()
	f := r.read()
	var e wire.Failure
	if f.Type != want {
		r.t.Fatalf("%v where %v was expected", f.Type, want)
	}
	if err := wire.CheckThenDecode(f.Payload, &e); err != nil {
		r.t.Fatal(err)
	}
	return e.Error
}

// closed reads until the node closes; it returns what it said before.
func (r *raw) closed() (last []wire.Frame) {
	r.t.Helper()
	_ = r.SetReadDeadline(time.Now().Add(15 * time.Second))
	for {
		f, err := wire.ReadFrame(r, wire.MaxPayload)
		if e, ok := err.(net.Error); ok && e.Timeout() {
			r.t.Fatal("the node does not close")
		}
		if err != nil {
			return last
		}
		last = append(last, f)
	}
}

// eventually waits for the log, which is written after the connection ends.
func (j *journal) eventually(t *testing.T, part string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if strings.Contains(j.String(), part) {
			return
		}
	}
	t.Errorf("the log does not say %q:\n%s", part, j)
}

// alive checks that the node serves others.
func alive(t *testing.T, addr string) {
	t.Helper()
	r := dial(t, addr)
	r.login()
	r.request(wire.CmdJobs, &wire.Jobs{})
	if f := r.read(); f.Type != wire.RES {
		t.Errorf("afterwards the node answers %v", f.Type)
	}
	_ = r.Close()
}

func header(length uint32, typ wire.Type, stream uint32) string {
	return fmt.Sprintf("%c%c%c%c%c\x00%c%c%c%c", length>>24, length>>16&0xff, length>>8&0xff, length&0xff, typ,
		stream>>24, stream>>16&0xff, stream>>8&0xff, stream&0xff)
}
