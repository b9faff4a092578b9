//go:build unix

package scenario

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/modem/tiff"
)

// walkTime is how long the README's walk-through may take in all.
const walkTime = 150 * time.Second

// TestReadmeWalkThrough runs the commands of the README's section "Three nodes
// on one machine" as they are written there, in one shell. Only the ports are
// exchanged for free ones, so that a node which runs on this machine is not
// disturbed.
func TestReadmeWalkThrough(t *testing.T) {
	dir := t.TempDir()
	script := withFreePorts(t, walkThrough(t))
	script = strings.Replace(script, "go build -o bin/ ./cmd/...",
		fmt.Sprintf("(cd %q && go build -o %q ./cmd/...)", repository(t), filepath.Join(dir, "bin")+"/"), 1)

	ctx, cancel := context.WithTimeout(t.Context(), walkTime)
	defer cancel()
	shell := exec.CommandContext(ctx, "sh", "-eu")
	shell.Dir = dir
	shell.Stdin = strings.NewReader(script)
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	shell.Stdout, shell.Stderr = log, log
	shell.Cancel = func() error { return syscall.Kill(-shell.Process.Pid, syscall.SIGKILL) }
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	// The nodes that the script leaves in the background end with its group.
	defer syscall.Kill(-shell.Process.Pid, syscall.SIGKILL)
	if err := shell.Wait(); err != nil {
		said, _ := os.ReadFile(log.Name())
		t.Fatalf("the walk-through failed: %v\n%s", err, said)
	}

	told, err := os.ReadFile(filepath.Join(dir, "received.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"received", "west"} {
		if !strings.Contains(string(told), want) {
			t.Errorf("records was told %q, which does not say %q", told, want)
		}
	}
	checkLetter(t, filepath.Join(dir, "letter.tif"))
	if info, err := os.Stat(filepath.Join(dir, "letter.png")); err != nil || info.Size() == 0 {
		t.Errorf("no picture of the page: %v", err)
	}
}

// checkLetter looks at what the records office has seen: one page with ink.
func checkLetter(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := tiff.Open(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	if pages.Len() != 1 {
		t.Fatalf("the letter has %d pages, want 1", pages.Len())
	}
	page, _, err := pages.Page(0)
	if err != nil {
		t.Fatal(err)
	}
	ink := 0
	for _, octet := range page.Pix {
		if octet != 0 {
			ink++
		}
	}
	if ink < 500 {
		t.Errorf("the received page is almost white: %d octets with ink", ink)
	}
}

// walkThrough is every shell block of the section, in order.
func walkThrough(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## Three nodes on one machine\n")
	if !found {
		t.Fatal("the README has no section \"Three nodes on one machine\"")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var script strings.Builder
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(section, -1) {
		script.WriteString(block[1])
	}
	if script.Len() == 0 {
		t.Fatal("the section has no shell blocks")
	}
	return script.String()
}

// withFreePorts replaces each loopback port of the script by a free one.
func withFreePorts(t *testing.T, script string) string {
	t.Helper()
	chosen := map[string]string{}
	return regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllStringFunc(script, func(addr string) string {
		if chosen[addr] == "" {
			chosen[addr] = freePort(t)
		}
		return chosen[addr]
	})
}

// freePort finds an address that is free for TCP and UDP. Its port is below those
// that systems give to whoever dials, so that it stays free.
func freePort(t *testing.T) string {
	t.Helper()
	for range 50 {
		addr := fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000))
		tcp, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		udp, err := net.ListenPacket("udp", addr)
		tcp.Close()
		if err == nil {
			udp.Close()
			return addr
		}
	}
	t.Fatal("no port is free for both TCP and UDP")
	return ""
}

func repository(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
