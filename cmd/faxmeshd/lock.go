package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/faxmesh/faxmesh/clientlib/settings"
)

// errLocked: another process holds the lock.
var errLocked = errors.New("locked")

// lockData makes sure that one process alone works in a node's directory. The
// lock ends with the process, however that ends; the file stays and names the
// holder.
func lockData(dir string) (unlock func(), err error) {
	folder := filepath.Join(dir, settings.ServerFolder)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make the node's directory: %w", err)
	}
	path := filepath.Join(folder, "LOCK")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the node's directory: %w", err)
	}
	if err := lockFile(f); err != nil {
		f.Close()
		if !errors.Is(err, errLocked) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		return nil, fmt.Errorf("the directory %s is in use by a running faxmeshd%s; stop it first", dir, holder(path))
	}
	err = errors.Join(f.Truncate(0), write(f, fmt.Sprintf("%d\n", os.Getpid())))
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

func write(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}

// holder is " (process N)", or nothing if the file does not say.
func holder(path string) string {
	b, err := os.ReadFile(path)
	pid := strings.TrimSpace(string(b))
	if err != nil || pid == "" || len(pid) > 10 || strings.Trim(pid, "0123456789") != "" {
		return ""
	}
	return " (process " + pid + ")"
}
