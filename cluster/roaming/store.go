package roaming

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/durable"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// formatNumber is that of the file. A file of a higher one is not opened.
const formatNumber = 1

// lockWait bounds how long Open waits for another process to let the file go.
const lockWait = 2 * time.Second

// The buckets of the file.
var (
	inRecords = []byte("records") // kind · owner · 0 · id: record
	inLog     = []byte("log")     // node · 0 · epoch · number: key of the record that the write is still seen in
	inVector  = []byte("vector")  // node · 0 · epoch: number
	inHorizon = []byte("horizon") // node · 0 · epoch: number up to which deletions are forgotten
	inGone    = []byte("gone")    // stamp · key of the record: nothing
	inDigests = []byte("digests") // bucket: sum
	inCounts  = []byte("counts")  // kind · owner · 0: live records
	inMeta    = []byte("meta")
)

var (
	keyFormat = []byte("format")
	keyEpoch  = []byte("epoch")
	keyClock  = []byte("clock") // highest stamp seen
)

// Store is a node's copy of all records, in one file. It is safe for concurrent
// use; what it returns are copies.
type Store struct {
	node string
	db   *bbolt.DB
}

// Open opens the copy of a node at path, or makes an empty one.
func Open(path, node string) (*Store, error) {
	return open(path, node, bbolt.Options{})
}

