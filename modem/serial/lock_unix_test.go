//go:build unix

package serial

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// gone is the number of a process that was and is no more.
func gone(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

func TestLockNames(t *testing.T) {
	for path, want := range map[string]string{
		"/dev/ttyS0": "LCK..ttyS0", "/dev/pts/4": "LCK..pts_4", "/dev/serial/by-id/usb-X": "LCK..serial_by-id_usb-X",
		"/tmp/modem": "LCK..modem", "/dev/../dev/ttyUSB1": "LCK..ttyUSB1",
	} {
		if got := lockName(path); got != want {
			t.Errorf("lockName(%q) = %q, want %q", path, got, want)
		}
	}
}

// A lock of a living process is respected, any other replaced.
func TestLocksOfOthers(t *testing.T) {
	word := func(pid int) string { return string(binary.NativeEndian.AppendUint32(nil, uint32(pid))) }
	old := time.Now().Add(-time.Hour)
	parent := os.Getppid()
	for name, tt := range map[string]struct {
		text  string
		made  time.Time
		names string // in the refusal; empty: the lock is replaced
	}{
		"alive":             {fmt.Sprintf("%10d\n", parent), old, fmt.Sprintf("process %d ", parent)},
		"alive, with names": {fmt.Sprintf("%10d minicom root\n", parent), old, fmt.Sprintf("process %d ", parent)},
		"alive, binary":     {word(parent), old, fmt.Sprintf("process %d ", parent)},
		"of another user":   {"         1\n", old, "process 1 "},
		"dead":              {fmt.Sprintf("%10d\n", gone(t)), time.Now(), ""},
		"dead, binary":      {word(gone(t)), time.Now(), ""},
		"our own number":    {fmt.Sprintf("%10d\n", os.Getpid()), old, ""},
		"being written":     {"", time.Now(), "just starting"},
		"never written":     {"", old, ""},
		"nonsense":          {"\xff\x00what", old, ""},
		"no process":        {"        -1\n", old, ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "LCK..ttyX")
			if err := os.WriteFile(path, []byte(tt.text), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, tt.made, tt.made); err != nil {
				t.Fatal(err)
			}
			l, err := takeLock(path)
			if tt.names != "" {
				text, _ := os.ReadFile(path)
				if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), tt.names) || string(text) != tt.text {
					t.Errorf("%v, and the file has %q", err, text)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if text, _ := os.ReadFile(path); string(text) != fmt.Sprintf("%10d\n", os.Getpid()) {
				t.Errorf("the lock says %q", text)
			}
			if err := l.release(); err != nil {
				t.Error(err)
			}
			if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// Of many that want a stale lock at once one gets it.
func TestLockIsTakenOnce(t *testing.T) {
	for range 20 {
		path := filepath.Join(t.TempDir(), "LCK..ttyX")
		if err := os.WriteFile(path, fmt.Appendf(nil, "%10d\n", gone(t)), 0o644); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var got []*lockFile
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				l, err := takeLock(path)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					got = append(got, l)
				} else if !errors.Is(err, ErrLocked) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if len(got) != 1 {
			t.Fatalf("%d have the lock", len(got))
		}
		if err := got[0].release(); err != nil {
			t.Error(err)
		}
	}
}

// What has taken the place of our lock is not removed with it.
func TestLockOfASuccessorStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "LCK..ttyX")
	l, err := takeLock(path)
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(path)
	if err := os.WriteFile(path, []byte("other"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := l.release(); err != nil {
		t.Error(err)
	}
	if text, _ := os.ReadFile(path); string(text) != "other" {
		t.Errorf("the successor's lock says %q", text)
	}
}

func TestNoPlaceForLocks(t *testing.T) {
	if _, err := takeLock(filepath.Join(t.TempDir(), "none", "LCK..ttyX")); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "switch lock files off") {
		t.Errorf("%v", err)
	}
}

func FuzzHolder(f *testing.F) {
	f.Add([]byte("      1234\n"))
	f.Add([]byte("\x01\x02\x00\x00"))
	f.Add([]byte("12 minicom"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if pid, ok := holder(text); ok && pid <= 0 { // kill(0) and kill(-1) mean groups
			t.Errorf("process %d", pid)
		}
	})
}
