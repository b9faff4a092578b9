package blob

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/durable"
)

// Has reports whether a blob of that hash is there, without reading it.
func (s *Store) Has(hash string) bool {
	_, err := s.Size(hash)
	return err == nil
}

// Size is the length of a blob's content, or ErrNotFound.
func (s *Store) Size(hash string) (int64, error) {
	if err := CheckHash(hash); err != nil {
		return 0, err
	}
	for _, sealed := range s.forms() {
		info, err := os.Stat(s.path(hash, sealed))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("look for a document: %w", err)
		}
		return contentSize(info.Size(), sealed), nil
	}
	return 0, ErrNotFound
}

// forms are the two in which a document may be, the one that this store writes
// first.
func (s *Store) forms() [2]bool { return [2]bool{s.cfg.Seal, !s.cfg.Seal} }

// contentSize is the length of what a file holds. That of a sealed file which
// cannot be one is 0; reading it tells.
func contentSize(file int64, sealed bool) int64 {
	if !sealed {
		return file
	}
	size, _, _ := layout(file)
	return size
}

// Open opens a blob for reading from its beginning, or gives ErrNotFound.
func (s *Store) Open(hash string) (*Reader, error) {
	if err := CheckHash(hash); err != nil {
		return nil, err
	}
	for _, sealed := range s.forms() {
		f, err := os.Open(s.path(hash, sealed))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("open a document: %w", err)
		}
		r, err := s.reader(f, hash, sealed)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("open a document: %w", err)
		}
		return r, nil
	}
	return nil, ErrNotFound
}

func (s *Store) reader(f *os.File, hash string, sealed bool) (*Reader, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	r := &Reader{store: s, name: hash, sealed: sealed, file: f, info: info, content: f, size: contentSize(info.Size(), sealed), sum: sha256.New()}
	if !sealed {
		return r, nil
	}
	if s.cfg.Key == nil {
		return nil, errNoKey
	}
	if r.content, err = s.cfg.Key.open(f, info.Size()); err != nil {
		r.content = refusing{err} // the first read tells, and sets it aside
	}
	return r, nil
}

// refusing is content that cannot be had.
type refusing struct{ err error }

func (r refusing) Read([]byte) (int, error) { return 0, r.err }

// Verify reads a blob to its end: ErrDamaged if it does not match its hash.
func (s *Store) Verify(hash string, pace func(octets int) error) error {
	r, err := s.Open(hash)
	if err != nil {
		return err
	}
	defer r.Close()
	part := make([]byte, segmentSize)
	for {
		n, err := r.Read(part)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := pace(n); err != nil {
			return err
		}
	}
}

// List gives all blobs, in the order of their hashes, each once. It reads names
// and sizes, not contents. It ends early if the directory cannot be read, after
// giving the error.
func (s *Store) List() iter.Seq2[fax.Document, error] {
	return func(yield func(fax.Document, error) bool) {
		last := ""
		err := s.walk(func(hash string, sealed bool, size int64) error {
			if hash == last {
				return nil // in both forms
			}
			last = hash
			if !yield(fax.Document{Hash: hash, Size: contentSize(size, sealed)}, nil) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			yield(fax.Document{}, fmt.Errorf("list the documents: %w", err))
		}
	}
}

// walk goes through the files of the tree, with their sizes on disk.
func (s *Store) walk(do func(hash string, sealed bool, size int64) error) error {
	return filepath.WalkDir(s.cfg.Dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // set aside meanwhile
		case err != nil:
			return err
		case d.IsDir():
			if name := d.Name(); path != s.cfg.Dir && len(name) != 2 {
				return fs.SkipDir
			}
			return nil
		}
		hash, sealed := strings.CutSuffix(d.Name(), sealedSuffix)
		info, err := d.Info()
		if err != nil || CheckHash(hash) != nil {
			return nil // gone meanwhile, or nothing of ours
		}
		return do(hash, sealed, info.Size())
	})
}

// Measure counts the octets of all files. Until it has been called once, Used
// knows only what was stored since Open.
func (s *Store) Measure() error {
	var sum int64
	before := s.used.Load()
	err := s.walk(func(_ string, _ bool, size int64) error {
		sum += size
		return nil
	})
	if err != nil {
		return fmt.Errorf("measure the documents: %w", err)
	}
	s.used.Add(sum - before) // what came meanwhile may count twice until the next time
	return nil
}

// Used is how many octets of the disk the documents take.
func (s *Store) Used() int64 { return max(s.used.Load(), 0) }

// setAside moves a damaged file out of the tree and keeps it for inspection,
// unless another has taken its place meanwhile.
func (s *Store) setAside(hash string, sealed bool, found fs.FileInfo, why error) {
	from := s.path(hash, sealed)
	if now, err := os.Stat(from); err != nil || !os.SameFile(now, found) {
		return
	}
	to := filepath.Join(s.cfg.Dir, damagedDir, filepath.Base(from))
	if err := durable.Rename(from, to); err != nil {
		s.cfg.Logger.Error("a damaged document could not be set aside", "hash", hash, "err", err)
		return
	}
	s.used.Add(-found.Size())
	s.cfg.Logger.Error("a document does not match its hash; it was set aside, the disk may be failing", "hash", hash, "file", to, "err", why)
	s.damaged(hash)
}

// Reader reads one blob. Only a reader that has given io.EOF has vouched for
// the octets before it: a blob that does not match its hash, or cannot be read
// to its end, ends in ErrDamaged.
type Reader struct {
	store   *Store
	name    string
	sealed  bool
	file    *os.File
	info    fs.FileInfo
	content io.Reader // of the file, opened if it is sealed
	size    int64
	sum     hash.Hash
	end     error // what every Read after the end gives
}

// Size is the length in octets.
func (r *Reader) Size() int64 { return r.size }

func (r *Reader) Read(p []byte) (int, error) {
	if r.end != nil {
		return 0, r.end
	}
	n, err := r.content.Read(p)
	r.sum.Write(p[:n])
	switch {
	case err == nil || errors.Is(err, os.ErrClosed):
		return n, err
	case errors.Is(err, io.EOF) && hex.EncodeToString(r.sum.Sum(nil)) == r.name:
		r.end = io.EOF
	default:
		r.end = ErrDamaged
		r.file.Close() // Windows renames no open file
		r.store.setAside(r.name, r.sealed, r.info, err)
	}
	return n, r.end
}

// Close ends the reading.
func (r *Reader) Close() error {
	if err := r.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("close a document: %w", err)
	}
	return nil
}