func open(path, node string, options bbolt.Options) (*Store, error) {
	options.Timeout, options.FreelistType = lockWait, bbolt.FreelistMapType
	db, err := bbolt.Open(path, 0o600, &options)
	if errors.Is(err, bolterrors.ErrTimeout) {
		err = fmt.Errorf("another process has it open: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("open the profiles and address books %s: %w", path, err)
	}
	if err := errors.Join(db.Update(prepare), durable.SyncDir(filepath.Dir(path))); err != nil {
		return nil, errors.Join(fmt.Errorf("open the profiles and address books %s: %w", path, err), db.Close())
	}
	return &Store{node: node, db: db}, nil
}

func prepare(tx *bbolt.Tx) error {
	for _, b := range [][]byte{inRecords, inLog, inVector, inHorizon, inGone, inDigests, inCounts, inMeta} {
		if _, err := tx.CreateBucketIfNotExists(b); err != nil {
			return err
		}
	}
	meta := tx.Bucket(inMeta)
	switch format := number(meta.Get(keyFormat)); {
	case format == 0:
		if err := meta.Put(keyFormat, octets(formatNumber)); err != nil {
			return err
		}
		return renew(tx)
	case format > formatNumber:
		return fmt.Errorf("its format is %d and this program knows up to %d; use a newer program", format, formatNumber)
	}
	return nil
}

// renew begins another log of this node.
func renew(tx *bbolt.Tx) error {
	epoch := make([]byte, 8)
	rand.Read(epoch) // never fails
	return tx.Bucket(inMeta).Put(keyEpoch, epoch)
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

func octets(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func number(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// ownerKey is what the keys of all records of an owner begin with.
func ownerKey(kind Kind, owner string) []byte {
	return append(append([]byte{byte(kind)}, owner...), 0)
}

func (k Key) octets() []byte { return append(ownerKey(k.Kind, k.Owner), k.ID...) }

func (o Origin) octets() []byte {
	return binary.BigEndian.AppendUint64(append([]byte(o.Node), 0), o.Epoch)
}

func (m Mark) octets() []byte { return binary.BigEndian.AppendUint64(m.Origin.octets(), m.Seq) }

func (s *Store) origin(tx *bbolt.Tx) Origin {
	return Origin{s.node, number(tx.Bucket(inMeta).Get(keyEpoch))}
}

func vectorIn(tx *bbolt.Tx, bucket []byte) (Vector, error) {
	v := Vector{}
	err := tx.Bucket(bucket).ForEach(func(k, n []byte) error {
		node, epoch, ok := bytes.Cut(k, []byte{0})
		if !ok || len(epoch) != 8 {
			return fmt.Errorf("the log's name %q is damaged", k)
		}
		v[Origin{string(node), number(epoch)}] = number(n)
		return nil
	})
	return v, err
}

// raise notes that a log is known up to seq, if it was known to less.
func raise(tx *bbolt.Tx, bucket []byte, o Origin, seq uint64) error {
	b := tx.Bucket(bucket)
	have := b.Get(o.octets())
	if have == nil && b.Inspect().KeyN >= MaxOrigins {
		return fmt.Errorf("more than %d logs are known", MaxOrigins)
	}
	if number(have) >= seq {
		return nil
	}
	return b.Put(o.octets(), octets(seq))
}

// read gives a record; one without anything if it is not known.
func read(tx *bbolt.Tx, key Key) (Record, error) {
	data := tx.Bucket(inRecords).Get(key.octets())
	if data == nil {
		return Record{Key: key}, nil
	}
	return decodeRecord(data)
}

func decodeRecord(data []byte) (Record, error) {
	d := decoder{rest: data}
	r := d.record()
	if d.end() != nil {
		return r, fmt.Errorf("the record of %q on this node's disk is damaged", r.Key.ID)
	}
	return r, nil
}

// change puts one copy of a record in the place of another, and sees to
// everything that is kept about it. It reports whether they differ.
func change(tx *bbolt.Tx, from, to Record) (bool, error) {
	key, data := from.Key.octets(), appendRecord(nil, to)
	if bytes.Equal(data, appendRecord(nil, from)) {
		return false, nil
	}
	if err := relog(tx, from, to); err != nil {
		return false, err
	}
	if err := redigest(tx, from, to); err != nil {
		return false, err
	}
	if from.Live() != to.Live() {
		n := number(tx.Bucket(inCounts).Get(ownerKey(to.Key.Kind, to.Key.Owner)))
		if n++; !to.Live() {
			n -= 2
		}
		if err := tx.Bucket(inCounts).Put(ownerKey(to.Key.Kind, to.Key.Owner), octets(n)); err != nil {
			return false, err
		}
	}
	if to.empty() {
		return true, tx.Bucket(inRecords).Delete(key)
	}
	return true, tx.Bucket(inRecords).Put(key, data)
}

// relog notes in which record each write is still seen.
func relog(tx *bbolt.Tx, from, to Record) error {
	key, log, gone := from.Key.octets(), tx.Bucket(inLog), tx.Bucket(inGone)
	clock := number(tx.Bucket(inMeta).Get(keyClock))
	for _, m := range from.marks() {
		if err := log.Delete(m.octets()); err != nil {
			return err
		}
	}
	for _, m := range to.marks() {
		if err := log.Put(m.octets(), key); err != nil {
			return err
		}
		clock = max(clock, uint64(m.Stamp))
	}
	if from.Gone != to.Gone {
		if err := gone.Delete(append(octets(uint64(from.Gone.Stamp)), key...)); err != nil {
			return err
		}
		if to.Gone != (Mark{}) {
			if err := gone.Put(append(octets(uint64(to.Gone.Stamp)), key...), nil); err != nil {
				return err
			}
		}
	}
	if clock == number(tx.Bucket(inMeta).Get(keyClock)) {
		return nil
	}
	return tx.Bucket(inMeta).Put(keyClock, octets(clock))
}

// Get gives a record; ok is false if there is none for people.
func (s *Store) Get(key Key) (r Record, ok bool, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		r, err = read(tx, key)
		return err
	})
	return r, err == nil && r.Live(), err
}

// List gives up to limit live records of an owner whose ids come after the
// given one, in the order of ids.
func (s *Store) List(kind Kind, owner, after string, limit int) (records []Record, err error) {
	limit = min(limit, MaxList)
	err = s.db.View(func(tx *bbolt.Tx) error {
		prefix := ownerKey(kind, owner)
		c := tx.Bucket(inRecords).Cursor()
		for k, v := c.Seek(Key{kind, owner, after}.octets()); bytes.HasPrefix(k, prefix) && len(records) < limit; k, v = c.Next() {
			r, err := decodeRecord(v)
			if err != nil {
				return err
			}
			if r.Live() && r.Key.ID != after {
				records = append(records, r)
			}
		}
		return nil
	})
	return records, err
}

// Count is how many live records an owner has.
func (s *Store) Count(kind Kind, owner string) (n int, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		n = int(number(tx.Bucket(inCounts).Get(ownerKey(kind, owner))))
		return nil
	})
	return n, err
}

// Vector is what this node knows.
func (s *Store) Vector() (v Vector, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		v, err = vectorIn(tx, inVector)
		return err
	})
	return v, err
}

// errTooMany says that an owner has enough records.
func errTooMany(k Key) error {
	return fax.Errorf(fax.TooLarge, "%q has %d entries, which is as many as are allowed; remove some first", k.Owner, most[k.Kind])
}
