package desk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/durable"
	"github.com/faxmesh/faxmesh/cluster/room"
)

// Limits of documents that are handed in.
const (
	MaxDocument       = 256 << 20 // octets
	MaxUploads        = 128       // of a node at a time, finished ones that wait for their order included
	MaxUploadsSession = 8         // of a session
	UploadLife        = 30 * time.Minute
	MaxUploadOctets   = 4 << 30 // of all uploads together
	storedTimes       = 3       // how often a document is on the disk until its job is made, at most
)

// Upload is a document being handed in. It is used by one goroutine until
// Commit has returned nil.
type Upload struct {
	owner   *uploads
	id      string
	session string
	size    int64 // announced, -1 if not
	spool   *spool
	sum     hash.Hash
	written int64
	begun   time.Time
	done    bool // finished and whole
}

// uploads is the directory of documents that wait for their order.
type uploads struct {
	dir   string
	node  string
	admit func(octets int64) error // see Desk.AdmitBy

	mu     sync.Mutex
	all    map[string]*Upload
	octets int64 // on disk
	closed bool
}

// openUploads begins with an empty directory: what a crash has left has no
// client any more.
func openUploads(dir, node string) (*uploads, error) {
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return &uploads{dir: dir, node: node, admit: func(int64) error { return nil }, all: make(map[string]*Upload)}, nil
}

// AdmitBy sets what says why documents of so many octets may not be handed in
// now, as when the disk is full. It is called before the desk is used; without
// it there is always room.
func (d *Desk) AdmitBy(admit func(octets int64) error) { d.uploads.admit = admit }

// BeginUpload opens an upload of size octets, -1 if that is not known yet.
func (d *Desk) BeginUpload(_ context.Context, s fax.Session, size int64) (interface {
	ID() string
	Write(p []byte) (int, error)
	Commit(ctx context.Context, sha256hex string) error
	Abort()
}, error) {
	if _, err := d.who(s, fax.MaySend); err != nil {
		return nil, err
	}
	switch {
	case size > MaxDocument:
		return nil, errTooLarge
	case size == 0:
		return nil, fax.Errorf(fax.Invalid, "the document is empty; choose another file")
	case size < -1:
		return nil, fax.Errorf(fax.Invalid, "a document cannot have %d octets", size)
	}
	// It is written here, as what it is converted to, and into the store.
	if err := d.uploads.admit(storedTimes * max(size, 0)); err != nil {
		return nil, err
	}
	return d.uploads.begin(s.ID, size)
}

var errTooLarge = fax.Errorf(fax.TooLarge, "the document is larger than %d MiB; send it in parts", MaxDocument>>20)

func (u *uploads) begin(session string, size int64) (*Upload, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sweepLocked(time.Now())
	own := 0
	for _, up := range u.all {
		if up.session == session {
			own++
		}
	}
	if own >= MaxUploadsSession || len(u.all) >= MaxUploads || u.octets+max(size, 0) > MaxUploadOctets || u.closed {
		return nil, fax.Errorf(fax.Busy, "too many documents are being handed in; wait until others are submitted and try again")
	}
	up := &Upload{owner: u, id: NewID(time.Now()), session: session, size: size, spool: &spool{dir: u.dir}, sum: sha256.New(), begun: time.Now()}
	u.all[up.id] = up
	return up, nil
}

// sweepLocked drops finished uploads whose order never came.
func (u *uploads) sweepLocked(now time.Time) {
	for _, up := range u.all {
		if up.done && now.Sub(up.begun) > UploadLife {
			u.removeLocked(up)
		}
	}
}

func (u *uploads) removeLocked(up *Upload) {
	if u.all[up.id] != up {
		return
	}
	delete(u.all, up.id)
	u.octets -= up.written
	up.spool.remove()
}

// finish ends an upload whose order has been carried out, or never can be.
func (u *uploads) finish(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if up := u.all[id]; up != nil {
		u.removeLocked(up)
	}
}

// drop ends the uploads of a session.
func (u *uploads) drop(session string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, up := range u.all {
		if up.session == session {
			u.removeLocked(up)
		}
	}
}

func (u *uploads) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	for _, up := range u.all {
		u.removeLocked(up)
	}
}

// handedIn is the octets of a finished upload, independent of the upload's own
// life.
type handedIn struct {
	readerAt
	size int64
	hash string // that the client gave, and the octets had when they came
}

// open opens a finished upload of a session.
func (u *uploads) open(session, id string) (*handedIn, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	up := u.all[id]
	if up == nil || up.session != session || !up.done {
		return nil, fax.Errorf(fax.NotFound, "there is no finished upload %.80q; hand the document in again", id)
	}
	f, err := up.spool.open()
	if err != nil {
		return nil, fmt.Errorf("open an upload: %w", err)
	}
	return &handedIn{f, up.written, hex.EncodeToString(up.sum.Sum(nil))}, nil
}

// ID names the upload in an order.
func (up *Upload) ID() string { return up.id }

// Write takes octets over.
func (up *Upload) Write(p []byte) (int, error) {
	limit := int64(MaxDocument)
	if up.size >= 0 {
		limit = up.size
	}
	if up.written+int64(len(p)) > limit {
		if up.size >= 0 {
			return 0, fax.Errorf(fax.Invalid, "the document has more than the %d octets announced; hand it in again", up.size)
		}
		return 0, errTooLarge
	}
	if err := up.owner.reserve(up, int64(len(p))); err != nil {
		return 0, err
	}
	if up.size < 0 { // else there was room for it at the beginning
		if err := up.owner.admit(storedTimes * up.written); err != nil {
			return 0, err
		}
	}
	n, err := up.spool.Write(p)
	up.sum.Write(p[:n])
	if err != nil {
		return n, fmt.Errorf("write an upload: %w", room.Explain(up.owner.node, err))
	}
	return n, nil
}

// reserve counts octets before they are written.
func (u *uploads) reserve(up *Upload, n int64) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.all[up.id] != up || up.done {
		return fax.Errorf(fax.Conflict, "the upload has ended; hand the document in again")
	}
	if u.octets+n > MaxUploadOctets {
		return fax.Errorf(fax.Busy, "too many documents are being handed in; try again")
	}
	u.octets += n
	up.written += n
	return nil
}

// Commit ends an upload whose octets hash to sum, hexadecimal SHA-256. Nothing
// is flushed: an upload does not outlive the process, and what is made of it is
// in the store before its order is acknowledged.
func (up *Upload) Commit(_ context.Context, sum string) error {
	switch {
	case up.written == 0:
		return fax.Errorf(fax.Invalid, "the document is empty; choose another file")
	case up.size >= 0 && up.written != up.size:
		return fax.Errorf(fax.Invalid, "the document has %d octets, but %d were announced; hand it in again", up.written, up.size)
	case hex.EncodeToString(up.sum.Sum(nil)) != sum:
		return fax.Errorf(fax.Invalid, "the document was damaged on its way; hand it in again")
	}
	up.owner.mu.Lock()
	defer up.owner.mu.Unlock()
	if up.owner.all[up.id] != up {
		return fax.Errorf(fax.Conflict, "the upload has ended; hand the document in again")
	}
	up.done = true
	return nil
}

// Abort ends an upload; after Commit too. It may be called again.
func (up *Upload) Abort() {
	up.owner.mu.Lock()
	defer up.owner.mu.Unlock()
	up.owner.removeLocked(up)
}

var _ io.Writer = (*Upload)(nil)
