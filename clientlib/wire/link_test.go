package wire

import (
	"bytes"
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// pair is two ends of one connection.
func pair(t *testing.T) (*Link, net.Conn) {
	t.Helper()
	a, b := net.Pipe()
	l := NewLink(a, time.Time{})
	t.Cleanup(func() {
		_ = l.Close()
		_ = b.Close()
	})
	return l, b
}

func TestSilenceIsFilledThenDeadly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, other := pair(t)
		begin := time.Now()
		pings := make(chan time.Duration, 10)
		go func() {
			for {
				f, err := ReadFrame(other, MaxPayload)
				if err != nil {
					return
				}
				if f.Type == PING {
					pings <- time.Since(begin)
				}
			}
		}()
		_, err := l.Read()
		if waited := time.Since(begin); err == nil || waited != Dead {
			t.Errorf("%v after %v, want the end after %v", err, waited, Dead)
		}
		if len(pings) != 2 || <-pings != Ping || <-pings != 2*Ping {
			t.Errorf("%d pings", len(pings))
		}
	})
}

func TestPingsAreAnswered(t *testing.T) {
	l, other := pair(t)
	go func() {
		_ = WriteFrame(other, Frame{Type: PING})
		if f, err := ReadFrame(other, MaxPayload); err == nil && f.Type == PONG {
			_ = WriteFrame(other, Frame{Type: RES, Stream: 3})
		}
		_ = other.Close()
	}()
	if f, err := l.Read(); err != nil || f.Type != RES {
		t.Errorf("%v, %v", f, err)
	}
}

func TestSlowReaderIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := pair(t) // nobody reads at the other end
		begin := time.Now()
		queued := 0
		for l.TrySend(Frame{Type: PUSH}) == nil {
			queued++
		}
		if err := l.TrySend(Frame{Type: PUSH}); !errors.Is(err, ErrSlow) || queued < urgentFrames {
			t.Errorf("%d queued, %v", queued, err)
		}
		for l.Send(t.Context(), Frame{Type: RES}) == nil {
		}
		if waited := time.Since(begin); waited != FrameTimeout {
			t.Errorf("cut off after %v, want %v", waited, FrameTimeout)
		}
	})
}

func TestDribbledFrameIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, other := pair(t)
		begin := time.Now()
		l.Trust()
		dribbled := make(chan struct{})
		go func() { // one octet a second: never silent, never done
			defer close(dribbled)
			_, err := other.Write([]byte("\x00\x00\xff\xff\x01\x00\x00\x00\x00\x01"))
			for ; err == nil; _, err = other.Write([]byte{0}) {
				time.Sleep(time.Second)
			}
		}()
		go func() {
			for {
				if _, err := ReadFrame(other, MaxPayload); err != nil {
					return
				}
			}
		}()
		_, err := l.Read()
		if waited := time.Since(begin); err == nil || waited != FrameTimeout {
			t.Errorf("%v after %v", err, waited)
		}
		<-dribbled
	})
}

func TestStrangersHaveLittleTimeAndRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close()
		l := NewLink(a, time.Now().Add(LoginTimeout))
		defer l.Close()
		go func() { _ = WriteFrame(b, Frame{Type: REQ, Payload: make([]byte, MaxEarlyPayload)}) }()
		if _, err := l.Read(); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if _, err := l.Read(); err == nil || time.Since(begin) != LoginTimeout {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
	l, other := pair(t)
	go func() { _ = WriteFrame(other, Frame{Type: REQ, Payload: make([]byte, MaxEarlyPayload+1)}) }()
	if _, err := l.Read(); !errors.Is(err, ErrFrame) {
		t.Errorf("a large first frame: %v", err)
	}
}

// TestEventsOvertakeDocuments fills the link with a document, then sends one
// event.
func TestEventsOvertakeDocuments(t *testing.T) {
	l, other := pair(t)
	ctx := t.Context()
	go func() {
		for range 50 {
			if l.SendBulk(ctx, Frame{Type: DATA, Payload: make([]byte, Chunk)}) != nil {
				return
			}
		}
	}()
	if _, err := ReadFrame(other, MaxPayload); err != nil {
		t.Fatal(err)
	}
	if err := l.TrySend(Frame{Type: PUSH}); err != nil {
		t.Fatal(err)
	}
	for behind := 0; ; behind++ {
		f, err := ReadFrame(other, MaxPayload)
		if err != nil {
			t.Fatal(err)
		}
		if f.Type == PUSH {
			if behind > 1 {
				t.Errorf("the event came behind %d parts of the document", behind)
			}
			return
		}
	}
}

func TestDrainSaysTheLastWords(t *testing.T) {
	l, other := pair(t)
	for range 3 {
		if err := l.TrySend(Frame{Type: GOAWAY, Payload: []byte("why")}); err != nil {
			t.Fatal(err)
		}
	}
	go func() { _ = l.Drain() }()
	for range 3 {
		if f, err := ReadFrame(other, MaxPayload); err != nil || f.Type != GOAWAY {
			t.Errorf("%v, %v", f, err)
		}
	}
	if err := errors.Join(l.Drain(), l.Close()); err != nil {
		t.Error(err)
	}
	if err := l.Send(t.Context(), Frame{Type: RES}); !errors.Is(err, ErrClosed) {
		t.Errorf("send afterwards: %v", err)
	}
}

func TestQueue(t *testing.T) {
	q := NewQueue(1000 + 3*frameCost)
	ctx := t.Context()
	for i := range 2 {
		if err := q.Put(Frame{Type: DATA, Stream: uint32(i), Payload: make([]byte, 500)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Put(Frame{Payload: make([]byte, 500)}); !errors.Is(err, ErrOverrun) {
		t.Errorf("over the limit: %v", err)
	}
	why := errors.New("over")
	q.Close(why)
	q.Close(errors.New("another"))
	for i := range 2 {
		if f, err := q.Get(ctx); err != nil || f.Stream != uint32(i) {
			t.Errorf("%v, %v", f, err)
		}
	}
	if _, err := q.Get(ctx); !errors.Is(err, why) {
		t.Errorf("after the end: %v", err)
	}
	if err := q.Put(Frame{}); !errors.Is(err, why) {
		t.Errorf("put after the end: %v", err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := NewQueue(10).Get(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	small := NewQueue(10 * frameCost)
	n := 0
	for small.Put(Frame{}) == nil {
		n++
	}
	if n != 10 {
		t.Errorf("%d empty frames fit", n)
	}
}

// TestFramesOverALink sends a document of random sizes through both ends.
func TestFramesOverALink(t *testing.T) {
	a, b := net.Pipe()
	from, to := NewLink(a, time.Time{}), NewLink(b, time.Time{})
	defer from.Close()
	defer to.Close()
	to.Trust()
	var want []byte
	go func() {
		for n := 1; n < MaxPayload; n = n*3 + 1 {
			_ = from.Send(context.Background(), Frame{Type: DATA, Payload: bytes.Repeat([]byte{byte(n)}, n)})
		}
		_ = from.Drain()
	}()
	for n := 1; n < MaxPayload; n = n*3 + 1 {
		want = bytes.Repeat([]byte{byte(n)}, n)
		f, err := to.Read()
		if err != nil || !bytes.Equal(f.Payload, want) {
			t.Fatalf("%d octets, want %d, %v", len(f.Payload), n, err)
		}
	}
}
