//go:build linux

package interop

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/class1"
	"github.com/faxmesh/faxmesh/modem/serial"
	"github.com/faxmesh/faxmesh/modem/t4"
	"github.com/faxmesh/faxmesh/modem/tiff"
)

const (
	labSpeed = 4                // line seconds in one of wall time
	callTime = 90 * time.Second // wall time that a call may take
	initTime = 20 * time.Second // wall time until a program waits for calls
)

// lab is an exchange of soft modems with numbers 5551, 5552…
type lab struct {
	t     *testing.T
	dir   string
	calls *strings.Builder // what the exchange has said of each call
}

// needPeers skips the test, saying why, unless every program and header is
// here; where peers are required that is a failure.
func needPeers(t *testing.T, programs ...string) {
	t.Helper()
	var missing []string
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	if _, err := os.Stat("/usr/include/spandsp/expose.h"); err != nil {
		missing = append(missing, "libspandsp-dev")
	}
	if len(missing) == 0 {
		return
	}
	if os.Getenv("FAXMESH_REQUIRE_PEERS") == "1" {
		t.Fatalf("not installed: %s", strings.Join(missing, ", "))
	}
	t.Skipf("skipped: it calls other people's programs, and these are not installed: %s", strings.Join(missing, ", "))
}

// startLab builds the exchange and starts it with the lines given.
func startLab(t *testing.T, lines int) *lab {
	t.Helper()
	needPeers(t, "gcc", "efax")
	l := &lab{t: t, dir: t.TempDir(), calls: &strings.Builder{}}
	program := filepath.Join(l.dir, "softexchange")
	build := exec.Command("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, "softexchange/softexchange.c", "-lspandsp", "-ltiff", "-lm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the exchange: %v\n%s", err, out)
	}
	ctx, stop := context.WithCancel(context.Background())
	exchange := exec.CommandContext(ctx, program, "-n", fmt.Sprint(lines), "-d", l.dir, "-s", fmt.Sprint(labSpeed))
	exchange.Cancel = func() error { return exchange.Process.Signal(syscall.SIGTERM) }
	exchange.WaitDelay = 5 * time.Second
	out, err := exchange.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := exchange.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(out)
	if !said.Scan() || said.Text() != "READY" {
		t.Fatalf("the exchange said %q, want READY", said.Text())
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for said.Scan() {
			l.calls.WriteString(said.Text() + "\n")
		}
	}()
	t.Cleanup(func() {
		stop()
		<-read
		exchange.Wait()
		t.Logf("the exchange's calls:\n%s", l.calls)
	})
	return l
}

func (l *lab) line(n int) string { return filepath.Join(l.dir, fmt.Sprint(n)) }

// modem opens line n as faxmesh does.
func (l *lab) modem(n int, opt modem.Options) modem.Modem {
	l.t.Helper()
	port, err := serial.Open(l.line(n), serial.Config{Flow: serial.RTSCTS})
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(l.t.Context(), initTime)
	defer cancel()
	phone, err := class1.Open(ctx, port, class1.Config{Speed: labSpeed, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		l.t.Fatal(err)
	}
	m := modem.New(phone, opt)
	l.t.Cleanup(func() { m.Close() })
	return m
}

// efax starts efax on line n with the arguments given. The result comes when
// it has ended.
func (l *lab) efax(n int, args ...string) *peer {
	l.t.Helper()
	own := []string{"-d", l.line(n), "-o1", "-v", "chewinmax", "-i", "Z", "-i", "&FE&D2S7=120", "-i", "&C0",
		"-l", fmt.Sprint("LINE ", n), "-c", "1,5,0,2,0,0,0,0"}
	ctx, cancel := context.WithTimeout(l.t.Context(), callTime)
	p := &peer{cmd: exec.CommandContext(ctx, "efax", append(own, args...)...), ended: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = l.dir, &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		defer cancel()
		p.err = p.cmd.Wait()
	}()
	l.t.Cleanup(func() {
		cancel()
		<-p.ended
	})
	return p
}

// peer is a program of other people at work.
type peer struct {
	cmd   *exec.Cmd
	log   journal
	ended chan struct{}
	err   error
}

// journal keeps what a program says and wakes those who wait for words of it.
type journal struct {
	mu    sync.Mutex
	said  []byte
	awake chan struct{} // closed when more was said
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.said = append(j.said, b...)
	if j.awake != nil {
		close(j.awake)
		j.awake = nil
	}
	return len(b), nil
}

func (j *journal) read() (string, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.awake == nil {
		j.awake = make(chan struct{})
	}
	return string(j.said), j.awake
}

// says waits until the program has said words.
func (p *peer) says(t *testing.T, words string) {
	t.Helper()
	limit := time.After(initTime)
	for {
		said, more := p.log.read()
		if strings.Contains(said, words) {
			return
		}
		select {
		case <-more:
		case <-p.ended:
			t.Fatalf("efax ended before it said %q: %v\n%s", words, p.err, said)
		case <-limit:
			t.Fatalf("efax did not say %q in time\n%s", words, said)
		}
	}
}

func (p *peer) wait(t *testing.T) {
	t.Helper()
	<-p.ended
	if p.err != nil {
		said, _ := p.log.read()
		t.Fatalf("efax: %v\n%s", p.err, said)
	}
}

// document is a document in memory.
type document []modem.Page

func (d document) Len() int                       { return len(d) }
func (d document) Page(i int) (modem.Page, error) { return d[i], nil }
func (d document) image(i int) *t4.Bitmap         { return d[i].Image }

// readTIFF reads a file of pages.
func readTIFF(t *testing.T, name string) document {
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
	file, err := tiff.Open(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	var d document
	for i := range file.Len() {
		image, res, err := file.Page(i)
		if err != nil {
			t.Fatal(err)
		}
		d = append(d, modem.Page{Image: image, Resolution: res})
	}
	return d
}

// compare fails unless rows from to to-1 of want are those of got, shift rows
// further down.
func compare(t *testing.T, got, want *t4.Bitmap, shift, from, to int) {
	t.Helper()
	if got.Width != want.Width || got.Height < to+shift {
		t.Fatalf("the page has %d x %d pels, want %d x %d", got.Width, got.Height, want.Width, to+shift)
	}
	for y := from; y < to; y++ {
		if !bytes.Equal(got.Row(y+shift), want.Row(y)) {
			t.Fatalf("row %d differs", y)
		}
	}
}
