// Package blob is a store of immutable files known by their SHA-256.
//
// The file of hash aabbcc… is DIR/aa/bb/aabbcc…. It is written to DIR/tmp
// first and gets its name when its octets are on disk, so a name always stands
// for a whole file. Every read checks the hash again: a file that the disk has
// damaged is moved to DIR/damaged and counts as missing, so that a copy can be
// fetched from elsewhere.
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
	"log/slog"
	"os"
	"path/filepath"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/durable"
)

// MaxSize is the most octets a blob may have.
const MaxSize = 256 << 20

// Errors that a caller may meet.
var (
	ErrNotFound = errors.New("there is no such document on this node")
	ErrDamaged  = errors.New("the document does not match its hash; it was set aside")
	ErrTooLarge = errors.New("the document is larger than a document may be")
	ErrBadHash  = errors.New("a document's hash is 64 hexadecimal digits in lower case")
)

// The subdirectories that are not of the tree.
const (
	tempDir    = "tmp"
	damagedDir = "damaged"
)

// Store is a directory of blobs. It is safe for concurrent use.
type Store struct {
	dir    string
	max    int64
	logger *slog.Logger
}

// Open opens or makes the store in dir. What a crash left half written is
// removed.
func Open(dir string, logger *slog.Logger) (*Store, error) {
	temp := filepath.Join(dir, tempDir)
	if err := os.RemoveAll(temp); err != nil {
		return nil, fmt.Errorf("remove half-written documents: %w", err)
	}
	for _, d := range []string{temp, filepath.Join(dir, damagedDir)} {
		if err := durable.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("open the document store: %w", err)
		}
	}
	return &Store{dir: dir, max: MaxSize, logger: logger}, nil
}

// CheckHash says whether s has the form of a blob's name.
func CheckHash(s string) error {
	if len(s) != 2*sha256.Size {
		return ErrBadHash
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return ErrBadHash
		}
	}
	return nil
}

func (s *Store) path(hash string) string {
	return filepath.Join(s.dir, hash[:2], hash[2:4], hash)
}

// Put stores what r gives, up to MaxSize octets. When it returns, the blob is
// on disk. The document's Pages is left 0.
func (s *Store) Put(r io.Reader) (fax.Document, error) {
	return s.put(r, "", s.max)
}

// PutAs stores a blob of which hash and size are known, and refuses another.
func (s *Store) PutAs(r io.Reader, hash string, size int64) error {
	if err := CheckHash(hash); err != nil {
		return err
	}
	if size < 0 || size > s.max {
		return ErrTooLarge
	}
	doc, err := s.put(r, hash, size)
	if err == nil && doc.Size != size {
		return fmt.Errorf("the document has %d octets where %d were announced", doc.Size, size)
	}
	return err
}

// put stores up to max octets; want, if any, is the hash they must have.
func (s *Store) put(r io.Reader, want string, max int64) (doc fax.Document, err error) {
	f, err := os.CreateTemp(filepath.Join(s.dir, tempDir), "*")
	if err != nil {
		return doc, fmt.Errorf("store a document: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), io.LimitReader(r, max+1))
	if err != nil {
		return doc, fmt.Errorf("store a document: %w", err)
	}
	if n > max {
		return doc, fmt.Errorf("%w: at most %d octets", ErrTooLarge, max)
	}
	doc = fax.Document{Hash: hex.EncodeToString(sum.Sum(nil)), Size: n}
	if want != "" && doc.Hash != want {
		return doc, fmt.Errorf("the octets received are not those of document %s", want)
	}
	path := s.path(doc.Hash)
	if err = durable.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return doc, fmt.Errorf("store a document: %w", err)
	}
	// A file of that name may be there already. It is replaced, because these
	// octets were hashed just now and those may have rotted.
	if err = durable.Publish(f, path); err != nil {
		return doc, fmt.Errorf("store a document: %w", err)
	}
	return doc, nil
}

// Has reports whether a blob of that hash is there, without reading it.
func (s *Store) Has(hash string) bool {
	_, err := s.Size(hash)
	return err == nil
}

// Size is the length of a blob, or ErrNotFound.
func (s *Store) Size(hash string) (int64, error) {
	if err := CheckHash(hash); err != nil {
		return 0, err
	}
	info, err := os.Stat(s.path(hash))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, ErrNotFound
	}
	if err != nil {
		return 0, fmt.Errorf("look for a document: %w", err)
	}
	return info.Size(), nil
}

// Open opens a blob for reading from its beginning, or gives ErrNotFound.
func (s *Store) Open(hash string) (*Reader, error) {
	if err := CheckHash(hash); err != nil {
		return nil, err
	}
	f, err := os.Open(s.path(hash))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("open a document: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open a document: %w", err)
	}
	return &Reader{store: s, name: hash, file: f, size: info.Size(), sum: sha256.New()}, nil
}

// List gives all blobs, in the order of their hashes. It reads names and sizes,
// not contents. It ends early if the directory cannot be read, after giving the
// error.
func (s *Store) List() iter.Seq2[fax.Document, error] {
	return func(yield func(fax.Document, error) bool) {
		err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil // set aside meanwhile
			case err != nil:
				return err
			case d.IsDir():
				if name := d.Name(); path != s.dir && len(name) != 2 {
					return fs.SkipDir
				}
				return nil
			}
			info, err := d.Info()
			if err != nil || CheckHash(d.Name()) != nil {
				return nil // gone meanwhile, or nothing of ours
			}
			if !yield(fax.Document{Hash: d.Name(), Size: info.Size()}, nil) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			yield(fax.Document{}, fmt.Errorf("list the documents: %w", err))
		}
	}
}

// setAside moves a damaged file out of the tree and keeps it for inspection.
func (s *Store) setAside(hash string) {
	to := filepath.Join(s.dir, damagedDir, hash)
	if err := durable.Rename(s.path(hash), to); err != nil {
		s.logger.Error("a damaged document could not be set aside", "hash", hash, "err", err)
		return
	}
	s.logger.Error("a document does not match its hash; it was set aside, the disk may be failing", "hash", hash, "file", to)
}

// Reader reads one blob. Only a reader that has given io.EOF has vouched for
// the octets before it: a blob that does not match its hash ends in ErrDamaged.
type Reader struct {
	store *Store
	name  string
	file  *os.File
	size  int64
	sum   hash.Hash
	end   error // what every Read after the end gives
}

// Size is the length in octets.
func (r *Reader) Size() int64 { return r.size }

func (r *Reader) Read(p []byte) (int, error) {
	if r.end != nil {
		return 0, r.end
	}
	n, err := r.file.Read(p)
	r.sum.Write(p[:n])
	if errors.Is(err, io.EOF) {
		r.end = io.EOF
		if hex.EncodeToString(r.sum.Sum(nil)) != r.name {
			r.end = ErrDamaged
			r.file.Close() // Windows renames no open file
			r.store.setAside(r.name)
		}
		err = r.end
	}
	return n, err
}

// Close ends the reading.
func (r *Reader) Close() error {
	if err := r.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("close a document: %w", err)
	}
	return nil
}
