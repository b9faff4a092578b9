package serial

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// DefaultLockDir is where programs that use serial ports lock them on most
// systems.
const DefaultLockDir = "/var/lock"

// ErrLocked: another program has the device.
var ErrLocked = errors.New("serial: the device is locked")

// lockPrefix begins the names of UUCP lock files.
const lockPrefix = "LCK.."

// locks are the lock files that this program holds for one device.
type locks []*lockFile

// takeLocks locks the device at path in dir, in the way of UUCP: by the name it
// is opened by and by the name it really has, since other programs may know it
// by either.
func takeLocks(dir, path string) (locks, error) {
	names := []string{lockName(path)}
	if real := lockName(realName(path)); real != names[0] {
		names = append(names, real)
	}
	var held locks
	for _, name := range names {
		l, err := takeLock(filepath.Join(dir, name))
		if err != nil {
			held.release()
			return nil, err
		}
		held = append(held, l)
	}
	return held, nil
}

// release is idempotent.
func (held locks) release() error {
	var errs []error
	for _, l := range held {
		errs = append(errs, l.release())
	}
	return errors.Join(errs...)
}

// lockName is LCK.. and the device's name under /dev, as LCK..ttyS0. That of a
// device in a folder has an underscore for each slash.
func lockName(path string) string {
	path = filepath.Clean(path)
	name, found := strings.CutPrefix(path, "/dev/")
	if !found {
		name = filepath.Base(path)
	}
	return lockPrefix + strings.ReplaceAll(name, "/", "_")
}

// lockFault says what to do about a lock file that could not be made.
func lockFault(path string, err error) error {
	dir := filepath.Dir(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("serial: there is no directory %s for lock files; make it, name another, or switch lock files off: %w", dir, err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("serial: this user may not make lock files in %s; put it into the group that may, name another directory, or switch lock files off: %w", dir, err)
	}
	return fmt.Errorf("serial: make the lock file %s: %w", path, err)
}
