// Package diary keeps commands that this node alone knows yet, until the ledger
// has each of them once.
//
// A command is on disk when Append returns. The commands of a diary are numbered
// under its era, a name that is never used again, and go to the ledger in
// batches (ledger.Import), which takes no number twice: a batch may be proposed
// until there is an answer, before and after a crash. What the ledger has is
// dropped from the file as a whole by Clear, which begins another era.
package diary

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/journal"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

// Limits of a diary.
const (
	MaxOctets = journal.MaxFile // of its file: some 40,000 faxes
	Reserve   = 8 << 20         // of these are for what has happened already: ends of calls, received faxes
)

// ErrFull is returned by Append when the file has no more room.
var ErrFull = errors.New("this node has been without the majority for so long that its records are full")

// eraLen is the length of an era; a record is an era, a number, a command.
const eraLen = 16

// Diary is an open diary. It is safe for concurrent use.
type Diary struct {
	node    string
	journal *journal.Journal
	most    int64 // octets of the file

	mu      sync.Mutex
	era     string
	first   uint64   // number of pending[0]
	pending [][]byte // commands that the ledger has not taken
	written bool     // the file has records
}

// Open opens or makes the diary of a node. imported tells up to which number,
// exclusively, the ledger has the commands of an era; it may know too little.
func Open(path, node string, imported func(era string) (next uint64, err error), log *slog.Logger) (*Diary, error) {
	j, err := journal.Open(path, log)
	if err != nil {
		return nil, err
	}
	d := &Diary{node: node, journal: j, most: MaxOctets}
	if err := d.load(imported); err != nil {
		return nil, errors.Join(fmt.Errorf("read the records that this node alone knows from %s: %w", path, err), j.Close())
	}
	return d, nil
}

func (d *Diary) load(imported func(string) (uint64, error)) error {
	if err := d.readLocked(); err != nil {
		return err
	}
	if d.era == "" {
		d.begin()
		return nil
	}
	d.written = true
	next, err := imported(d.era)
	if err != nil {
		return err
	}
	d.takenLocked(next)
	return nil
}

// readLocked takes in the whole file.
func (d *Diary) readLocked() error {
	records, err := d.journal.Records()
	if err != nil {
		return err
	}
	d.pending = nil
	for i, r := range records {
		if len(r) <= eraLen+8 {
			return fmt.Errorf("a record of %d octets is too short", len(r))
		}
		era, number := string(r[:eraLen]), binary.BigEndian.Uint64(r[eraLen:])
		if i == 0 {
			d.era, d.first = era, number
		}
		if era != d.era || number != d.first+uint64(len(d.pending)) {
			return fmt.Errorf("record %d of era %s follows %d of %s", number, era, d.first+uint64(len(d.pending))-1, d.era)
		}
		d.pending = append(d.pending, r[eraLen+8:])
	}
	return nil
}

// Rewind takes up again the commands from number next on, which the ledger had
// and has no more, since it was put back to an earlier day. It reports whether
// none is missing from the file: then they can be imported as before.
func (d *Diary) Rewind(next uint64) (whole bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.written {
		return next >= d.first, nil
	}
	if err := d.readLocked(); err != nil {
		return false, fmt.Errorf("read the records that this node alone knows: %w", err)
	}
	whole = d.first <= next && next <= d.first+uint64(len(d.pending))
	d.takenLocked(next)
	return whole, nil
}

// Forget empties the file, though the ledger has not all of it, and begins
// another era.
func (d *Diary) Forget() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.journal.Compact(func([]byte) bool { return false }); err != nil {
		return fmt.Errorf("drop the records that cannot be imported: %w", err)
	}
	d.begin()
	return nil
}

// begin starts another era.
func (d *Diary) begin() {
	var random [eraLen / 2]byte
	rand.Read(random[:]) // never fails
	d.era, d.first, d.pending, d.written = hex.EncodeToString(random[:]), 1, nil, false
}

// Append writes a command, as ledger.Encode writes it. What has happened
// already may use the reserve.
func (d *Diary) Append(command []byte, happened bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	room := d.most
	if !happened {
		room -= Reserve
	}
	if d.journal.Size()+int64(len(command))+64 > room {
		return ErrFull
	}
	record := append(make([]byte, 0, eraLen+8+len(command)), d.era...)
	record = binary.BigEndian.AppendUint64(record, d.first+uint64(len(d.pending)))
	record = append(record, command...)
	if err := d.journal.Append(record); err != nil {
		return err
	}
	d.pending, d.written = append(d.pending, record[eraLen+8:]), true
	return nil
}

// Era is the name under which commands are numbered now.
func (d *Diary) Era() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.era
}

// Next is the number that the next command gets.
func (d *Diary) Next() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.first + uint64(len(d.pending))
}

// Pending is the commands that the ledger has not taken, with the number of the
// first.
func (d *Diary) Pending() (first uint64, commands [][]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.first, d.pending[:len(d.pending):len(d.pending)]
}

// Batch is the next commands to be imported; ok is false if there are none.
func (d *Diary) Batch(at fax.Millis) (batch ledger.Import, ok bool) {
	first, commands := d.Pending()
	size, n := ledger.ImportOverhead, 0
	for n < len(commands) && n < ledger.MaxImported {
		size += len(commands[n]) + 8
		if n > 0 && size > ledger.MaxImport {
			break
		}
		n++
	}
	return ledger.Import{Node: d.node, Era: d.Era(), First: first, Commands: commands[:n], At: at}, n > 0
}

// Taken notes that the ledger has the commands of an import.
func (d *Diary) Taken(batch ledger.Import) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if batch.Era == d.era {
		d.takenLocked(batch.First + uint64(len(batch.Commands)))
	}
}

func (d *Diary) takenLocked(next uint64) {
	if next > d.first {
		n := min(next-d.first, uint64(len(d.pending)))
		d.pending = d.pending[n:]
		d.first += n
	}
}

// Clear empties the file if the ledger has all of it, and begins another era.
// It reports whether there is nothing left.
func (d *Diary) Clear() (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.pending) > 0 {
		return false, nil
	}
	if !d.written {
		return true, nil
	}
	if err := d.journal.Compact(func([]byte) bool { return false }); err != nil {
		return false, fmt.Errorf("drop the records that the ledger has: %w", err)
	}
	d.begin()
	return true, nil
}

// Size is how long the file is, in octets.
func (d *Diary) Size() int64 { return d.journal.Size() }

// Close closes the file. What was appended is on disk already.
func (d *Diary) Close() error { return d.journal.Close() }
