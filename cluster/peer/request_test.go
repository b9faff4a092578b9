package peer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// pipes is a listener whose connections are made by dial, without a network.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return nil }

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.done:
	case <-ctx.Done():
	}
	return nil, net.ErrClosed
}

func silent() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func TestCalls(t *testing.T) {
	l := newPipes()
	s := Serve(l, silent())
	defer s.Close()
	dials := 0
	c := NewClient(func(ctx context.Context, node string) (net.Conn, error) {
		if node != "north" {
			return nil, errors.New("no such node")
		}
		dials++
		return l.dial(ctx)
	})
	defer c.Close()
	s.Handle("echo", func(_ context.Context, _ string, body []byte) ([]byte, error) { return body, nil })
	s.Handle("refuse", func(context.Context, string, []byte) ([]byte, error) {
		return nil, fmt.Errorf("really: %w", fax.Errorf(fax.Conflict, "the job runs"))
	})
	s.Handle("endless", func(context.Context, string, []byte) ([]byte, error) { return make([]byte, MaxBody+1), nil })
	for _, body := range [][]byte{nil, []byte("hello"), bytes.Repeat([]byte{7}, MaxBody)} {
		got, err := c.Call(t.Context(), "north", "echo", body)
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("echo of %d octets: %d, %v", len(body), len(got), err)
		}
	}
	for method, kind := range map[string]fax.Kind{"refuse": fax.Conflict, "unknown": fax.Unsupported, "endless": fax.TooLarge} {
		if _, err := c.Call(t.Context(), "north", method, nil); fax.KindOf(err) != kind {
			t.Errorf("%s: %v, want %v", method, err, kind)
		}
	}
	if dials != 1 {
		t.Errorf("%d connections for calls one after another, want 1", dials)
	}
	if _, err := c.Call(t.Context(), "north", "echo", make([]byte, MaxBody+1)); !errors.Is(err, errFrame) {
		t.Errorf("too large: %v", err)
	}
	if _, err := c.Call(t.Context(), "west", "echo", nil); !errors.Is(err, ErrUnsent) {
		t.Errorf("nobody there: %v", err)
	}
}

// After the peer's restart a pooled connection is dead; the call goes over a
// new one.
func TestRestartedPeer(t *testing.T) {
	l := newPipes()
	s := Serve(l, silent())
	c := NewClient(func(ctx context.Context, _ string) (net.Conn, error) { return l.dial(ctx) })
	defer c.Close()
	echo := func(_ context.Context, _ string, body []byte) ([]byte, error) { return body, nil }
	s.Handle("echo", echo)
	if _, err := c.Call(t.Context(), "north", "echo", nil); err != nil {
		t.Fatal(err)
	}
	s.Close()
	l = newPipes()
	s = Serve(l, silent())
	defer s.Close()
	s.Handle("echo", echo)
	if _, err := c.Call(t.Context(), "north", "echo", nil); err != nil {
		t.Error(err)
	}
}

// A node that takes requests and never answers costs a call its own patience,
// no more, and the handler learns that nobody waits.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		s := Serve(l, silent())
		c := NewClient(func(ctx context.Context, _ string) (net.Conn, error) { return l.dial(ctx) })
		var ended atomic.Int64
		begun := time.Now()
		s.Handle("hang", func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
			<-ctx.Done()
			ended.Store(int64(time.Since(begun)))
			return nil, ctx.Err()
		})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := c.CallOnce(ctx, "north", "hang", nil)
		if err == nil || time.Since(begun) > 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		synctest.Wait()
		if got := time.Duration(ended.Load()); got != 3*time.Second {
			t.Errorf("the handler ended after %v", got)
		}
		c.Close()
		s.Close()
	})
}

// An idle connection is closed after IdleTime, by whichever end is first.
func TestIdleConnectionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		s := Serve(l, silent())
		dials := 0
		c := NewClient(func(ctx context.Context, _ string) (net.Conn, error) { dials++; return l.dial(ctx) })
		s.Handle("echo", func(_ context.Context, _ string, body []byte) ([]byte, error) { return body, nil })
		for range 2 {
			if _, err := c.Call(t.Context(), "north", "echo", nil); err != nil {
				t.Error(err)
			}
			time.Sleep(IdleTime + time.Second)
			s.mu.Lock()
			if len(s.conns) != 0 {
				t.Errorf("%d idle connections stay open", len(s.conns))
			}
			s.mu.Unlock()
		}
		if dials != 2 {
			t.Errorf("%d connections, want 2", dials)
		}
		c.Close()
		s.Close()
	})
}

func TestHostileFrames(t *testing.T) {
	l := newPipes()
	s := Serve(l, silent())
	defer s.Close()
	for name, octets := range map[string][]byte{
		"oversized":   {0xff, 0xff, 0xff, 0xff},
		"too short":   {0, 0, 0, 1, 0},
		"long method": {0, 0, 0, 6, 0, 0, 0, 1, 200, 'x'},
		"lying":       {0, 0, 0, 6, 0, 0, 0, 1, 9, 'x'},
	} {
		conn, err := l.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		conn.Write(octets)
		if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("%s: %d octets, %v; want a closed connection", name, n, err)
		}
		conn.Close()
	}
}

func FuzzRequest(f *testing.F) {
	f.Add(encodeRequest(time.Second, "propose", []byte("body")))
	f.Add([]byte{0, 0, 0, 0, 255})
	f.Fuzz(func(t *testing.T, frame []byte) {
		patience, method, body, err := decodeRequest(frame)
		if err == nil && (patience > CallTime || len(method) > MaxMethod || !bytes.HasSuffix(frame, body)) {
			t.Fatal(patience, method, body)
		}
		if answer, err := decodeAnswer(frame); err == nil && !bytes.Equal(encodeAnswer(answer, nil), frame) {
			t.Fatal("the answer does not encode to what it was")
		}
		// What a stream says of lengths is believed up to the limit only.
		if got, err := ReadFrame(bytes.NewReader(frame), 64); err == nil {
			if n := binary.BigEndian.Uint32(frame); int(n) != len(got) || n > 64 {
				t.Fatal(n, len(got))
			}
		}
	})
}
