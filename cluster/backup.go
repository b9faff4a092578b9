package cluster

import (
	"archive/tar"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/blob"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/cluster/peer"
)

// A backup is made by a running node and sent to a program with the node's
// directory, which encrypts it (package archive). The program sends a
// BackupOrder as JSON in one frame. The frames it gets begin with an octet that
// says what they are.
const (
	backupPart = 'p' // of the tar stream that contents.go reads
	backupNews = 'n' // BackupProgress as JSON, every backupBeat
	backupDone = 'e' // BackupResult as JSON: nothing follows
	backupFail = 'x' // why there is no backup, a text: nothing follows
)

// Limits and times of a backup.
const (
	maxBackupPart  = 256 << 10
	maxBackupFile  = 1 << 20 // octets of a settings file
	maxBackupFiles = 16
	maxMissing     = 1000 // documents that a result names
	backupBeat     = time.Second
	backupSilence  = 30 * time.Second
	maxOrder       = 2 * maxBackupFiles * maxBackupFile // octets, with the base 64 of JSON
)

// BackupOrder is what a backup is to hold beside the state.
type BackupOrder struct {
	Documents bool         `json:"documents"`
	Files     []BackupFile `json:"files"` // settings, put into the backup as they are
}

// BackupFile is a file that belongs to a node and not to the cluster.
type BackupFile struct {
	Name    string `json:"name"`
	Content []byte `json:"content"`
}

// BackupProgress is how far a backup is.
type BackupProgress struct {
	Documents int   `json:"documents"`
	Octets    int64 `json:"octets"` // of everything
}

// BackupResult is what a backup holds.
type BackupResult struct {
	BackupProgress
	// Missing are documents that records name and that could not be had from any
	// node, maxMissing at most; Lost is how many there are.
	Missing []string `json:"missing"`
	Lost    int      `json:"lost"`
}

// serveBackups makes backups, one at a time.
func (c *Cluster) serveBackups() {
	l := c.port.mux.Listener(peer.Backup)
	defer context.AfterFunc(c.life.ctx, func() { l.Close() })()
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		if p, ok := conn.(*peer.Conn); !ok || p.Peer != c.id.Name {
			c.opt.Logger.Warn("another node has asked for a backup and gets none", "from", conn.RemoteAddr())
			conn.Close()
			continue
		}
		stop := context.AfterFunc(c.life.ctx, func() { conn.Close() })
		if err := c.serveBackup(conn); err != nil {
			c.opt.Logger.Warn("a backup was not made", "err", err)
		}
		stop()
		conn.Close()
	}
}

func (c *Cluster) serveBackup(conn net.Conn) error {
	conn.SetReadDeadline(time.Now().Add(backupSilence))
	frame, err := peer.ReadFrame(conn, maxOrder)
	if err != nil {
		return err
	}
	var order BackupOrder
	if err := json.Unmarshal(frame, &order); err != nil {
		return fmt.Errorf("read what is to be backed up: %w", err)
	}
	out := &backupStream{conn: conn}
	ctx, cancel := context.WithCancel(c.life.ctx)
	var beat sync.WaitGroup
	beat.Go(func() {
		for pause(ctx, backupBeat) == nil {
			if out.news() != nil {
				cancel() // nobody is there any more
			}
		}
	})
	mark, err := c.writeBackup(ctx, out, order)
	cancel()
	beat.Wait()
	if err != nil {
		return errors.Join(err, out.send(backupFail, []byte(err.Error())))
	}
	result, err := json.Marshal(out.result())
	if err == nil {
		err = out.send(backupDone, result)
	}
	if err == nil {
		c.note("backup", c.id.Name, fmt.Sprintf("state at entry %d, activity up to %d, %d documents, %d missing", mark.Index, mark.Activity, out.progress.Documents, out.lost))
	}
	return err
}

// backupStream is a connection to which a backup goes in frames.
type backupStream struct {
	conn net.Conn

	mu       sync.Mutex
	progress BackupProgress
	missing  []string
	lost     int
}

func (s *backupStream) sendLocked(kind byte, content []byte) error {
	s.conn.SetWriteDeadline(time.Now().Add(backupSilence))
	return peer.WriteFrame(s.conn, append([]byte{kind}, content...))
}

func (s *backupStream) send(kind byte, content []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sendLocked(kind, content)
}

// Write implements io.Writer.
func (s *backupStream) Write(b []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for part := range slices.Chunk(b, maxBackupPart) {
		if err := s.sendLocked(backupPart, part); err != nil {
			return n, err
		}
		n += len(part)
		s.progress.Octets += int64(len(part))
	}
	return n, nil
}

func (s *backupStream) news() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := json.Marshal(s.progress)
	if err != nil {
		return err
	}
	return s.sendLocked(backupNews, body)
}

// count takes in that a document is in the backup, or cannot be had.
func (s *backupStream) count(hash string, had bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case had:
		s.progress.Documents++
	case len(s.missing) < maxMissing:
		s.missing = append(s.missing, hash)
		fallthrough
	default:
		s.lost++
	}
}

func (s *backupStream) result() BackupResult {
	s.mu.Lock()
	defer s.mu.Unlock()
	return BackupResult{s.progress, s.missing, s.lost}
}

