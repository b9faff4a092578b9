package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// portTime is how long a process may take to listen.
const portTime = 20 * time.Second

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"faxmeshd": main})
}

// TestScripts types the commands as people do. $FREE1 to $FREE4 are ports of
// 127.0.0.1 that are free for TCP and UDP, $TAKEN one that is not.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=0") // a second for each command, under the race detector
			taken, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			env.Defer(func() { taken.Close() })
			env.Setenv("TAKEN", portOf(taken.Addr()))
			for i := range 4 {
				port, err := freePort(i)
				if err != nil {
					return err
				}
				env.Setenv("FREE"+strconv.Itoa(i+1), port)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": cmdStatus, "waitport": cmdWaitPort, "waitfile": cmdWaitFile},
	})
}

// freePort finds a port that is free for TCP and UDP, another one for each i. It
// is below those that systems give to whoever dials, so that it stays free.
func freePort(i int) (string, error) {
	for range 50 {
		addr := fmt.Sprintf("127.0.0.1:%d", 10_000+4*rand.IntN(5000)+i)
		tcp, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		udp, err := net.ListenPacket("udp", addr)
		tcp.Close()
		if err == nil {
			udp.Close()
			return portOf(tcp.Addr()), nil
		}
	}
	return "", fmt.Errorf("no port is free for both TCP and UDP")
}

func portOf(addr net.Addr) string {
	_, port, _ := net.SplitHostPort(addr.String())
	return port
}

// cmdWaitPort waits until something listens on a port of 127.0.0.1.
func cmdWaitPort(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitport PORT")
	}
	for end := time.Now().Add(portTime); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", args[0]), time.Second)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("nothing listens on port %s: %v", args[0], err)
		}
	}
}

// cmdWaitFile waits until a file begins with a text.
func cmdWaitFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitfile FILE TEXT")
	}
	for end := time.Now().Add(portTime); ; time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && strings.HasPrefix(string(text), args[1]) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s does not say %q: %q, %v", args[0], args[1], text, err)
		}
	}
}

// cmdStatus runs a program and compares its exit status: status N PROGRAM ARG...
func cmdStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N PROGRAM ARG...")
	}
	got := 0
	switch err := ts.Exec(args[1], args[2:]...).(type) {
	case nil:
	case *exec.ExitError:
		got = err.ExitCode()
	default:
		ts.Fatalf("%s: %v", args[1], err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("%s ended with status %d, want %s", args[1], got, args[0])
	}
}
