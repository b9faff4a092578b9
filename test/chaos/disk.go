//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// disk is what a node's disk would hold if the power failed now: the content
// of each file and the names in each directory as they were when last flushed.
type disk struct {
	root string

	mu    sync.Mutex
	files map[uint64][]byte           // by inode
	dirs  map[uint64]map[string]entry // by inode
	hang  chan struct{}               // while it hangs; closed at its end
	fail  bool                        // flushes end with EIO

	flushes int
}

type entry struct {
	inode uint64
	dir   bool
}

// newDisk takes what is under root now for flushed.
func newDisk(root string) (*disk, error) {
	d := &disk{root: root}
	return d, d.settle()
}

// settle takes everything under root for flushed.
func (d *disk) settle() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files, d.dirs = map[uint64][]byte{}, map[uint64]map[string]entry{}
	return filepath.WalkDir(d.root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return d.keepLocked(path)
	})
}

// flush is fsync of the file at path, as the node sees it. It returns the error
// number that the node is told.
func (d *disk) flush(path string) syscall.Errno {
	d.mu.Lock()
	hang := d.hang
	d.mu.Unlock()
	if hang != nil {
		<-hang
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail {
		return syscall.EIO
	}
	if err := d.keepLocked(path); err != nil {
		return syscall.EIO
	}
	d.flushes++
	return 0
}

// keepLocked notes what a file or directory holds.
func (d *disk) keepLocked(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		names, err := listing(f)
		if err == nil {
			d.dirs[inodeOf(info)] = names
		}
		return err
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	content := d.files[inodeOf(info)]
	if int64(cap(content)) < info.Size() {
		content = make([]byte, info.Size(), info.Size()+info.Size()/4)
	}
	content = content[:info.Size()]
	n, err := f.ReadAt(content, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	d.files[inodeOf(info)] = content[:n] // less if it was cut meanwhile
	return nil
}

func listing(dir *os.File) (map[string]entry, error) {
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	names := make(map[string]entry, len(entries))
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		if e.IsDir() || info.Mode().IsRegular() {
			names[e.Name()] = entry{inodeOf(info), e.IsDir()}
		}
	}
	return names, nil
}

func inodeOf(info fs.FileInfo) uint64 { return info.Sys().(*syscall.Stat_t).Ino }

// setHang lets flushes wait until the end of a hang, setFail lets them fail.
func (d *disk) setHang(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case on && d.hang == nil:
		d.hang = make(chan struct{})
	case !on && d.hang != nil:
		close(d.hang)
		d.hang = nil
	}
}

func (d *disk) setFail(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = on
}

// loseUnflushed puts the files under root back to what the disk held: what was
// not flushed is gone, or there in part. The node's process must have ended.
func (d *disk) loseUnflushed(chance *rand.Rand) (lost int, err error) {
	d.mu.Lock()
	r := restorer{disk: d, chance: chance, now: map[uint64][]byte{}}
	err = r.read()
	var top uint64
	if err == nil {
		var info fs.FileInfo
		if info, err = os.Stat(d.root); err == nil {
			top = inodeOf(info)
		}
	}
	rebuilt := d.root + ".power"
	if err == nil {
		err = r.build(rebuilt, top, 0)
	}
	d.mu.Unlock()
	if err == nil {
		err = replaceTree(d.root, rebuilt)
	}
	if err != nil {
		return 0, fmt.Errorf("lose what was not flushed in %s: %w", d.root, err)
	}
	return r.lost, d.settle()
}

// replaceTree puts what is in from into the place of what is in to.
func replaceTree(to, from string) error {
	old, err := os.ReadDir(to)
	if err != nil {
		return err
	}
	for _, e := range old {
		if err := os.RemoveAll(filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Rename(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return os.Remove(from)
}
