//go:build linux

package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestPowerFailure: what was flushed is there, what was not may be; nothing
// else is.
func TestPowerFailure(t *testing.T) {
	outcomes := map[string]bool{}
	for seed := range uint64(40) {
		root := filepath.Join(t.TempDir(), "data")
		path := func(name string) string { return filepath.Join(root, name) }
		put := func(name, content string) {
			if err := os.WriteFile(path(name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.MkdirAll(path("sub"), 0o700); err != nil {
			t.Fatal(err)
		}
		put("old", "old")
		put("changed", "before")
		d, err := newDisk(root)
		if err != nil {
			t.Fatal(err)
		}
		put("flushed", "flushed")
		put("changed", "behind")
		put("sub/lost", "lost")
		for _, name := range []string{"flushed", "."} {
			if errno := d.flush(path(name)); errno != 0 {
				t.Fatal(errno)
			}
		}
		put("never", "never")
		if _, err := d.loseUnflushed(rand.New(rand.NewPCG(seed, 1))); err != nil {
			t.Fatal(err)
		}
		read := func(name string) string {
			content, err := os.ReadFile(path(name))
			if err != nil {
				return "-"
			}
			return string(content)
		}
		if read("old") != "old" || read("flushed") != "flushed" {
			t.Fatalf("seed %d: flushed files are %q and %q", seed, read("old"), read("flushed"))
		}
		for name, may := range map[string][]string{"changed": {"before", "behind"}, "sub/lost": {"-", "", "lost"}, "never": {"-", "", "never"}} {
			got := read(name)
			outcomes[name+" "+got] = true
			if !bytes.Contains([]byte("|"+join(may)+"|"), []byte("|"+got+"|")) {
				t.Errorf("seed %d: %s holds %q", seed, name, got)
			}
		}
		if errno := d.flush(path("old")); errno != 0 {
			t.Errorf("the disk does not work any more: %v", errno)
		}
	}
	if len(outcomes) != 8 {
		t.Errorf("not all that can happen has happened: %v", outcomes)
	}
}

func join(words []string) (all string) {
	for i, w := range words {
		if i > 0 {
			all += "|"
		}
		all += w
	}
	return all
}

func TestTear(t *testing.T) {
	old, now := bytes.Repeat([]byte{1}, 3*pageSize), bytes.Repeat([]byte{2}, 5*pageSize)
	torn := 0
	for seed := range uint64(60) {
		got := tear(old, now, rand.New(rand.NewPCG(seed, 2)))
		if len(got) < len(old) || len(got) > len(now) {
			t.Fatalf("%d octets", len(got))
		}
		for at := 0; at < len(got); at += sectorSize {
			sector := got[at:min(at+sectorSize, len(got))]
			if bytes.Count(sector, sector[:1]) != len(sector) {
				t.Fatalf("the sector at %d is torn itself", at)
			}
			if at%pageSize != 0 && sector[0] != got[at-1] {
				torn++
			}
		}
	}
	if torn == 0 {
		t.Error("no page was ever torn")
	}
}

func TestBadDisk(t *testing.T) {
	root := t.TempDir()
	d, err := newDisk(root)
	if err != nil {
		t.Fatal(err)
	}
	d.setFail(true)
	if errno := d.flush(root); errno != syscall.EIO {
		t.Errorf("a failing disk answers %v", errno)
	}
	d.setFail(false)
	d.setHang(true)
	answered := make(chan syscall.Errno)
	go func() { answered <- d.flush(root) }()
	select {
	case <-answered:
		t.Error("a hanging disk answers")
	default:
	}
	d.setHang(false)
	if errno := <-answered; errno != 0 {
		t.Errorf("behind a hang: %v", errno)
	}
}
