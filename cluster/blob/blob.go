// Package blob is a store of immutable files known by the SHA-256 of what they
// hold.
//
// The document of hash aabbcc… is DIR/aa/bb/aabbcc… as it is, or
// DIR/aa/bb/aabbcc….sealed encrypted with the node's key (see seal.go); a store
// reads both and writes one. A file is written to DIR/tmp first and gets its
// name when its octets are on disk, so a name always stands for a whole file.
// Every read checks the hash again: a file that the disk has damaged is moved
// to DIR/damaged and counts as missing, so that a copy can be fetched from
// elsewhere.
package blob

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"

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

// sealedSuffix is what the name of a sealed file ends in.
const sealedSuffix = ".sealed"

// Config is what a store is made of.
type Config struct {
	Dir string
	// Key opens sealed documents; nil if there is none.
	Key *Key
	// Seal says that new documents are sealed with Key.
	Seal   bool
	Logger *slog.Logger

	disk disk // osDisk, but in tests of failing disks
}

// Store is a directory of blobs. It is safe for concurrent use.
type Store struct {
	cfg     Config
	max     int64
	damaged func(hash string) // told of what was set aside
	used    atomic.Int64      // octets of all files in the tree, as far as measured

	mu      sync.Mutex
	durable [1 << 16]bool       // directories aa/bb that a power cut cannot undo
	broken  error               // why nothing is stored any more
	touched map[string]struct{} // put, or vouched for, since Touched
}

// Open opens or makes the store in cfg.Dir. What a crash left half written is
// removed.
func Open(cfg Config) (*Store, error) {
	if cfg.disk == nil {
		cfg.disk = osDisk{}
	}
	if cfg.Seal && cfg.Key == nil {
		return nil, errors.New("documents cannot be sealed without a key")
	}
	temp := filepath.Join(cfg.Dir, tempDir)
	if err := os.RemoveAll(temp); err != nil {
		return nil, fmt.Errorf("remove half-written documents: %w", err)
	}
	err := errors.Join(durable.MkdirAll(cfg.Dir, 0o700), cfg.disk.MkdirAll(temp),
		cfg.disk.MkdirAll(filepath.Join(cfg.Dir, damagedDir)), cfg.disk.SyncDir(cfg.Dir))
	if err != nil {
		return nil, fmt.Errorf("open the document store: %w", err)
	}
	return &Store{cfg: cfg, max: MaxSize, damaged: func(string) {}, touched: make(map[string]struct{})}, nil
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

// path is where a document is, in one of the two forms.
func (s *Store) path(hash string, sealed bool) string {
	name := hash
	if sealed {
		name += sealedSuffix
	}
	return filepath.Join(s.cfg.Dir, hash[:2], hash[2:4], name)
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
	if err := s.failed(); err != nil {
		return doc, err
	}
	f, err := s.cfg.disk.Create(filepath.Join(s.cfg.Dir, tempDir))
	if err != nil {
		return doc, fmt.Errorf("store a document: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			s.cfg.disk.Remove(f.Name()) // what stays is removed at the next start
		}
	}()
	doc, stored, err := s.write(f, r, max)
	if err != nil {
		return doc, err
	}
	if want != "" && doc.Hash != want {
		return doc, fmt.Errorf("the octets received are not those of document %s", want)
	}
	if err = s.publish(f, doc.Hash); err != nil {
		return doc, fmt.Errorf("store a document: %w", err)
	}
	s.used.Add(stored)
	return doc, nil
}

// write brings content into a file, in the form that this store writes.
func (s *Store) write(f io.Writer, r io.Reader, max int64) (doc fax.Document, stored int64, err error) {
	out := &counted{w: f}
	sum := sha256.New()
	end := func() error { return nil }
	w := io.Writer(out)
	if s.cfg.Seal {
		sealing, err := s.cfg.Key.seal(out)
		if err != nil {
			return doc, 0, fmt.Errorf("seal a document: %w", err)
		}
		w, end = sealing, sealing.finish
	}
	n, err := io.Copy(io.MultiWriter(w, sum), io.LimitReader(r, max+1))
	if err == nil && n <= max {
		err = end()
	}
	if err != nil {
		return doc, 0, fmt.Errorf("store a document: %w", err)
	}
	if n > max {
		return doc, 0, fmt.Errorf("%w: at most %d octets", ErrTooLarge, max)
	}
	return fax.Document{Hash: hex.EncodeToString(sum.Sum(nil)), Size: n}, out.n, nil
}

// counted is a writer that knows how much it has written.
type counted struct {
	w io.Writer
	n int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// publish gives the file its name. A file of that name may be there already. It
// is replaced, because these octets were hashed just now and those may have
// rotted.
func (s *Store) publish(f output, hash string) error {
	s.Touch(hash) // before it is there: Remove must not take it for an old one
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	path := s.path(hash, s.cfg.Seal)
	if err := s.makeDir(hash); err != nil {
		return s.fail(err)
	}
	before := fileSize(path)
	if err := s.cfg.disk.Rename(f.Name(), path); err != nil {
		return err
	}
	if err := s.cfg.disk.SyncDir(filepath.Dir(path)); err != nil {
		return s.fail(err)
	}
	// The other form, from before the setting was changed, is of no use now.
	if other := s.path(hash, !s.cfg.Seal); s.cfg.disk.Remove(other) == nil {
		s.cfg.Logger.Debug("a document is now kept in the other form", "hash", hash, "sealed", s.cfg.Seal)
	}
	s.used.Add(-before)
	return nil
}

// fileSize is 0 if there is no file.
func fileSize(path string) int64 {
	if info, err := os.Stat(path); err == nil {
		return info.Size()
	}
	return 0
}

// makeDir makes the directory of a document durable, once.
func (s *Store) makeDir(hash string) error {
	var place [2]byte
	if _, err := hex.Decode(place[:], []byte(hash[:4])); err != nil {
		return ErrBadHash
	}
	at := int(place[0])<<8 | int(place[1])
	s.mu.Lock()
	known := s.durable[at]
	s.mu.Unlock()
	if known {
		return nil
	}
	upper := filepath.Join(s.cfg.Dir, hash[:2])
	if err := s.cfg.disk.MkdirAll(filepath.Join(upper, hash[2:4])); err != nil {
		return err
	}
	if err := errors.Join(s.cfg.disk.SyncDir(s.cfg.Dir), s.cfg.disk.SyncDir(upper)); err != nil {
		return err
	}
	s.mu.Lock()
	s.durable[at] = true
	s.mu.Unlock()
	return nil
}

// fail ends the storing when a directory could not be made durable: nobody
// knows any more what of it is on disk, and the next sync may say that all is
// well (the kernel reports a lost page once). A full disk has lost nothing.
func (s *Store) fail(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.broken = err
		s.cfg.Logger.Error("the disk of the document store has failed; no document is stored any more until the node is started again", "dir", s.cfg.Dir, "err", err)
	}
	return err
}

func (s *Store) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return fmt.Errorf("the disk of the document store has failed; see to the disk and start the node again: %w", s.broken)
	}
	return nil
}
