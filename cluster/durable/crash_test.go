package durable

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// badFile is an open file whose disk fails.
type badFile struct {
	*os.File
	sync, close error
}

func (f badFile) Sync() error  { return errors.Join(f.sync, f.File.Sync()) }
func (f badFile) Close() error { return errors.Join(f.close, f.File.Close()) }

// What is not on disk does not get its name.
func TestPublishNamesNothingThatIsNotOnDisk(t *testing.T) {
	broken := errors.New("input/output error")
	for what, bad := range map[string]badFile{"sync": {sync: broken}, "close": {close: broken}, "": {}} {
		dir := t.TempDir()
		f, err := os.CreateTemp(dir, "half")
		if err != nil {
			t.Fatal(err)
		}
		bad.File = f
		path := filepath.Join(dir, "whole")
		err = Publish(bad, path)
		_, missing := os.Stat(path)
		if what == "" && (err != nil || missing != nil) {
			t.Errorf("on a good disk: %v, %v", err, missing)
		}
		if what != "" && (!errors.Is(err, broken) || missing == nil) {
			t.Errorf("when %s fails: %v; the name is there: %v", what, err, missing == nil)
		}
		if _, err := f.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
			t.Errorf("when %s fails the file stays open: %v", what, err)
		}
	}
}

// A directory that may not be read, as one of the system's, is no obstacle to
// what is there already.
func TestMkdirAllUnderAnUnreadableParent(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "parent")
	dir := filepath.Join(parent, "data")
	if err := MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(parent, 0o100); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(parent, 0o700)
	if err := MkdirAll(dir, 0o700); err != nil {
		t.Error(err)
	}
}
