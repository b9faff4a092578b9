package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/faxmesh/faxmesh/cluster/roaming"
	"github.com/faxmesh/faxmesh/cluster/roaming/courier"
)

// returned is what a node moved that was away.
type returned struct {
	whole   int64 // octets of the book as a new node would be sent it
	moved   int64 // octets that were sent, both ways
	changed int
	took    time.Duration
}

const (
	bookSize   = 200_000 // entries of one book
	returnTime = 10 * time.Minute
)

// entryAt is the i-th of many entries in several books.
func entryAt(i int) roaming.Edit {
	e := person(fmt.Sprintf("%07d", i))
	e.Key.Owner = fmt.Sprintf("book %02d", i/bookSize)
	return e
}

// measureReturn has a node come back after one entry of a hundred has changed.
func measureReturn(entries int) (r returned, err error) {
	dir, err := os.MkdirTemp("", "faxmesh-bench-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	if err := fill(filepath.Join(dir, "here"), entries); err != nil {
		return r, err
	}
	if err := copyFile(filepath.Join(dir, "away"), filepath.Join(dir, "here")); err != nil {
		return r, err
	}
	here, err := roaming.Open(filepath.Join(dir, "here"), "here")
	if err != nil {
		return r, err
	}
	defer here.Close()
	away, err := roaming.Open(filepath.Join(dir, "away"), "away")
	if err != nil {
		return r, err
	}
	defer away.Close()
	if r.changed, err = move(here, entries); err != nil {
		return r, err
	}
	if r.whole, err = wholeBook(here); err != nil {
		return r, err
	}
	r.moved, r.took, err = comeBack(here, away)
	return r, err
}

// fill makes a book.
func fill(path string, entries int) error {
	s, err := roaming.Open(path, "here")
	if err != nil {
		return err
	}
	var edits []roaming.Edit
	for i := range entries {
		edits = append(edits, entryAt(i))
		if len(edits) == roaming.MaxEdits || i == entries-1 {
			if _, err := s.Write(time.Now(), edits...); err != nil {
				return errors.Join(err, s.Close())
			}
			edits = edits[:0]
		}
	}
	return s.Close()
}

// move changes a field of one entry of a hundred.
func move(s *roaming.Store, entries int) (changed int, err error) {
	var edits []roaming.Edit
	for i := 0; i < entries; i += 100 {
		e := entryAt(i)
		e.Set = map[string]string{"note": "moved to the new building"}
		edits = append(edits, e)
	}
	for part := range slices.Chunk(edits, roaming.MaxEdits) {
		if _, err := s.Write(time.Now(), part...); err != nil {
			return 0, err
		}
	}
	return len(edits), nil
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// wholeBook is the octets of all pages of a fresh copy.
func wholeBook(s *roaming.Store) (octets int64, err error) {
	for after := ""; ; {
		p, err := s.Copy(time.Now(), roaming.Want{After: after})
		if err != nil {
			return 0, err
		}
		octets += int64(len(p.Encode()))
		if !p.More {
			return octets, nil
		}
		after = p.Last
	}
}

// comeBack connects the node that was away with the other one until it knows
// all that the other knows.
func comeBack(here, away *roaming.Store) (moved int64, took time.Duration, err error) {
	type answerer = func(ctx context.Context, from string, body []byte) ([]byte, error)
	answers := map[string]answerer{}
	var octets atomic.Int64
	cfg := courier.Config{Name: "here", Store: here, Others: func() []string { return nil }, Members: func() []string { return []string{"away"} },
		Broadcast: func(string, []byte) error { return nil }, Changed: func([]roaming.Key) {}, Alarm: func(string, string, string) {}, Logger: slog.New(slog.DiscardHandler)}
	server := courier.Open(cfg)
	defer server.Close()
	server.Handle(func(method string, f answerer) { answers[method] = f })
	cfg.Name, cfg.Store = "away", away
	cfg.Others, cfg.Members = func() []string { return []string{"here"} }, func() []string { return []string{"here"} }
	cfg.Call = func(ctx context.Context, _, method string, body []byte) ([]byte, error) {
		answer, err := answers[method](ctx, "away", body)
		octets.Add(int64(len(body) + len(answer)))
		return answer, err
	}
	want, err := here.Vector()
	if err != nil {
		return 0, 0, err
	}
	begun := time.Now()
	client := courier.Open(cfg)
	defer client.Close()
	client.Alive("here")
	for tick := time.NewTicker(10 * time.Millisecond); ; <-tick.C {
		v, err := away.Vector()
		if err != nil || !v.Behind(want) {
			return octets.Load(), time.Since(begun), err
		}
		if time.Since(begun) > returnTime {
			return 0, 0, fmt.Errorf("a node that was away is not up to date after %v", returnTime)
		}
	}
}
