// Package durable puts files on disk so that a power cut cannot undo them:
// write, fsync, rename, fsync the directory, and only then say that it is done.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// WriteFile replaces the file at path by data in one step: after a crash it
// holds the old octets or the new ones, never a mixture.
func WriteFile(path string, data []byte, mode fs.FileMode) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("make a file in %s: %w", dir, err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err = f.Chmod(mode); err != nil {
		return fmt.Errorf("set the mode of %s: %w", f.Name(), err)
	}
	if _, err = f.Write(data); err != nil {
		return fmt.Errorf("write %s: %w", f.Name(), err)
	}
	return Publish(f, path)
}

// File is what Publish needs of an open file.
type File interface {
	Name() string
	Sync() error
	Close() error
}

// Publish makes the open temporary file f durable and gives it its name,
// which must be in the same file system. It closes f.
func Publish(f File, path string) error {
	if err := f.Sync(); err != nil {
		f.Close()
		return fmt.Errorf("sync %s: %w", f.Name(), err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("close %s: %w", f.Name(), err)
	}
	return Rename(f.Name(), path)
}

// Rename moves a file or directory within a file system, durably.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return fmt.Errorf("rename to %s: %w", to, err)
	}
	return SyncDir(filepath.Dir(to))
}

// SyncDir makes the names in a directory durable. Windows has no such call;
// its file systems log directory changes themselves.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open directory %s: %w", dir, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}

// MkdirAll is os.MkdirAll with each new directory durable in its parent. The
// nearest one that is there already is made durable too: it may have been made
// a moment ago, by a call that is not that far yet or whose sync has failed.
func MkdirAll(dir string, mode fs.FileMode) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("%s is in the way: it is not a directory", dir)
		}
		if err := SyncDir(filepath.Dir(dir)); !errors.Is(err, fs.ErrPermission) {
			return err
		}
		return nil // somebody else has made it, long ago
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := MkdirAll(parent, mode); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, mode); err != nil && !os.IsExist(err) {
		return fmt.Errorf("make directory: %w", err)
	}
	return SyncDir(parent)
}
