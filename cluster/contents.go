package cluster

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/blob"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/cluster/peer"
)

// backupFormat is the number of what a backup holds; a higher one is not read.
const backupFormat = 1

// A backup is a tar stream of these, in this order. What is not known is passed
// over, so that more may be added before the end.
const (
	nameManifest    = "manifest.json"  // Manifest
	nameAuthority   = "authority.json" // peer.Root
	folderSettings  = "settings/"      // BackupOrder.Files
	nameLedger      = "ledger"         // ledger.Snapshot
	folderRoaming   = "roaming/"       // roaming.Page, numbered
	folderDocuments = "documents/"     // each under its hash
	nameEnd         = "end.json"       // BackupResult
)

// Manifest says what a backup is of.
type Manifest struct {
	Format  int        `json:"format"`
	Cluster string     `json:"cluster"`
	Node    string     `json:"node"` // that has made it
	Made    fax.Millis `json:"made"`
	ledger.SnapshotMark
	Documents bool `json:"documents"`
	// Unagreed is how many records the node kept at that time which the majority
	// had not heard of; they are not in the backup. Alone: the node was cut off.
	Unagreed int  `json:"unagreed"`
	Alone    bool `json:"alone"`
}

// Contents is what a backup was found to hold.
type Contents struct {
	Manifest Manifest
	Files    []BackupFile
	Result   BackupResult

	root peer.Root
}

var errContents = errors.New("the backup does not hold what a backup holds; it was made by another program, or one that is too new")

// contents is who takes what a backup holds, part by part.
type contents interface {
	ledger(r io.Reader) error
	document(r io.Reader, hash string, size int64) error
	roaming() *roamingPages
}

// CheckBackup reads a backup, decrypted, to its end and checks every part of it.
func CheckBackup(r io.Reader) (Contents, error) { return readBackup(r, checking{&roamingPages{}}) }

// checking takes nothing: it only looks.
type checking struct{ pages *roamingPages }

func (c checking) roaming() *roamingPages { return c.pages }

func (checking) ledger(r io.Reader) error { return ledger.CheckSnapshot(r, io.Discard) }

func (checking) document(r io.Reader, hash string, _ int64) error {
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != hash {
		return errors.New("it does not match its hash")
	}
	return nil
}

func readBackup(r io.Reader, to contents) (c Contents, err error) {
	in := tar.NewReader(r)
	if err := readJSON(in, nameManifest, &c.Manifest); err != nil {
		return c, err
	}
	if c.Manifest.Format > backupFormat {
		return c, fmt.Errorf("the backup is of format %d; this program knows up to %d: use a newer one", c.Manifest.Format, backupFormat)
	}
	if err := readJSON(in, nameAuthority, &c.root); err != nil {
		return c, err
	}
	documents, state, end := 0, false, false
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return c, fmt.Errorf("read the backup: %w", err)
		}
		if end || !plain(h) {
			return c, errContents
		}
		name, hash := h.Name, strings.TrimPrefix(h.Name, folderDocuments)
		switch {
		case name == nameEnd:
			end = true
			err = decodeJSON(in, h, &c.Result)
		case name == nameLedger && state, hash != name && !state:
			err = errContents
		case name == nameLedger:
			state = true
			err = to.ledger(in)
		case hash != name:
			documents++
			if err = blob.CheckHash(hash); err == nil && h.Size > blob.MaxSize {
				err = blob.ErrTooLarge
			}
			if err == nil {
				err = to.document(in, hash, h.Size)
			}
		case strings.HasPrefix(name, folderRoaming):
			var page []byte
			if page, err = readEntry(in, h); err == nil {
				err = to.roaming().take(page)
			}
		case strings.HasPrefix(name, folderSettings) && len(c.Files) < maxBackupFiles:
			var content []byte
			content, err = readEntry(in, h)
			c.Files = append(c.Files, BackupFile{strings.TrimPrefix(name, folderSettings), content})
		}
		if err != nil {
			return c, fmt.Errorf("%.80s in the backup: %w", name, err)
		}
	}
	if !state || !end || documents != c.Result.Documents {
		return c, errContents
	}
	if err := to.roaming().whole(); err != nil {
		return c, err
	}
	// What follows the tar stream has to be authentic too, and there.
	if _, err := io.Copy(io.Discard, r); err != nil {
		return c, fmt.Errorf("read the backup: %w", err)
	}
	return c, nil
}

// plain reports whether an entry is a file all of whose octets are there: one
// with holes could be said to have any number of them.
func plain(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return false
		}
	}
	return h.Typeflag == tar.TypeReg
}

// readJSON wants the next entry to be of a name.
func readJSON(in *tar.Reader, name string, v any) error {
	h, err := in.Next()
	switch {
	case errors.Is(err, io.EOF) || err == nil && (h.Name != name || !plain(h)):
		return errContents
	case err != nil:
		return fmt.Errorf("read the backup: %w", err)
	}
	return decodeJSON(in, h, v)
}

func decodeJSON(in io.Reader, h *tar.Header, v any) error {
	b, err := readEntry(in, h)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

func readEntry(in io.Reader, h *tar.Header) ([]byte, error) {
	if h.Size > maxBackupFile {
		return nil, fmt.Errorf("%.80s has %d octets; at most %d are allowed", h.Name, h.Size, maxBackupFile)
	}
	return io.ReadAll(in)
}
