package desk

import (
	"bytes"
	"io"
	"os"
	"sync"
)

// MaxUploadMemory is how many octets of an upload are kept in memory. A larger
// one goes to the disk: a page or two is over before its file would be made.
const MaxUploadMemory = 256 << 10

// spool is where the octets of an upload are.
type spool struct {
	dir string

	mu      sync.Mutex
	data    []byte
	file    *os.File // instead of data; nil until there are too many octets
	removed bool
}

// Write appends octets.
func (s *spool) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.removed {
		return 0, os.ErrClosed
	}
	if s.file == nil && len(s.data)+len(p) <= MaxUploadMemory {
		s.data = append(s.data, p...)
		return len(p), nil
	}
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "upload-*")
		if err != nil {
			return 0, err
		}
		s.file = f // removed with the spool, also if this fails
		if _, err := f.Write(s.data); err != nil {
			return 0, err
		}
		s.data = nil
	}
	return s.file.Write(p)
}

// readerAt is what a spool is read through; it outlives the spool.
type readerAt interface {
	io.ReaderAt
	io.Closer
}

func (s *spool) open() (readerAt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return inMemory{bytes.NewReader(s.data)}, nil
	}
	return os.Open(s.file.Name())
}

// inMemory needs no closing.
type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

func (s *spool) remove() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removed, s.data = true, nil
	if s.file != nil {
		s.file.Close()
		os.Remove(s.file.Name()) // what stays is removed at the next start
	}
}
