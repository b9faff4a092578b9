package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/cmd/terminal"
)

// A node that is told to stop while it starts, at whatever moment, ends as one
// that served: with status 0, and in a state in which it starts again.
func TestStopWhileStarting(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "north")
	password := filepath.Join(t.TempDir(), "pw")
	if err := os.WriteFile(password, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var free [2]string
	for i := range free {
		port, err := freePort(i)
		if err != nil {
			t.Fatal(err)
		}
		free[i] = net.JoinHostPort("127.0.0.1", port)
	}
	run := func(ctx context.Context, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		term := terminal.Terminal{In: strings.NewReader(""), Out: &out, Err: &errs}
		root := newRoot(term)
		root.SetArgs(args)
		if status := term.Execute(ctx, root); status != terminal.OK {
			t.Fatalf("%v ends with status %d: %s", args, status, errs.String())
		}
		return out.String()
	}
	run(t.Context(), "init", "--data", dir, "--name", "north", "--listen", free[0], "--client-listen", free[1], "--password-file", password)
	served := false
	for after := time.Duration(0); !served && after < time.Minute; after = after*2 + time.Millisecond {
		ctx, stop := context.WithCancel(t.Context())
		if after == 0 {
			stop() // before it has begun
		} else {
			time.AfterFunc(after, stop)
		}
		served = strings.Contains(run(ctx, "run", "--data", dir), "ready: north")
		stop()
	}
	if !served {
		t.Error("it has not come to serve")
	}
}