// writeBackup writes what a backup holds: see contents.go.
func (c *Cluster) writeBackup(ctx context.Context, out *backupStream, order BackupOrder) (mark ledger.SnapshotMark, err error) {
	w := tar.NewWriter(out)
	if mark, err = c.backUpState(w, order); err != nil {
		return mark, err
	}
	if err := c.backUpRoaming(w); err != nil {
		return mark, err
	}
	if order.Documents {
		// Those of the snapshot, and some that have come since: no record lets go
		// of a document.
		for hash, err := range c.ledger.DocumentHashes() {
			if err == nil {
				err = c.backUpDocument(ctx, w, out, hash)
			}
			if err != nil {
				return mark, err
			}
		}
	}
	if err := writeJSON(w, nameEnd, out.result()); err != nil {
		return mark, err
	}
	return mark, w.Close()
}

// backUpState writes all but the documents. The snapshot is let go of as soon
// as it has been sent: the ledger cannot grow far while it is held.
func (c *Cluster) backUpState(w *tar.Writer, order BackupOrder) (mark ledger.SnapshotMark, err error) {
	if len(order.Files) > maxBackupFiles {
		return mark, fax.Errorf(fax.TooLarge, "%d settings files; at most %d are backed up", len(order.Files), maxBackupFiles)
	}
	root, err := c.id.Root()
	if err != nil {
		return mark, err
	}
	snapshot, err := c.ledger.Snapshot()
	if err != nil {
		return mark, err
	}
	defer snapshot.Release()
	if mark, err = snapshot.Mark(); err != nil {
		return mark, err
	}
	kept, err := c.Kept()
	if err != nil {
		return mark, err
	}
	_, alone := c.Alone()
	err = writeJSON(w, nameManifest, Manifest{Format: backupFormat, Cluster: c.id.Cluster, Node: c.id.Name, Made: fax.At(time.Now()),
		SnapshotMark: mark, Documents: order.Documents, Unagreed: len(kept), Alone: alone})
	if err == nil {
		err = writeJSON(w, nameAuthority, root)
	}
	for _, f := range order.Files {
		if err == nil {
			err = writeEntry(w, folderSettings+f.Name, f.Content)
		}
	}
	if err == nil {
		err = w.WriteHeader(&tar.Header{Name: nameLedger, Mode: 0o600, Size: snapshot.Size()})
	}
	if err == nil {
		_, err = snapshot.WriteTo(w)
	}
	return mark, err
}

func writeJSON(w *tar.Writer, name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return writeEntry(w, name, b)
}

func writeEntry(w *tar.Writer, name string, content []byte) error {
	if len(content) > maxBackupFile {
		return fax.Errorf(fax.TooLarge, "%s has %d octets; at most %d are backed up", name, len(content), maxBackupFile)
	}
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content))}); err != nil {
		return err
	}
	_, err := w.Write(content)
	return err
}

// backUpDocument writes a document, fetched from another node if need be. It is
// read to its end before its first octet goes out: one that is damaged here is
// fetched too.
func (c *Cluster) backUpDocument(ctx context.Context, w *tar.Writer, out *backupStream, hash string) error {
	var r *blob.Reader
	var err error
	for range 2 {
		if r, err = c.Blobs().Open(ctx, hash); err == nil {
			_, err = io.Copy(io.Discard, r)
			r.Close()
		}
		if !errors.Is(err, blob.ErrDamaged) {
			break
		}
	}
	if err == nil {
		r, err = c.Blobs().Open(ctx, hash)
	}
	if err != nil {
		c.opt.Logger.Warn("a document is not in the backup", "hash", hash, "err", err)
		out.count(hash, false)
		return ctx.Err()
	}
	defer r.Close()
	if err := w.WriteHeader(&tar.Header{Name: folderDocuments + hash, Mode: 0o600, Size: r.Size()}); err != nil {
		return err
	}
	if _, err := io.Copy(w, r); err != nil {
		return fmt.Errorf("read document %.12s for the backup: %w", hash, err)
	}
	out.count(hash, true)
	return nil
}

// Backup has the node write a backup to w, not encrypted. tell is called now and
// then. After an error what was written is worth nothing.
func (c *Control) Backup(ctx context.Context, order BackupOrder, w io.Writer, tell func(BackupProgress)) (r BackupResult, err error) {
	conn, err := c.dial(ctx, peer.Backup)
	if err != nil {
		return r, fax.Errorf(fax.Unavailable, "node %s cannot be asked; does it run? start it with faxmeshd run (%v)", c.id.Name, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	body, err := json.Marshal(order)
	if err != nil {
		return r, err
	}
	conn.SetWriteDeadline(time.Now().Add(backupSilence))
	if err := peer.WriteFrame(conn, body); err != nil {
		return r, cmp.Or(ctx.Err(), err)
	}
	for {
		conn.SetReadDeadline(time.Now().Add(backupSilence))
		frame, err := peer.ReadFrame(conn, maxBackupPart+1)
		if err != nil || len(frame) == 0 {
			return r, cmp.Or(ctx.Err(), fmt.Errorf("the node has broken the backup off; its log says why (%w)", cmp.Or(err, io.ErrUnexpectedEOF)))
		}
		switch kind, content := frame[0], frame[1:]; kind {
		case backupPart:
			if _, err := w.Write(content); err != nil {
				return r, err
			}
		case backupNews:
			var p BackupProgress
			if err := json.Unmarshal(content, &p); err != nil {
				return r, err
			}
			tell(p)
		case backupDone:
			return r, json.Unmarshal(content, &r)
		default:
			return r, fmt.Errorf("the node cannot make a backup: %s", content)
		}
	}
}
