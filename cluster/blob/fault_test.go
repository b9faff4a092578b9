package blob

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// faulty is a disk that fails at its n-th step, and that can lose power: then
// what was not synced is torn, and names that were not synced are undone.
type faulty struct {
	osDisk
	steps int // done
	at    int // the step that fails, from 1; 0: none
	how   error
	short bool // a failing write takes half of its octets
	last  string

	random *rand.Rand
	files  map[string]*faultyFile // by their present name
	undo   map[string][]func()    // by directory: what a power cut takes back
}

type faultyFile struct {
	*os.File
	disk   *faulty
	synced int64
}

func newFaulty(seed uint64) *faulty {
	return &faulty{random: rand.New(rand.NewPCG(seed, 1)), files: map[string]*faultyFile{}, undo: map[string][]func(){}}
}

// step counts, and says whether this is the step that fails.
func (d *faulty) step(what string) error {
	d.steps++
	if d.steps != d.at {
		return nil
	}
	d.last = what
	return &os.PathError{Op: what, Path: "disk", Err: d.how}
}

func (d *faulty) Create(dir string) (output, error) {
	if err := d.step("create"); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, "*")
	if err != nil {
		return nil, err
	}
	file := &faultyFile{File: f, disk: d}
	d.files[f.Name()] = file
	return file, nil
}

func (f *faultyFile) Write(p []byte) (int, error) {
	err := f.disk.step("write")
	if err == nil {
		return f.File.Write(p)
	}
	n := 0
	if f.disk.short {
		n, _ = f.File.Write(p[:len(p)/2])
	}
	return n, err
}

func (f *faultyFile) Sync() error {
	if err := f.disk.step("sync"); err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		f.synced = info.Size()
	}
	return err
}

func (f *faultyFile) Close() error { return errors.Join(f.disk.step("close"), f.File.Close()) }

func (d *faulty) Rename(from, to string) error {
	if err := d.step("rename"); err != nil {
		return err
	}
	before, err := os.ReadFile(to)
	replaced, file := err == nil, d.files[from]
	if err := os.Rename(from, to); err != nil {
		return err
	}
	delete(d.files, from)
	old := d.files[to]
	d.files[to] = file
	dir := filepath.Dir(to)
	d.undo[dir] = append(d.undo[dir], func() {
		os.Remove(to)
		delete(d.files, to)
		if replaced {
			os.WriteFile(to, before, 0o600)
			d.files[to] = old
		}
	})
	return nil
}

func (d *faulty) MkdirAll(dir string) error {
	if err := d.step("mkdir"); err != nil {
		return err
	}
	for made := dir; ; made = filepath.Dir(made) {
		if _, err := os.Stat(made); err == nil {
			break
		}
		parent := filepath.Dir(made)
		d.undo[parent] = append(d.undo[parent], func() { os.RemoveAll(made) })
	}
	return os.MkdirAll(dir, 0o700)
}

func (d *faulty) SyncDir(dir string) error {
	if err := d.step("sync directory"); err != nil {
		return err
	}
	delete(d.undo, dir)
	return nil
}

// cut takes the power away.
func (d *faulty) cut() {
	for path, f := range d.files {
		info, err := os.Stat(path)
		if err != nil || info.Size() == f.synced {
			continue
		}
		data, _ := os.ReadFile(path)
		torn := data[:f.synced+d.random.Int64N(info.Size()-f.synced+1)]
		clear(torn[f.synced+d.random.Int64N(int64(len(torn))-f.synced+1):]) // blocks without their data
		os.WriteFile(path, torn, 0o600)
	}
	for _, undo := range d.undo {
		for i := len(undo) - 1; i >= 0; i-- {
			undo[i]()
		}
	}
}

// At whatever step the disk fails, in whatever way, and whether or not power is
// then cut: a document that was acknowledged is there with the right hash after
// the restart, and nothing is there with a wrong one.
func TestEveryStepMayFail(t *testing.T) {
	contents := [][]byte{pattern(10), pattern(segmentSize + 5), pattern(10)}
	seen := map[string]bool{}
	for _, way := range []struct {
		how              error
		short, seal, cut bool
	}{
		{how: syscall.EIO, seal: true, cut: true},
		{how: syscall.EIO, seal: true},
		{how: syscall.EIO, cut: true},
		{how: syscall.ENOSPC, seal: true, cut: true},
		{how: io.ErrShortWrite, short: true, seal: true, cut: true},
	} {
		for at, more := 1, true; more; at++ {
			d := newFaulty(uint64(at))
			d.at, d.how, d.short = at, way.how, way.short
			failing(t, fmt.Sprintf("step %d of %+v", at, way), d, contents, way.seal, way.cut)
			more, seen[d.last] = d.steps >= at, true
		}
	}
	for _, what := range []string{"create", "write", "sync", "close", "rename", "mkdir", "sync directory"} {
		if !seen[what] {
			t.Errorf("no %s has failed", what)
		}
	}
}

func failing(t *testing.T, what string, d *faulty, contents [][]byte, seal, cut bool) {
	t.Helper()
	dir := t.TempDir()
	acknowledged := map[string][]byte{}
	s, err := Open(Config{Dir: dir, Key: testKey, Seal: seal, Logger: quiet, disk: d})
	if err != nil {
		if !errors.Is(err, d.how) {
			t.Errorf("%s: %v", what, err)
		}
		return
	}
	refused := false
	for _, content := range contents {
		for range 2 { // whoever is refused comes again
			doc, err := s.Put(bytes.NewReader(content))
			if err == nil {
				acknowledged[doc.Hash] = content
				break
			}
			refused = true
			if !errors.Is(err, d.how) {
				t.Errorf("%s: the refusal is %v", what, err)
			}
		}
	}
	if d.last != "" && !refused {
		t.Errorf("%s: %s failed, and nothing was refused", what, d.last)
	}
	if cut {
		d.cut()
	}
	s = open(t, dir, seal)
	for hash, content := range acknowledged {
		if got, err := read(s, hash); err != nil || got != string(content) {
			t.Errorf("%s (%s): an acknowledged document: %d octets, %v", what, d.last, len(got), err)
		}
	}
	for doc, err := range s.List() {
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(doc.Hash, func(int) error { return nil }); err != nil {
			t.Errorf("%s (%s): %v", what, d.last, err)
		}
	}
	if left, _ := os.ReadDir(filepath.Join(dir, tempDir)); len(left) > 0 {
		t.Errorf("%s: %d half files after the restart", what, len(left))
	}
}

// After a directory could not be synced nothing is promised any more, but for a
// full disk, which has lost nothing; reading goes on.
func TestNothingIsStoredAfterAFailedSync(t *testing.T) {
	for how, over := range map[error]bool{syscall.EIO: true, syscall.ENOSPC: false} {
		d := newFaulty(1)
		s, err := Open(Config{Dir: t.TempDir(), Logger: quiet, disk: d})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Put(bytes.NewReader(nil)); err != nil {
			t.Fatal(err)
		}
		d.at, d.how = d.steps+5, how // create, (no write), sync, close, mkdir, sync directory
		if _, err := s.Put(bytes.NewReader([]byte("hello"))); err == nil {
			d.at = d.steps + 1
			t.Fatalf("%v: stored; the step that failed: %q", how, d.last)
		}
		if _, err := s.Put(bytes.NewReader([]byte("hello"))); (err != nil) != over {
			t.Errorf("after %v at %q: %v", how, d.last, err)
		}
		if got, err := read(s, emptyHash); got != "" || err != nil {
			t.Error(got, err)
		}
	}
}
