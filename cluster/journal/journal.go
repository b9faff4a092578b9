// Package journal is an append-only file of what one node alone knows yet:
// calls under way, pages confirmed, records that the ledger has still to hear.
//
// The file is a header and records, each a length, a CRC-32C over length and
// payload, and the payload. What is in a record is the caller's business. A
// record is on disk when Append returns. A crash can only spoil the end of the
// file: Open cuts it back to the last whole record, says so in the log, and
// keeps the cut octets beside it.
package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/faxmesh/faxmesh/cluster/durable"
)

// Limits.
const (
	MaxRecord = 64 << 10 // octets of a payload
	MaxFile   = 64 << 20 // octets of the file: compact before it is full
)

// header names the format and its version.
const header = "FXJRNL\x00\x01"

// prefix is the octets before a payload: length, checksum.
const prefix = 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Errors that a caller may meet.
var (
	ErrTooLarge = errors.New("the record is larger than a journal record may be")
	ErrFull     = errors.New("the journal is full; records must be settled with the ledger and compacted")
	ErrClosed   = errors.New("the journal is closed")
)

// Journal is an open journal. It is safe for concurrent use.
type Journal struct {
	path string

	mu   sync.Mutex
	file *os.File // nil once closed
	size int64
	// broken is set when the disk has failed a sync: what the kernel then holds
	// and what the disk holds may differ, so nothing more may be promised.
	broken error
}

// Open opens or makes the journal at path.
func Open(path string, logger *slog.Logger) (*Journal, error) {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		if err := durable.WriteFile(path, []byte(header), 0o600); err != nil {
			return nil, fmt.Errorf("make the journal: %w", err)
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	j := &Journal{path: path, file: f}
	if err := j.recover(logger); err != nil {
		f.Close()
		return nil, fmt.Errorf("recover the journal %s: %w", path, err)
	}
	return j, nil
}

// recover finds the end of the last whole record and cuts off what follows.
func (j *Journal) recover(logger *slog.Logger) error {
	info, err := j.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() > MaxFile {
		return fmt.Errorf("%d octets are more than a journal may have (%d)", info.Size(), MaxFile)
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(j.file, data); err != nil {
		return err
	}
	records, good, err := parse(data)
	if err != nil {
		return err
	}
	j.size = int64(good)
	if good == len(data) {
		return nil
	}
	if err := durable.WriteFile(j.path+".torn", data[good:], 0o600); err != nil {
		return fmt.Errorf("keep the torn end: %w", err)
	}
	if err := j.file.Truncate(j.size); err != nil {
		return fmt.Errorf("cut the torn end: %w", err)
	}
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	logger.Warn("the journal had a torn end, as after a power cut; it was cut off and kept",
		"journal", j.path, "kept", filepath.Base(j.path)+".torn", "octets", len(data)-good, "records", len(records))
	return nil
}

// parse splits data into records. good is the length of the part that is
// whole; what follows is torn. An error means that data is no journal.
func parse(data []byte) (records [][]byte, good int, err error) {
	if !bytes.HasPrefix(data, []byte(header)) {
		return nil, 0, errors.New("this is not a journal, or one of a newer version")
	}
	good = len(header)
	for {
		rest := data[good:]
		if len(rest) < prefix {
			return records, good, nil
		}
		n := binary.BigEndian.Uint32(rest)
		if n == 0 || n > MaxRecord || int(n) > len(rest)-prefix {
			return records, good, nil
		}
		payload := rest[prefix : prefix+int(n)]
		if binary.BigEndian.Uint32(rest[4:]) != checksum(rest[:4], payload) {
			return records, good, nil
		}
		records = append(records, payload)
		good += prefix + int(n)
	}
}

func checksum(length, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(length, castagnoli), castagnoli, payload)
}

// frame appends record to dst as it stands in the file.
func frame(dst, record []byte) []byte {
	length := binary.BigEndian.AppendUint32(nil, uint32(len(record)))
	dst = append(dst, length...)
	dst = binary.BigEndian.AppendUint32(dst, checksum(length, record))
	return append(dst, record...)
}

// Append writes a record of 1 to MaxRecord octets. When it returns nil the
// record is on disk.
func (j *Journal) Append(record []byte) error {
	if len(record) == 0 {
		return errors.New("a journal record must not be empty")
	}
	if len(record) > MaxRecord {
		return fmt.Errorf("%w: %d octets, at most %d", ErrTooLarge, len(record), MaxRecord)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.usableLocked(); err != nil {
		return err
	}
	octets := frame(make([]byte, 0, prefix+len(record)), record)
	if j.size+int64(len(octets)) > MaxFile {
		return ErrFull
	}
	if _, err := j.file.WriteAt(octets, j.size); err != nil {
		// As when the disk is full: take the half record back, so that the
		// journal can go on when there is room again.
		if cut := j.file.Truncate(j.size); cut != nil {
			j.broken = cut
		}
		return fmt.Errorf("append to the journal: %w", err)
	}
	if err := j.file.Sync(); err != nil {
		j.broken = err
		return fmt.Errorf("sync the journal: %w", err)
	}
	j.size += int64(len(octets))
	return nil
}

// Records returns a copy of all records, oldest first.
func (j *Journal) Records() ([][]byte, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.recordsLocked()
}

func (j *Journal) recordsLocked() ([][]byte, error) {
	if err := j.usableLocked(); err != nil {
		return nil, err
	}
	data := make([]byte, j.size)
	if _, err := j.file.ReadAt(data, 0); err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	records, good, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	if good != len(data) {
		return nil, fmt.Errorf("the journal %s is damaged at octet %d; the disk may be failing", j.path, good)
	}
	return records, nil
}

// Compact rewrites the journal with the records that keep wants, in one step:
// after a crash the old journal is there or the new one. keep must not call
// the journal.
func (j *Journal) Compact(keep func(record []byte) bool) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	records, err := j.recordsLocked()
	if err != nil {
		return err
	}
	octets := []byte(header)
	for _, r := range records {
		if keep(r) {
			octets = frame(octets, r)
		}
	}
	if int64(len(octets)) == j.size {
		return nil
	}
	// The old file is closed first, because Windows does not rename over an
	// open one. From here until the new one is open the journal is broken.
	j.file.Close()
	j.broken = errors.New("the journal could not be rewritten")
	if err := durable.WriteFile(j.path, octets, 0o600); err != nil {
		return fmt.Errorf("rewrite the journal: %w", err)
	}
	f, err := os.OpenFile(j.path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open the rewritten journal: %w", err)
	}
	j.file, j.size, j.broken = f, int64(len(octets)), nil
	return nil
}

// Size is the length of the file in octets.
func (j *Journal) Size() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.size
}

func (j *Journal) usableLocked() error {
	switch {
	case j.file == nil:
		return ErrClosed
	case j.broken != nil:
		return fmt.Errorf("the disk failed the journal; restart the node when the disk is well: %w", j.broken)
	}
	return nil
}

// Close closes the file. What was appended is on disk already.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	f := j.file
	j.file = nil
	if j.broken != nil {
		f.Close() // its fate was reported when it broke
		return nil
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("close the journal: %w", err)
	}
	return nil
}
