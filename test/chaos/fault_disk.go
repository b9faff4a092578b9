//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Times of faults of disks.
const (
	fullTime = 8 * time.Second
	hangMost = 12 * time.Second
)

// diskFaults are those of rows 6 to 10.
func diskFaults() []fault {
	return []fault{
		{6, "disk-full-leader", 1, func(ctx context.Context, s *stage) (string, error) { return s.fill(s.leads()) }},
		{6, "disk-full-one", 1, func(ctx context.Context, s *stage) (string, error) { return s.fill(s.any()) }},
		{6, "disk-full-all", 1, func(ctx context.Context, s *stage) (string, error) { return s.fill(s.nodes...) }},
		{7, "disk-hangs-leader", 2, func(ctx context.Context, s *stage) (string, error) { return s.hang(s.leads()) }},
		{7, "disk-hangs-one", 1, func(ctx context.Context, s *stage) (string, error) { return s.hang(s.any()) }},
		{8, "flush-fails", 2, flushFails},
		{9, "power-one", 3, func(ctx context.Context, s *stage) (string, error) { return s.power(s.any()) }},
		{9, "power-leader", 2, func(ctx context.Context, s *stage) (string, error) { return s.power(s.leads()) }},
		{9, "power-all", 3, func(ctx context.Context, s *stage) (string, error) { return s.power(s.nodes...) }},
		{9, "power-caller", 3, powerCaller},
		{10, "corrupt", 2, corrupt},
	}
}

// fill lets the disks of nodes become full.
func (s *stage) fill(nodes ...*node) (string, error) {
	for _, n := range nodes {
		if err := ballast(n); err != nil {
			return n.name, err
		}
	}
	time.Sleep(s.between(time.Second, fullTime)) // they are full so long
	var errs []error
	for _, n := range nodes {
		errs = append(errs, os.Remove(filepath.Join(n.place, "ballast")))
	}
	return names(nodes), errors.Join(errs...)
}

// ballast fills a disk to its last octet.
func ballast(n *node) error {
	f, err := os.Create(filepath.Join(n.place, "ballast"))
	if err != nil {
		return err
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			return err
		}
	}
	return nil
}

// hang lets the flushes of a node wait.
func (s *stage) hang(n *node) (string, error) {
	n.disk.setHang(true)
	lasted := s.between(500*time.Millisecond, hangMost)
	time.Sleep(lasted)
	n.disk.setHang(false)
	return fmt.Sprintf("%s for %v", n.name, lasted.Round(time.Millisecond)), nil
}

// flushFails lets the flushes of a node fail, as with a bad sector. What the
// disk has not taken is lost when the node goes on: the kernel forgets it.
func flushFails(_ context.Context, s *stage) (string, error) {
	n := s.any()
	n.disk.setFail(true)
	time.Sleep(s.between(300*time.Millisecond, 3*time.Second))
	n.kill()
	n.disk.setFail(false)
	lost, err := n.disk.loseUnflushed(s.chance)
	return fmt.Sprintf("%s, %d files not as they were", n.name, lost), errors.Join(err, n.start())
}

// power cuts the power of nodes.
func (s *stage) power(nodes ...*node) (string, error) {
	for _, n := range nodes {
		if err := n.signal(syscall.SIGSTOP); err != nil { // all in one moment
			return n.name, err
		}
	}
	var errs []error
	lost := 0
	for _, n := range nodes {
		n.kill()
		files, err := n.disk.loseUnflushed(s.chance)
		lost += files
		errs = append(errs, err)
	}
	time.Sleep(s.between(0, deadMost)) // it is dark so long
	for _, n := range nodes {
		errs = append(errs, n.start())
	}
	return fmt.Sprintf("%s, %d files not as they were", names(nodes), lost), errors.Join(errs...)
}

// powerCaller cuts the power of a node in a call.
func powerCaller(_ context.Context, s *stage) (string, error) {
	n, line, ok := s.caller()
	if !ok {
		return "nobody was in a call", nil
	}
	s.letCallRun()
	what, err := s.power(n)
	return what + " with line " + line, err
}

// corrupt damages a file of a node that is down. The node must refuse to work
// with it, or make it good from the others; whatever it does, the checks at the
// end must hold. If it refuses, the file is brought back as it was.
func corrupt(ctx context.Context, s *stage) (string, error) {
	n := s.any()
	n.kill()
	path, old, err := s.damage(n)
	if err != nil {
		return n.name, err
	}
	what, _ := filepath.Rel(n.data(), path)
	if err := n.start(); err != nil {
		return what, err
	}
	serving, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	verdict := "it served"
	if err := n.serves(serving); err != nil {
		verdict = "it refused"
		n.kill()
		if err := os.WriteFile(path, old, 0o600); err != nil {
			return what, err
		}
		if err := n.disk.settle(); err != nil {
			return what, err
		}
		if err := n.start(); err != nil {
			return what, err
		}
	}
	return fmt.Sprintf("%s of %s: %s", what, n.name, verdict), nil
}

// damage turns some bits of one of the node's files, or cuts its end off.
func (s *stage) damage(n *node) (path string, old []byte, err error) {
	var files []string
	err = filepath.WalkDir(n.data(), func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil && info.Size() > 64 {
				files = append(files, path)
			}
		}
		return err
	})
	if err != nil || len(files) == 0 {
		return "", nil, errors.Join(err, errors.New("the node has no files"))
	}
	path = files[s.chance.IntN(len(files))]
	if old, err = os.ReadFile(path); err != nil {
		return path, nil, err
	}
	bad := append([]byte(nil), old...)
	if s.chance.IntN(3) == 0 {
		bad = bad[:s.chance.IntN(len(bad))]
	} else {
		for range 1 + s.chance.IntN(8) {
			bad[s.chance.IntN(len(bad))] ^= 1 << s.chance.IntN(8)
		}
	}
	if err := os.WriteFile(path, bad, 0o600); err != nil {
		return path, old, err
	}
	return path, old, n.disk.settle()
}
