package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// bucket is the name of a bucket of the state.
type bucket string

// The buckets. Names are stored.
const (
	inMeta     bucket = "meta"     // see the keys below
	inAccounts bucket = "accounts" // folded name -> accountRecord
	inNodes    bucket = "nodes"    // name -> fax.Node
	inTokens   bucket = "tokens"   // hash -> tokenRecord
	inRules    bucket = "rules"    // "=" prefix -> fax.DialRule
	inRoutes   bucket = "routes"   // "=" number -> fax.Route
	inEnded    bucket = "ended"    // id of a session -> endedRecord
	inEndings  bucket = "endings"  // endingKey -> nothing: ended sessions by expiry
	inJobs     bucket = "jobs"     // id -> jobRecord
	inQueue    bucket = "queue"    // queueKey -> nothing: jobs by owner, state, time
	inReceived bucket = "received" // id -> receivedRecord
	inDrawers  bucket = "drawers"  // drawerKey -> nothing: received faxes by account, time
	inEvents   bucket = "events"   // folded account, 0, seq -> fax.Event
	inEventSeq bucket = "eventseq" // folded account -> seq of its last event
	inActivity bucket = "activity" // seq -> fax.Activity
	inDocs     bucket = "docs"     // hash of a document -> nothing
	inRemoved  bucket = "removed"  // fingerprint -> Removed
	inImports  bucket = "imports"  // node, 0, era -> number of its next command, landed when ashore
	inAlone    bucket = "alone"    // node, 0, id of a job that it alone may dial -> nothing

	inProposers bucket = "proposers" // node -> proposer
	inOnce      bucket = "once"      // node, 0, sequence -> Result
)

// buckets lists them all, as Open makes them.
var buckets = [...]bucket{inMeta, inAccounts, inNodes, inTokens, inRules, inRoutes, inEnded,
	inEndings, inJobs, inQueue, inReceived, inDrawers, inEvents, inEventSeq, inActivity, inDocs, inImports, inAlone, inRemoved, inProposers, inOnce}

// Keys of the meta bucket.
const (
	keyFormat   = "format"   // u16: formatNumber
	keyApplied  = "applied"  // u64: index of the last applied entry
	keyChain    = "chain"    // 32 octets: hash over all applied entries
	keyActivity = "activity" // u64 seq of the last activity, 32 octets of its chain value
	keyEnded    = "ended"    // u64: how many ended sessions are kept
	keyEra      = "era"      // u64: how many times the cluster has been recovered
	keyRing     = "ring"     // Ring: the keys of gossip

	keyProposers = "proposers" // u64: how many proposers are remembered
)

// draft is what one command reads and is about to change. Nothing reaches the
// transaction before commit, so that a refused command leaves no trace,
// however far it had come.
type draft struct {
	state  state
	index  uint64 // of the command
	writes []write
	latest map[string]int // bucket, 0, key -> its last place in writes
	fault  error          // the state is damaged: the node has to stop

	under     *draft // of the import that this command is part of
	alone     string // node that has taken the command alone
	tentative uint64 // number of its next event in a tail, 0 for what is agreed
}

type write struct {
	in    bucket
	key   []byte
	value []byte // nil deletes
}

func newDraft(st state, index uint64) *draft {
	return &draft{state: st, index: index, latest: make(map[string]int)}
}

func (d *draft) get(in bucket, key string) []byte {
	if i, ok := d.latest[string(in)+"\x00"+key]; ok {
		return d.writes[i].value
	}
	if d.under != nil {
		return d.under.get(in, key)
	}
	return d.state.get(in, []byte(key))
}

func (d *draft) has(in bucket, key string) bool { return d.get(in, key) != nil }

func (d *draft) put(in bucket, key string, value []byte) {
	d.latest[string(in)+"\x00"+key] = len(d.writes)
	d.writes = append(d.writes, write{in, []byte(key), value})
}

func (d *draft) delete(in bucket, key string) { d.put(in, key, nil) }

// mark puts a key that says all there is to say.
func (d *draft) mark(in bucket, key string) { d.put(in, key, []byte{}) }

// store puts a record.
func (d *draft) store(in bucket, key string, record any) {
	value, err := marshal(record)
	if err != nil {
		d.fail(in, key, err)
		return
	}
	d.put(in, key, value)
}

// load gets a record, nil if there is none.
func load[T any](d *draft, in bucket, key string) *T {
	value := d.get(in, key)
	if value == nil {
		return nil
	}
	record := new(T)
	if err := unmarshal(value, record); err != nil {
		d.fail(in, key, err)
		return nil
	}
	return record
}

// number gets a number as number64 writes it, 0 if there is none.
func (d *draft) number(in bucket, key string) uint64 {
	value := d.get(in, key)
	if value == nil {
		return 0
	}
	if len(value) != 8 {
		d.fail(in, key, errors.New("not 8 octets long"))
		return 0
	}
	return binary.BigEndian.Uint64(value)
}

// all returns the committed records of a bucket in the order of their keys. It
// does not see the draft's own writes.
func all[T any](d *draft, in bucket) []T {
	records, err := scan[T](d.state, in, "", 0)
	if err != nil {
		d.fail(in, "", err)
	}
	return records
}

func (d *draft) fail(in bucket, key string, err error) {
	if d.fault == nil {
		d.fault = damaged(in, key, err)
	}
}

func damaged(in bucket, key string, err error) error {
	return fmt.Errorf("the ledger's record %q in %s is damaged: %w", key, in, err)
}

// commit writes the draft into the state.
func (d *draft) commit() error {
	for _, w := range d.writes {
		if err := d.state.put(w.in, w.key, w.value); err != nil {
			return fmt.Errorf("write %q in %s: %w", w.key, w.in, err)
		}
	}
	return nil
}

// scan decodes the records whose keys begin with prefix, at most limit of them
// (0: all), in the order of their keys.
func scan[T any](st state, in bucket, prefix string, limit int) ([]T, error) {
	var records []T
	err := each(st, in, prefix, func(record T) bool {
		records = append(records, record)
		return len(records) != limit
	})
	return records, err
}

// each decodes the records whose keys begin with prefix, until see says false.
func each[T any](st state, in bucket, prefix string, see func(T) bool) error {
	c := st.cursor(in)
	for k, v := c.Seek([]byte(prefix)); k != nil && hasPrefix(k, prefix); k, v = c.Next() {
		var record T
		if err := unmarshal(v, &record); err != nil {
			return damaged(in, string(k), err)
		}
		if !see(record) {
			return nil
		}
	}
	return nil
}

func hasPrefix(key []byte, prefix string) bool {
	return len(key) >= len(prefix) && string(key[:len(prefix)]) == prefix
}

// Keys. Names hold no zero octet (fax.CheckName), so it ends a part; numbers
// are big-endian, so that keys sort as they do.

func number64(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }

// prefix is that of what belongs to an owner.
func (o owner) prefix() string { return fax.Fold(o.Name) + "\x00" + number64(o.Born) }

func queueKey(o owner, s fax.State, submitted fax.Millis, id string) string {
	return queuePrefix(o, s) + number64(uint64(submitted)) + id
}

// queuePrefix is that of all jobs of an owner in a state.
func queuePrefix(o owner, s fax.State) string { return o.prefix() + string(s) + "\x00" }

func drawerKey(o owner, at fax.Millis, id string) string {
	return drawerPrefix(o) + number64(uint64(at)) + id
}

// drawerPrefix is that of all faxes received for an owner.
func drawerPrefix(o owner) string { return o.prefix() + "\x00" }

func eventKey(account string, seq uint64) string {
	return fax.Fold(account) + "\x00" + number64(seq)
}
