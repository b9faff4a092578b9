package serial

import (
	"bytes"
	"io"
	"testing"

	"golang.org/x/sys/unix"
)

// TestInterruptedWriteLosesNothing: a signal that comes while a write waits for
// the device ends it early, and the Go runtime sends itself signals.
func TestInterruptedWriteLosesNothing(t *testing.T) {
	master, path := pty(t)
	p, err := Open(path, Config{Speed: 38400, Flow: None})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	page := make([]byte, 256<<10)
	for i := range page {
		page[i] = byte(i * 7 >> 3)
	}
	wrote := make(chan error, 1)
	go func() {
		n, err := p.Write(page)
		if err == nil && n != len(page) {
			err = io.ErrShortWrite
		}
		wrote <- err
	}()
	got := make([]byte, 0, len(page))
	for b := make([]byte, 64); len(got) < len(page); {
		// SIGURG is what the runtime uses, and is harmless to everybody else.
		if err := unix.Kill(unix.Getpid(), unix.SIGURG); err != nil {
			t.Fatal(err)
		}
		n, err := master.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b[:n]...)
		select {
		case err := <-wrote:
			if err != nil {
				t.Fatalf("after %d octets: %v", len(got), err)
			}
			wrote = nil
		default:
		}
	}
	if !bytes.Equal(got, page) {
		t.Error("the octets came changed")
	}
}
