package blob

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

const (
	helloHash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // SHA-256 of "hello"
	emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func read(s *Store, hash string) (string, error) {
	r, err := s.Open(hash)
	if err != nil {
		return "", err
	}
	defer r.Close()
	data, err := io.ReadAll(iotest.OneByteReader(r))
	return string(data), err
}

func TestPutAndRead(t *testing.T) {
	s := open(t, t.TempDir())
	for content, hash := range map[string]string{"hello": helloHash, "": emptyHash} {
		if s.Has(hash) {
			t.Errorf("%q is there before it was put", content)
		}
		for range 2 { // a second time changes nothing
			doc, err := s.Put(strings.NewReader(content))
			if err != nil || doc.Hash != hash || doc.Size != int64(len(content)) {
				t.Fatalf("put %q: %+v, %v", content, doc, err)
			}
		}
		if got, err := read(s, hash); err != nil || got != content {
			t.Errorf("read %q, %v; want %q", got, err, content)
		}
	}
	n := 0
	for doc, err := range s.List() {
		if err != nil || !s.Has(doc.Hash) {
			t.Fatal(doc, err)
		}
		n++
	}
	if n != 2 {
		t.Errorf("%d documents are listed, want 2", n)
	}
}

func TestDamageIsFoundAndSetAside(t *testing.T) {
	for _, bad := range []string{"hellO", "hell", "hello!"} {
		s := open(t, t.TempDir())
		if _, err := s.Put(strings.NewReader("hello")); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.path(helloHash), []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := read(s, helloHash); !errors.Is(err, ErrDamaged) {
			t.Errorf("%q for hello: %v, want ErrDamaged", bad, err)
		}
		if _, err := read(s, helloHash); !errors.Is(err, ErrNotFound) {
			t.Errorf("after that: %v, want ErrNotFound", err)
		}
		if kept, _ := os.ReadFile(filepath.Join(s.dir, damagedDir, helloHash)); string(kept) != bad {
			t.Errorf("set aside: %q, want %q", kept, bad)
		}
		if err := s.PutAs(strings.NewReader("hello"), helloHash, 5); err != nil {
			t.Error(err)
		}
		if got, err := read(s, helloHash); got != "hello" || err != nil {
			t.Errorf("repaired: %q, %v", got, err)
		}
	}
}

func TestRefusalsLeaveNothing(t *testing.T) {
	s := open(t, t.TempDir())
	s.max = 1000
	broken := errors.New("broken")
	cases := map[string]error{
		"too large":   func() error { _, err := s.Put(rand.Reader); return err }(),
		"cut off":     func() error { _, err := s.Put(iotest.ErrReader(broken)); return err }(),
		"other":       s.PutAs(strings.NewReader("hellO"), helloHash, 5),
		"longer":      s.PutAs(strings.NewReader("hello there"), helloHash, 5),
		"shorter":     s.PutAs(strings.NewReader("hello"), helloHash, 6),
		"short name":  s.PutAs(strings.NewReader("hello"), "2cf24d", 5),
		"path":        s.PutAs(strings.NewReader("hello"), "../../"+helloHash[6:], 5),
		"upper case":  s.PutAs(strings.NewReader("hello"), strings.ToUpper(helloHash), 5),
		"announced":   s.PutAs(strings.NewReader("hello"), helloHash, 1001),
		"negative":    s.PutAs(strings.NewReader("hello"), helloHash, -1),
		"open a path": func() error { _, err := s.Open("../../" + helloHash[6:]); return err }(),
	}
	for name, err := range cases {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if !errors.Is(cases["too large"], ErrTooLarge) || !errors.Is(cases["cut off"], broken) {
		t.Error(cases)
	}
	entries, err := os.ReadDir(filepath.Join(s.dir, tempDir))
	if err != nil || len(entries) != 0 {
		t.Errorf("%d half files are left, %v", len(entries), err)
	}
}

func TestHalfFilesAreRemovedAtOpen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	half := filepath.Join(dir, tempDir, "123")
	if err := os.WriteFile(half, []byte("hel"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(strings.NewReader("hello")); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if _, err := os.Stat(half); !os.IsNotExist(err) {
		t.Error("the half file is still there")
	}
	if got, err := read(s, helloHash); got != "hello" || err != nil {
		t.Error(got, err)
	}
}

func TestConcurrentPutsOfTheSame(t *testing.T) {
	s := open(t, t.TempDir())
	content := bytes.Repeat([]byte("fax "), 10_000)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			doc, err := s.Put(bytes.NewReader(content))
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := read(s, doc.Hash); err != nil || got != string(content) {
				t.Error("read back", len(got), err)
			}
		})
	}
	wg.Wait()
}
