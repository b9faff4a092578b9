//go:build unix

package serial

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lockTries   = 3                // against others that make and remove the same lock
	maxLockText = 64               // octets of a lock file that are looked at
	unwritten   = 10 * time.Second // the age at which a lock without a process is nobody's
)

// lockFile is a UUCP lock file of ours. It is kept open under flock, by which a
// lock of this process is told from one that a process of the same number left
// behind, as process 1 of a container does.
type lockFile struct {
	file    *os.File
	release func() error
}

// takeLock makes the lock file at path, unless a living process has it.
func takeLock(path string) (*lockFile, error) {
	for range lockTries {
		l, err := makeLock(path)
		if !errors.Is(err, os.ErrExist) {
			return l, err
		}
		if err := removeStale(path); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: the lock file %s comes back as often as it is removed", ErrLocked, path)
}

// makeLock makes the file complete under another name and then links it to its
// own, which fails if that is taken: nobody ever sees a lock without its owner.
func makeLock(path string) (*lockFile, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "LTMP..*")
	if err != nil {
		return nil, lockFault(path, err)
	}
	defer os.Remove(f.Name())
	// The format of HDB UUCP: ten places and a line end.
	_, err = fmt.Fprintf(f, "%10d\n", os.Getpid())
	err = errors.Join(err, f.Chmod(0o644), unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB))
	if err == nil {
		err = os.Link(f.Name(), path)
	}
	if err != nil {
		f.Close()
		if errors.Is(err, os.ErrExist) {
			return nil, err
		}
		return nil, lockFault(path, err)
	}
	l := &lockFile{file: f}
	l.release = sync.OnceValue(func() error { return l.remove(path) })
	return l, nil
}

// remove takes the file away if it is still ours.
func (l *lockFile) remove(path string) error {
	defer l.file.Close()
	own, err := l.file.Stat()
	if err != nil {
		return fmt.Errorf("serial: remove the lock file %s: %w", path, err)
	}
	if there, err := os.Lstat(path); err != nil || !os.SameFile(own, there) {
		return nil
	}
	return os.Remove(path)
}

// removeStale removes the lock at path if the process that made it is no more.
// It fails with ErrLocked if that lives.
func removeStale(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: the lock file %s cannot be read: %w", ErrLocked, path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("serial: read the lock file %s: %w", path, err)
	}
	text := make([]byte, maxLockText)
	n, _ := f.Read(text) // what cannot be read names nobody
	pid, ok := holder(text[:n])
	switch {
	case !ok && time.Since(info.ModTime()) < unwritten:
		return fmt.Errorf("%w by a program that is just starting (%s); try again", ErrLocked, path)
	case ok && pid != os.Getpid() && alive(pid):
		return fmt.Errorf("%w by process %d (%s); stop that program, or give it another modem", ErrLocked, pid, path)
	case !free(f):
		return fmt.Errorf("%w by this program already, or another is just taking it (%s)", ErrLocked, path)
	}
	// With the flock no other of ours removes it: what is there is what was
	// read, or somebody's new lock.
	if there, err := os.Lstat(path); err != nil || !os.SameFile(there, info) {
		return nil
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("serial: remove the lock file %s, whose program is gone; remove it by hand: %w", path, err)
	}
	return nil
}

// holder is the process that a lock file names, in digits or, as older programs
// write it, as a machine word.
func holder(text []byte) (pid int, ok bool) {
	if len(text) == 4 {
		if pid := int(int32(binary.NativeEndian.Uint32(text))); pid > 0 && strings.Trim(string(text), " 0123456789\n") != "" {
			return pid, true
		}
	}
	word, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	word, _, _ = strings.Cut(word, " ") // behind it some programs write their name
	pid, err := strconv.Atoi(word)
	return pid, err == nil && pid > 0
}

// alive reports whether there is such a process; one of another user counts.
func alive(pid int) bool { return !errors.Is(unix.Kill(pid, 0), unix.ESRCH) }

// free reports whether nobody has the file under flock.
func free(f *os.File) bool { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil }
