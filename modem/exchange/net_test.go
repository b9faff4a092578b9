package exchange

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func serve(t *testing.T, x *Exchange) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, ln, x) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return ln.Addr().String()
}

func TestPlugFromOutside(t *testing.T) {
	x := New(Config{Speed: 12.5})
	t.Cleanup(func() { x.Close() })
	addr := serve(t, x)
	p, err := DialPort(t.Context(), addr, "0301")
	if err != nil {
		t.Fatal(err)
	}
	if p.Speed() != 12.5 {
		t.Errorf("speed %v", p.Speed())
	}
	if _, err := DialPort(t.Context(), addr, "0301"); err == nil || !strings.Contains(err.Error(), ErrInUse.Error()) {
		t.Errorf("number in use: %v", err)
	}
	if _, err := DialPort(t.Context(), addr, "03\r\n01"); !errors.Is(err, ErrNumber) {
		t.Errorf("no number: %v", err)
	}
	p.Write([]byte("ATI\r"))
	r := bufio.NewReader(p)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(line, "simulated") {
			break
		}
	}
	p.Close()
	for deadline := time.Now().Add(5 * time.Second); ; {
		p, err := DialPort(t.Context(), addr, "0301")
		if err == nil {
			p.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("number is not free again: %v", err)
		}
	}
}

// A stranger gets a refusal or a closed connection, and harms nobody.
func TestStrangersAtTheDoor(t *testing.T) {
	x := New(Config{})
	t.Cleanup(func() { x.Close() })
	addr := serve(t, x)
	for _, said := range []string{"GET / HTTP/1.1\r\n\r\n", "PLUG \r\n", "PLUG 12ab\r\n", strings.Repeat("x", 5000), "\x16\x03\x01\r\n"} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		conn.Write([]byte(said))
		got, err := io.ReadAll(io.LimitReader(conn, 1000))
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("%.20q: the connection stays open", said)
		}
		if strings.Contains(string(got), okWord) {
			t.Errorf("%.20q is answered %q", said, got)
		}
		conn.Close()
	}
	if p, err := DialPort(t.Context(), addr, "0301"); err != nil {
		t.Errorf("after the strangers: %v", err)
	} else {
		p.Close()
	}
}

func TestDialPortKnowsAnExchange(t *testing.T) {
	for _, said := range []string{"220 mail ready\r\n", greeting + "fast\r\n", greeting + "-1\r\n", greeting + "NaN\r\n", strings.Repeat("x", 1000)} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			conn, err := ln.Accept()
			if err == nil {
				conn.Write([]byte(said))
				io.Copy(io.Discard, conn)
				conn.Close()
			}
		}()
		if _, err := DialPort(t.Context(), ln.Addr().String(), "0301"); !errors.Is(err, ErrNotExchange) {
			t.Errorf("%.20q: %v", said, err)
		}
		ln.Close()
	}
}

// The same seed damages the same bits; about as many as the rate says.
func TestDamage(t *testing.T) {
	const octets = 1 << 16
	damaged := func(seed uint64, rate float64) (data []byte, bits int) {
		w := newWire(seed, 1)
		data = make([]byte, octets)
		for part := data; len(part) > 0; part = part[64:] {
			w.flip(part[:64], rate)
		}
		for _, b := range data {
			for ; b != 0; b &= b - 1 {
				bits++
			}
		}
		return data, bits
	}
	for _, rate := range []float64{0, 1e-4, 1e-2, 0.5, 1} {
		data, bits := damaged(1, rate)
		if want := rate * octets * 8; float64(bits) < want*0.6-1 || float64(bits) > want*1.4+1 {
			t.Errorf("rate %v: %d bits damaged, want about %.0f", rate, bits, want)
		}
		again, _ := damaged(1, rate)
		if string(data) != string(again) {
			t.Errorf("rate %v: the same seed damages other bits", rate)
		}
	}
}
