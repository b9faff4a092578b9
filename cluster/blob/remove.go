package blob

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
)

// OnDamage sets who is told of each document that was set aside, before the
// store is used. What is called does not block.
func (s *Store) OnDamage(told func(hash string)) { s.damaged = told }

// Touch says that somebody relies on a document from now on: Remove leaves it.
// Put does so by itself.
func (s *Store) Touch(hash string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.touched[hash] = struct{}{}
}

// Touched gives the hashes that were put or touched since the last call, and
// begins anew.
func (s *Store) Touched() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	hashes := slices.Collect(maps.Keys(s.touched))
	clear(s.touched)
	return hashes
}

// Remove takes a document off the disk, but not one that was put or touched
// since the last call of Touched: then it reports false.
func (s *Store) Remove(hash string) (bool, error) {
	if err := CheckHash(hash); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, touched := s.touched[hash]; touched {
		return false, nil
	}
	for _, sealed := range s.forms() {
		path := s.path(hash, sealed)
		size := fileSize(path)
		// That it may come back after a power cut does no harm.
		if err := s.cfg.disk.Remove(path); err == nil {
			s.used.Add(-size)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("remove a document: %w", err)
		}
	}
	return true, nil
}
