package class1

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/modem/line"
)

// drowsy answers OK to each command so long after it.
func drowsy(c net.Conn, after func(command string) time.Duration) {
	var typed strings.Builder
	b := make([]byte, 1)
	for {
		if _, err := c.Read(b); err != nil {
			return
		}
		if b[0] != '\r' {
			typed.WriteByte(b[0])
			continue
		}
		command := typed.String()
		typed.Reset()
		if !strings.HasPrefix(command, "AT") {
			continue
		}
		time.Sleep(after(command)) // virtual time
		answer := "\r\nOK\r\n"
		if strings.HasSuffix(command, "=?") {
			answer = "\r\n24,48,72,96\r\n" + answer
		}
		if _, err := io.WriteString(c, answer); err != nil {
			return
		}
	}
}

// A reset ends in time, whatever the modem does.
func TestResetTime(t *testing.T) {
	each := func(d time.Duration) func(string) time.Duration {
		return func(string) time.Duration { return d }
	}
	for name, c := range map[string]struct {
		after func(string) time.Duration
		least time.Duration
		want  error
	}{
		"well": {func(s string) time.Duration {
			if s == "ATZ" {
				return 2600 * time.Millisecond
			}
			return 200 * time.Millisecond
		}, 2600 * time.Millisecond, nil},
		"dead":               {each(time.Hour), 9 * time.Second, line.ErrModem},
		"slow at every word": {each(1500 * time.Millisecond), resetTime, line.ErrModem},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				host, end := net.Pipe()
				var wg sync.WaitGroup
				wg.Go(func() { drowsy(end, c.after) })
				begun := time.Now()
				p, err := Open(t.Context(), host, Config{})
				took := time.Since(begun)
				if !errors.Is(err, c.want) || took < c.least || took > resetTime+time.Second {
					t.Errorf("%v after %v", err, took)
				}
				if err == nil {
					p.Close()
				}
				end.Close()
				wg.Wait()
			})
		})
	}
}

// A reset that its caller gives up is no fault of the modem.
func TestResetGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, end := net.Pipe()
		var wg sync.WaitGroup
		wg.Go(func() { drowsy(end, func(string) time.Duration { return time.Hour }) })
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if _, err := Open(ctx, host, Config{}); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, line.ErrModem) {
			t.Errorf("%v", err)
		}
		end.Close()
		wg.Wait()
	})
}
