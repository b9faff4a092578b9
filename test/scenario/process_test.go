//go:build linux

package scenario

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a program that runs until it is stopped.
type process struct {
	what  string
	cmd   *exec.Cmd
	said  *transcript
	ended chan struct{} // closed when it has been waited for
}

// start starts a program in a directory; the test's end kills it.
func start(t *testing.T, dir, program string, args ...string) *process {
	t.Helper()
	return startWith(t, dir, nil, program, args...)
}

func startWith(t *testing.T, dir string, env []string, program string, args ...string) *process {
	t.Helper()
	p := &process{what: program + " " + strings.Join(args, " "), cmd: exec.Command(filepath.Join(programs, program), args...),
		said: newTranscript(), ended: make(chan struct{})}
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	// It must not outlive a test binary that is killed.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // the state says how it ended
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.kill()
		soundEnd(t, p.what, p.said.String())
		if t.Failed() {
			t.Logf("%s said:\n%s", p.what, p.said.tail())
		}
	})
	return p
}

// kill is kill -9; it returns when the process is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// stop is SIGTERM: the process must end within stopTime with status 0.
func (p *process) stop(t *testing.T) {
	t.Helper()
	begun := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("%s: %v", p.what, err)
	}
	select {
	case <-p.ended:
	case <-time.After(stopTime):
		t.Fatalf("%s does not end within %v of SIGTERM", p.what, stopTime)
	}
	if status := p.cmd.ProcessState.ExitCode(); status != 0 {
		t.Errorf("%s ended with status %d on SIGTERM", p.what, status)
	}
	t.Logf("%s ended %v after SIGTERM", p.what, time.Since(begun).Round(time.Millisecond))
}

// running reports whether the process has not ended.
func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// peak is the most memory that the process has had since forgetPeak, in MiB.
func (p *process) peak(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		t.Fatalf("no VmHWM for %s:\n%s", p.what, status)
	}
	kib, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kib >> 10
}

// forgetPeak makes peak count anew (proc(5), clear_refs).
func (p *process) forgetPeak(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
}

// bounded fails the test if what is done meanwhile makes the process need more
// than so many MiB in all.
func (p *process) bounded(t *testing.T, mib int, do func()) {
	t.Helper()
	p.forgetPeak(t)
	before := p.peak(t)
	do()
	if !p.running() {
		t.Fatalf("%s has ended", p.what)
	}
	after := p.peak(t)
	t.Logf("%s had %d MiB of memory, then at most %d MiB", p.what, before, after)
	if after > mib {
		t.Errorf("%s needed %d MiB of memory, at most %d are fair", p.what, after, mib)
	}
}

// transcript is what a process says. Tests wait for its words.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed, and made anew, when text grows
}

func newTranscript() *transcript { return &transcript{more: make(chan struct{})} }

func (tr *transcript) Write(b []byte) (int, error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	close(tr.more)
	tr.more = make(chan struct{})
	return tr.text.Write(b)
}

func (tr *transcript) String() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.text.String()
}

// mark is where the transcript ends now.
func (tr *transcript) mark() int { return len(tr.String()) }

// tail is the end of a long transcript.
func (tr *transcript) tail() string {
	s := tr.String()
	return s[max(0, len(s)-20_000):]
}

// await waits for words behind a mark; it returns where they end.
func (tr *transcript) await(t *testing.T, from int, words string, within time.Duration) int {
	t.Helper()
	return tr.awaitMatch(t, from, regexp.MustCompile(regexp.QuoteMeta(words)), within)
}

func (tr *transcript) awaitMatch(t *testing.T, from int, words *regexp.Regexp, within time.Duration) int {
	t.Helper()
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		tr.mu.Lock()
		found, more := words.FindIndex(tr.text.Bytes()[from:]), tr.more
		tr.mu.Unlock()
		if found != nil {
			return from + found[1]
		}
		select {
		case <-more:
		case <-timer.C:
			t.Fatalf("within %v nobody said %q but:\n%s", within, words, tr.tail())
		}
	}
}

// soundEnd fails the test if a program has crashed, whatever else is right.
func soundEnd(t *testing.T, program, said string) {
	t.Helper()
	for _, word := range []string{"panic:", "fatal error:", "DATA RACE", "goroutine 1 ["} {
		if strings.Contains(said, word) {
			t.Errorf("%s has crashed: %q in\n%s", program, word, said)
		}
	}
}
