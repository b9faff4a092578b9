//go:build linux

package main

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// How a disk writes: whole sectors, in any order until it is flushed.
const (
	pageSize   = 4096
	sectorSize = 512
	maxDepth   = 32 // of directories
)

// restorer rebuilds a tree as it might be found after a power failure.
type restorer struct {
	disk   *disk
	chance *rand.Rand
	now    map[uint64][]byte // what the files hold that were changed
	dirs   map[uint64]map[string]entry
	lost   int // files and directories that are not what they were
}

// read takes in what is under the root now.
func (r *restorer) read() error {
	r.dirs = map[uint64]map[string]entry{}
	return filepath.WalkDir(r.disk.root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if !e.IsDir() {
			if !info.Mode().IsRegular() {
				return nil
			}
			content, err := os.ReadFile(path)
			r.now[inodeOf(info)] = content
			return err
		}
		dir, err := os.Open(path)
		if err != nil {
			return err
		}
		defer dir.Close()
		r.dirs[inodeOf(info)], err = listing(dir)
		return err
	})
}

// build makes the directory that had an inode at path.
func (r *restorer) build(path string, inode uint64, depth int) error {
	if depth > maxDepth {
		return errors.New("the directories are too deep")
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	names := r.names(inode)
	for name, e := range names {
		to := filepath.Join(path, name)
		var err error
		if e.dir {
			err = r.build(to, e.inode, depth+1)
		} else {
			err = os.WriteFile(to, r.content(e.inode), 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// names is what a directory holds: the names that were flushed, or those it had
// at the end if these got to the disk by themselves.
func (r *restorer) names(inode uint64) map[string]entry {
	flushed, now := r.disk.dirs[inode], r.dirs[inode]
	if same(flushed, now) {
		return now
	}
	r.lost++
	if now != nil && r.chance.IntN(2) == 0 {
		return now
	}
	return flushed
}

func same(a, b map[string]entry) bool {
	if len(a) != len(b) {
		return false
	}
	for name, e := range a {
		if b[name] != e {
			return false
		}
	}
	return true
}

// content is what a file holds: what was flushed, with some of what was written
// behind that.
func (r *restorer) content(inode uint64) []byte {
	flushed := r.disk.files[inode]
	now, there := r.now[inode]
	if !there || bytes.Equal(flushed, now) {
		return flushed
	}
	r.lost++
	return tear(flushed, now, r.chance)
}

// tear is a file of which some pages of the new content have replaced those of
// the old, one of them in part.
func tear(flushed, now []byte, chance *rand.Rand) []byte {
	got := bytes.Clone(flushed)
	if chance.IntN(2) == 0 {
		return got
	}
	torn := false
	for at := 0; at < len(now); at += pageSize {
		end := min(at+pageSize, len(now))
		if at < len(flushed) && bytes.Equal(now[at:end], flushed[at:min(end, len(flushed))]) || chance.IntN(2) == 0 {
			continue
		}
		if !torn {
			torn = true
			end = min(end, at+sectorSize*(1+chance.IntN(pageSize/sectorSize)))
		}
		if end > len(got) {
			got = append(got, make([]byte, end-len(got))...)
		}
		copy(got[at:end], now[at:end])
	}
	return got
}
