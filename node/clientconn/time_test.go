package clientconn_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/clienttest"
	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
	"github.com/faxmesh/faxmesh/node/clientconn"
)

// pipes is a listener in memory, for virtual time.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.done:
	default:
		close(p.done)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

func (p *pipes) dial(t *testing.T) net.Conn {
	a, b := net.Pipe()
	t.Cleanup(func() { _ = a.Close() })
	p.conns <- b
	return a
}

// timed runs a test in virtual time against a door over desk.
func timed(t *testing.T, wrap func(*clienttest.Counter) clientconn.Desk, test func(t *testing.T, p *pipes, door *clientconn.Server, log *journal)) {
	synctest.Test(t, func(t *testing.T) {
		desk := clienttest.NewDesk("test")
		desk.AddPerson("reception", password, fax.Individual)
		certificate := clienttest.NewAuthority(t, "test").Node(t, "north")
		log := &journal{}
		door, err := clientconn.New(clientconn.Config{Desk: wrap(desk.At("north")), TLS: &tls.Config{Certificates: []tls.Certificate{certificate}}, Logger: log.logger()})
		if err != nil {
			t.Fatal(err)
		}
		p, served := newPipes(), make(chan error)
		go func() { served <- door.Serve(p) }()
		test(t, p, door, log)
		if err := errors.Join(door.Close(), door.Close(), <-served); err != nil {
			t.Error(err)
		}
	})
}

func plain(c *clienttest.Counter) clientconn.Desk { return c }

func TestWhoSaysNothingIsClosed(t *testing.T) {
	timed(t, plain, func(t *testing.T, p *pipes, _ *clientconn.Server, log *journal) {
		begin := time.Now()
		_, _ = io.ReadAll(p.dial(t))
		if waited := time.Since(begin); waited != wire.HandshakeTimeout {
			t.Errorf("no TLS: closed after %v", waited)
		}
		begin = time.Now()
		greet(t, p.dial(t)).closed()
		if waited := time.Since(begin); waited != wire.LoginTimeout {
			t.Errorf("no login: closed after %v", waited)
		}
		known := greet(t, p.dial(t))
		known.login()
		begin = time.Now()
		for {
			if _, err := wire.ReadFrame(known, wire.MaxPayload); err != nil {
				break
			}
		}
		if waited := time.Since(begin); waited != wire.Dead {
			t.Errorf("no answer to pings: closed after %v", waited)
		}
		synctest.Wait()
		if n := strings.Count(log.String(), "timeout"); n != 3 {
			t.Errorf("%d of 3 in the log:\n%s", n, log)
		}
	})
}

// TestSlowLoris sends an octet now and then, which must not win time.
func TestSlowLoris(t *testing.T) {
	timed(t, plain, func(t *testing.T, p *pipes, _ *clientconn.Server, _ *journal) {
		begin := time.Now()
		r := greet(t, p.dial(t))
		go func() { _, _ = io.Copy(io.Discard, r) }()
		for _, b := range []byte(header(4000, wire.REQ, 1) + strings.Repeat("x", 4000)) {
			time.Sleep(time.Second)
			if _, err := r.Write([]byte{b}); err != nil {
				break
			}
		}
		if waited := time.Since(begin); waited > wire.LoginTimeout+2*time.Second {
			t.Errorf("closed after %v", waited)
		}
	})
}

// blocked is a desk whose jobs take until they are given up.
type blocked struct {
	*clienttest.Counter
	begun, ended chan struct{}
}

func (b blocked) Jobs(ctx context.Context, _ fax.Session, _ fax.JobFilter) ([]fax.Job, error) {
	b.begun <- struct{}{}
	<-ctx.Done()
	b.ended <- struct{}{}
	return nil, ctx.Err()
}

func TestRequestsUnderWay(t *testing.T) {
	begun, ended := make(chan struct{}, 200), make(chan struct{}, 200)
	wrap := func(c *clienttest.Counter) clientconn.Desk { return blocked{c, begun, ended} }
	timedChannels := func(test func(t *testing.T, p *pipes, door *clientconn.Server, log *journal)) {
		timed(t, wrap, test)
	}
	timedChannels(func(t *testing.T, p *pipes, door *clientconn.Server, _ *journal) {
		r := greet(t, p.dial(t))
		r.login()
		for range wire.MaxStreams {
			r.request(wire.CmdJobs, &wire.Jobs{})
		}
		r.request(wire.CmdJobs, &wire.Jobs{})
		if e := r.refused(); e.Kind != fax.Busy {
			t.Errorf("one request too many: %+v", e)
		}
		r.send(wire.Frame{Type: wire.CANCEL, Stream: 5})
		synctest.Wait()
		if len(begun) != wire.MaxStreams || len(ended) != 1 {
			t.Errorf("%d begun, %d given up", len(begun), len(ended))
		}
		r.request(wire.CmdInbox, &wire.Inbox{}) // in the place that is free now
		if f := r.read(); f.Type != wire.RES {
			t.Errorf("%v", f.Type)
		}
		go door.Close()
		if e := r.failure(wire.GOAWAY); e.Kind != fax.Unavailable {
			t.Errorf("last words %+v", e)
		}
		r.closed()
		synctest.Wait()
		if len(ended) != wire.MaxStreams {
			t.Errorf("%d requests ended with the door", len(ended))
		}
	})
}

func TestRequestsEndAtTheirDeadline(t *testing.T) {
	begun, ended := make(chan struct{}, 1), make(chan struct{}, 1)
	timed(t, func(c *clienttest.Counter) clientconn.Desk { return blocked{c, begun, ended} },
		func(t *testing.T, p *pipes, _ *clientconn.Server, _ *journal) {
			r := greet(t, p.dial(t))
			r.login()
			body, err := wire.Encode(&wire.Jobs{})
			if err != nil {
				t.Fatal(err)
			}
			payload, err := wire.Encode(&wire.Request{Command: wire.CmdJobs, Left: 1500, Body: body})
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			r.send(wire.Frame{Type: wire.REQ, Stream: 2, Payload: payload})
			if e := r.refused(); e.Kind != fax.Busy || time.Since(begin) != 1500*time.Millisecond {
				t.Errorf("%+v after %v", e, time.Since(begin))
			}
		})
}

// TestStalledTransfersEnd begins transfers and leaves them.
func TestStalledTransfersEnd(t *testing.T) {
	timed(t, func(c *clienttest.Counter) clientconn.Desk {
		c.PutJob(fax.Job{ID: "job1", Owner: "reception"}, make([]byte, 1<<20))
		return c
	}, func(t *testing.T, p *pipes, _ *clientconn.Server, _ *journal) {
		r := greet(t, p.dial(t))
		r.login()
		begin := time.Now()
		up := r.request(wire.CmdUpload, &wire.Upload{Size: -1})
		down := r.request(wire.CmdFetch, &wire.ByID{ID: "job1"})
		ended, data := map[uint32]bool{}, 0
		for len(ended) < 2 {
			switch f := r.read(); f.Type {
			case wire.PING:
				r.send(wire.Frame{Type: wire.PONG})
			case wire.DATA:
				data += len(f.Payload)
			case wire.ERR:
				ended[f.Stream] = true
			}
		}
		if data != wire.Window || !ended[up] || !ended[down] || time.Since(begin) > 2*time.Minute {
			t.Errorf("%d octets came, ended %v after %v", data, ended, time.Since(begin))
		}
	})
}
