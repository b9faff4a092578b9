package blob

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// A key is made once; a lost or a wrong one is an error that says what to do,
// never a new key.
func TestLoadKey(t *testing.T) {
	dir := t.TempDir()
	file, store := filepath.Join(dir, "documents.key"), filepath.Join(dir, "documents")
	if k, err := LoadKey(file, store, false); k != nil || err != nil {
		t.Fatalf("no key is needed: %v, %v", k, err)
	}
	first, err := LoadKey(file, store, true)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || (runtime.GOOS != "windows" && info.Mode().Perm() != 0o600) {
		t.Errorf("the key's mode: %v, %v", info.Mode(), err)
	}
	for _, create := range []bool{true, false} {
		if again, err := LoadKey(file, store, create); err != nil || *again != *first {
			t.Errorf("the key is another the next time, or %v", err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		spoil func() error
		want  string
	}{
		"lost":     {func() error { return os.Remove(file) }, "is missing"},
		"another":  {func() error { return os.WriteFile(file, []byte(strings.Repeat("ab", 32)), 0o600) }, "is not the key"},
		"cut off":  {func() error { return os.WriteFile(file, text[:40], 0o600) }, "does not hold a key"},
		"no digit": {func() error { return os.WriteFile(file, []byte(strings.Repeat("zz", 32)), 0o600) }, "does not hold a key"},
	} {
		if err := c.spoil(); err != nil {
			t.Fatal(err)
		}
		for _, create := range []bool{true, false} {
			if k, err := LoadKey(file, store, create); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "backup") {
				t.Errorf("%s: %v, %v", what, k, err)
			}
		}
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if again, err := LoadKey(file, store, true); err != nil || *again != *first {
		t.Errorf("put back: %v", err)
	}
}

// A crash between key and mark leaves a key, which is used.
func TestLoadKeyAfterACrash(t *testing.T) {
	dir := t.TempDir()
	file, store := filepath.Join(dir, "documents.key"), filepath.Join(dir, "documents")
	if _, err := makeKey(file); err != nil {
		t.Fatal(err)
	}
	first, err := LoadKey(file, store, false)
	if err != nil || first == nil {
		t.Fatal(first, err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKey(file, store, true); err == nil {
		t.Error("it was not noted which key the documents need")
	}
}
