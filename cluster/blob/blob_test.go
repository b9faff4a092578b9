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

var quiet = slog.New(slog.DiscardHandler)

// testKey is a key that is no secret.
var testKey = newKey(bytes.Repeat([]byte{0x42}, 32))

// hasty is a disk that does not wait until anything is durable, for tests that
// cut no power.
type hasty struct{ osDisk }

type hastyFile struct{ *os.File }

func (hastyFile) Sync() error { return nil }

func (hasty) SyncDir(string) error { return nil }

func (d hasty) Create(dir string) (output, error) {
	f, err := os.CreateTemp(dir, "*")
	return hastyFile{f}, err
}

// open opens a store that writes in one of the forms and reads both.
func open(t testing.TB, dir string, seal bool) *Store {
	t.Helper()
	s, err := Open(Config{Dir: dir, Key: testKey, Seal: seal, Logger: quiet, disk: hasty{}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// inBothForms runs a test on a plain store and on one that seals.
func inBothForms(t *testing.T, test func(t *testing.T, seal bool)) {
	for name, seal := range map[string]bool{"plain": false, "sealed": true} {
		t.Run(name, func(t *testing.T) { test(t, seal) })
	}
}

func read(s *Store, hash string) (string, error) {
	r, err := s.Open(hash)
	if err != nil {
		return "", err
	}
	defer r.Close()
	data, err := io.ReadAll(iotest.HalfReader(r))
	return string(data), err
}

func TestPutAndRead(t *testing.T) {
	inBothForms(t, func(t *testing.T, seal bool) {
		s := open(t, t.TempDir(), seal)
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
	})
}

// damages are what a disk may do to a file.
var damages = map[string]func(data []byte) []byte{
	"a bit":         func(d []byte) []byte { d[len(d)/2] ^= 4; return d },
	"the first bit": func(d []byte) []byte { d[0] ^= 128; return d },
	"the last bit":  func(d []byte) []byte { d[len(d)-1] ^= 1; return d },
	"shorter":       func(d []byte) []byte { return d[:len(d)-1] },
	"half":          func(d []byte) []byte { return d[:len(d)/2] },
	"longer":        func(d []byte) []byte { return append(d, '!') },
	"emptied":       func([]byte) []byte { return nil },
	"zeros":         func(d []byte) []byte { return make([]byte, len(d)) },
}

func TestDamageIsFoundAndSetAside(t *testing.T) {
	inBothForms(t, func(t *testing.T, seal bool) {
		content := strings.Repeat("a page of a fax ", 10_000)
		for what, damage := range damages {
			s := open(t, t.TempDir(), seal)
			var told []string
			s.OnDamage(func(hash string) { told = append(told, hash) })
			doc, err := s.Put(strings.NewReader(content))
			if err != nil {
				t.Fatal(err)
			}
			path := s.path(doc.Hash, seal)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			bad := damage(data)
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			if got, err := read(s, doc.Hash); !errors.Is(err, ErrDamaged) || (seal && !strings.HasPrefix(content, got)) {
				t.Errorf("%s: read %d octets, %v, want ErrDamaged", what, len(got), err)
			}
			if _, err := read(s, doc.Hash); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s, after that: %v, want ErrNotFound", what, err)
			}
			if kept, _ := os.ReadFile(filepath.Join(s.cfg.Dir, damagedDir, filepath.Base(path))); !bytes.Equal(kept, bad) {
				t.Errorf("%s: %d octets were set aside, want %d", what, len(kept), len(bad))
			}
			if len(told) != 1 || told[0] != doc.Hash {
				t.Errorf("%s: told of %v", what, told)
			}
			if err := s.PutAs(strings.NewReader(content), doc.Hash, doc.Size); err != nil {
				t.Error(err)
			}
			if got, err := read(s, doc.Hash); got != content || err != nil {
				t.Errorf("%s, repaired: %d octets, %v", what, len(got), err)
			}
		}
	})
}

// A file that has replaced the damaged one is left where it is.
func TestTheReplacementIsNotSetAside(t *testing.T) {
	s := open(t, t.TempDir(), true)
	if _, err := s.Put(strings.NewReader("hello")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path(helloHash, true), []byte("rotten"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := s.Open(helloHash)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(strings.NewReader("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
	if got, err := read(s, helloHash); got != "hello" || err != nil {
		t.Error(got, err)
	}
}

// Whatever the setting was when a document was stored, it is readable, and is
// kept once.
func TestTheOtherFormIsReadable(t *testing.T) {
	dir := t.TempDir()
	for i := range 4 {
		s := open(t, dir, i%2 == 0)
		if i > 0 {
			if got, err := read(s, helloHash); got != "hello" || err != nil {
				t.Fatalf("change %d: %q, %v", i, got, err)
			}
			if n, err := s.Size(helloHash); n != 5 || err != nil {
				t.Errorf("change %d: %d octets, %v", i, n, err)
			}
		}
		if _, err := s.Put(strings.NewReader("hello")); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(s.path(helloHash, i%2 == 1)); !os.IsNotExist(err) {
			t.Errorf("change %d: it is kept in both forms", i)
		}
	}
	s, err := Open(Config{Dir: dir, Logger: quiet}) // the last was plain
	if err != nil {
		t.Fatal(err)
	}
	if got, err := read(s, helloHash); got != "hello" || err != nil {
		t.Error("without a key", got, err)
	}
}

func TestUsed(t *testing.T) {
	inBothForms(t, func(t *testing.T, seal bool) {
		dir := t.TempDir()
		s := open(t, dir, seal)
		on := func(hash string) int64 { return fileSize(s.path(hash, seal)) }
		for range 3 { // the same again takes no more
			for _, content := range []string{"hello", ""} {
				if _, err := s.Put(strings.NewReader(content)); err != nil {
					t.Fatal(err)
				}
			}
		}
		want := on(helloHash) + on(emptyHash)
		if s.Used() != want {
			t.Errorf("%d octets used, want %d", s.Used(), want)
		}
		s = open(t, dir, seal)
		if err := s.Measure(); err != nil || s.Used() != want {
			t.Errorf("measured %d, want %d, %v", s.Used(), want, err)
		}
		if done, err := s.Remove(helloHash); !done || err != nil {
			t.Fatal(done, err)
		}
		if s.Used() != on(emptyHash) || s.Has(helloHash) {
			t.Errorf("after removal %d octets used", s.Used())
		}
	})
}

// What somebody has come to rely on is not removed.
func TestRemoveLeavesWhatWasTouched(t *testing.T) {
	s := open(t, t.TempDir(), true)
	if _, err := s.Put(strings.NewReader("hello")); err != nil {
		t.Fatal(err)
	}
	if done, err := s.Remove(helloHash); done || err != nil {
		t.Error("just put", done, err)
	}
	if got := s.Touched(); len(got) != 1 || got[0] != helloHash {
		t.Error(got)
	}
	s.Touch(helloHash)
	if done, _ := s.Remove(helloHash); done || !s.Has(helloHash) {
		t.Error("touched, and gone")
	}
	s.Touched()
	if done, err := s.Remove(helloHash); !done || err != nil || s.Has(helloHash) {
		t.Error(done, err)
	}
	if _, err := s.Remove("../../" + helloHash[6:]); !errors.Is(err, ErrBadHash) {
		t.Error(err)
	}
}

func TestRefusalsLeaveNothing(t *testing.T) {
	inBothForms(t, func(t *testing.T, seal bool) {
		s := open(t, t.TempDir(), seal)
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
		entries, err := os.ReadDir(filepath.Join(s.cfg.Dir, tempDir))
		if err != nil || len(entries) != 0 {
			t.Errorf("%d half files are left, %v", len(entries), err)
		}
	})
}

func TestHalfFilesAreRemovedAtOpen(t *testing.T) {
	inBothForms(t, func(t *testing.T, seal bool) {
		dir := t.TempDir()
		s := open(t, dir, seal)
		half := filepath.Join(dir, tempDir, "123")
		if err := os.WriteFile(half, []byte("hel"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Put(strings.NewReader("hello")); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir, seal)
		if _, err := os.Stat(half); !os.IsNotExist(err) {
			t.Error("the half file is still there")
		}
		if got, err := read(s, helloHash); got != "hello" || err != nil {
			t.Error(got, err)
		}
	})
}

func TestConcurrentPutsOfTheSame(t *testing.T) {
	inBothForms(t, func(t *testing.T, seal bool) {
		s := open(t, t.TempDir(), seal)
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
	})
}
