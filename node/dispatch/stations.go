package dispatch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/durable"
	"github.com/faxmesh/faxmesh/modem/station"
)

// Limits on what is kept of the stations that are called.
const (
	maxStations     = 2000    // numbers; the one that taught something longest ago goes first
	maxStationsFile = 4 << 20 // octets; more is not a file of ours
)

// stations is what this node has learnt of the stations that it calls, by
// number. It is in a file as far as the disk allows; a call neither waits for it
// nor fails because of it.
type stations struct {
	path string

	mu    sync.Mutex
	known map[string]learnt
}

// learnt is an entry of the file.
type learnt struct {
	Number string        `json:"number"`
	At     fax.Millis    `json:"at"`
	Known  station.Known `json:"known"`
}

// openStations reads what is kept in the file at path, if it is there. With an
// error nothing is known, and the file is replaced by and by.
func openStations(path string) (*stations, error) {
	s := &stations{path: path, known: make(map[string]learnt)}
	all, err := readStations(path)
	for _, l := range all[:min(len(all), maxStations)] {
		s.known[l.Number] = l
	}
	return s, err
}

func readStations(path string) ([]learnt, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxStationsFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxStationsFile {
		return nil, fmt.Errorf("%s has more than %d octets", path, maxStationsFile)
	}
	var all []learnt
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return all, nil
}

// of is what is known of the station at a number.
func (s *stations) of(number string) station.Known {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[number].Known
}

// learn keeps what a call has taught. Most calls teach nothing new, and write
// nothing. Of two calls to a number at once the later end counts.
func (s *stations) learn(number string, k station.Known, now fax.Millis) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k == (station.Known{}) || k == s.known[number].Known {
		return nil
	}
	s.known[number] = learnt{Number: number, At: now, Known: k}
	if len(s.known) > maxStations {
		delete(s.known, s.oldestLocked())
	}
	return s.writeLocked()
}

func (s *stations) oldestLocked() (number string) {
	for n, l := range s.known {
		if o := s.known[number]; number == "" || l.At < o.At || l.At == o.At && n < number {
			number = n
		}
	}
	return number
}

func (s *stations) writeLocked() error {
	all := make([]learnt, 0, len(s.known))
	for _, l := range s.known {
		all = append(all, l)
	}
	data, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return durable.WriteFile(s.path, data, 0o600)
}
