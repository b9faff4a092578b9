package ledger

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"go.etcd.io/bbolt"
)

// Limits of an import.
const (
	MaxImport      = 60 << 10 // octets of one Import as encoded
	MaxImported    = 256      // commands in one
	ImportOverhead = 512      // octets of an Import beside its commands, and 8 for each
	maxLanded      = 2000     // jobs that one Ashore gives free
)

// landed is set in the count of an era that is ashore.
const landed = 1 << 63

// checkKnown fails for an import with a command of a newer program, lest it be
// refused on some nodes and taken on others.
func (c Import) checkKnown() error {
	for _, data := range c.Commands {
		if n, ok := numberOf(data); ok && !known(n) {
			return fmt.Errorf("number %d in an import: %w", n, ErrUnknownCommand)
		}
	}
	return nil
}

// apply takes each command that has not been taken before. A refusal is put on
// record and holds up nothing: it happened all the same, and nobody is there
// to be told.
func (c Import) apply(d *draft) (*fax.Job, error) {
	if err := checkEra(c.Node, c.Era); err != nil {
		return nil, err
	}
	if len(c.Commands) == 0 || len(c.Commands) > MaxImported || c.First == 0 || c.First > landed/2 {
		return nil, fax.Errorf(fax.Invalid, "an import has 1 to %d commands and begins at 1 or later", MaxImported)
	}
	key := importKey(c.Node, c.Era)
	next := max(d.number(inImports, key)&^landed, 1)
	if c.First > next {
		return nil, fax.Errorf(fax.Conflict, "the records of node %s go from %d to %d; begin with %d", c.Node, next-1, c.First, next)
	}
	before := next
	for i, data := range c.Commands {
		if c.First+uint64(i) != next {
			continue // taken before
		}
		if err := d.take(c.Node, data); err != nil {
			d.record(fax.Activity{At: c.At, Who: c.Node, Node: c.Node, What: "import-refused",
				Object: fmt.Sprintf("%s/%d", c.Era, next), Detail: err.Error()})
		}
		next++
	}
	if next != before {
		d.put(inImports, key, []byte(number64(next)))
	}
	return nil, nil
}

// take applies one imported command on a draft of its own.
func (d *draft) take(node string, data []byte) error {
	c, err := Decode(data)
	if err != nil {
		return err
	}
	if !Importable(c) {
		return fax.Errorf(fax.NotAllowed, "command %d is not one that a node takes alone", c.number())
	}
	sub := newDraft(d.state, d.index)
	sub.under, sub.alone = d, node
	_, err = c.apply(sub)
	if sub.fault != nil {
		d.fault = sub.fault
		return nil
	}
	if err != nil {
		return err
	}
	for _, w := range sub.writes {
		d.put(w.in, string(w.key), w.value)
	}
	return nil
}

// apply gives the jobs of a node that is back free for all nodes. More than one
// command can give are left for the next.
func (c Ashore) apply(d *draft) (*fax.Job, error) {
	if err := checkEra(c.Node, c.Era); err != nil {
		return nil, err
	}
	key := importKey(c.Node, c.Era)
	next := d.number(inImports, key)
	freed := d.release(c.Node, maxLanded)
	if freed == 0 && (next == 0 || next&landed != 0) {
		return nil, nil
	}
	d.put(inImports, key, []byte(number64(next|landed)))
	d.record(fax.Activity{At: c.At, Who: c.Node, Node: c.Node, What: "ashore", Object: c.Era,
		Detail: fmt.Sprintf("%d records, %d faxes still to be sent", max(next&^landed, 1)-1, freed)})
	return nil, nil
}

// release gives jobs that one node alone may dial free for all, at most limit
// (0: all), and returns how many.
func (d *draft) release(node string, limit int) (freed int) {
	c := d.state.cursor(inAlone)
	prefix := aloneKey(node, "")
	for k, _ := c.Seek([]byte(prefix)); hasPrefix(k, prefix) && (limit == 0 || freed < limit); k, _ = c.Next() {
		id := strings.TrimPrefix(string(k), prefix)
		old := load[jobRecord](d, inJobs, id)
		if old == nil {
			d.delete(inAlone, string(k))
			continue
		}
		j := *old
		j.Alone = ""
		d.storeJob(old, &j)
		freed++
	}
	return freed
}

func checkEra(node, era string) error {
	if err := fax.CheckName("node", node); err != nil {
		return err
	}
	return checkID("era", era)
}

func importKey(node, era string) string { return node + "\x00" + era }

func aloneKey(node, job string) string { return node + "\x00" + job }

// Imported is the number of the next command of a node's era that the ledger
// has not taken yet: 1 if it has none.
func (l *Ledger) Imported(node, era string) (next uint64, err error) {
	err = l.agreed(func(tx *bbolt.Tx) error {
		next = 1
		if v := tx.Bucket([]byte(inImports)).Get([]byte(importKey(node, era))); len(v) == 8 {
			next = max(binary.BigEndian.Uint64(v)&^landed, 1)
		}
		return nil
	})
	return next, err
}

// Reserved reports whether a node has jobs that it alone may dial, as far as it
// is agreed.
func (l *Ledger) Reserved(node string) (any bool, err error) {
	err = l.agreed(func(tx *bbolt.Tx) error {
		prefix := aloneKey(node, "")
		k, _ := tx.Bucket([]byte(inAlone)).Cursor().Seek([]byte(prefix))
		any = hasPrefix(k, prefix)
		return nil
	})
	return any, err
}

// agreed runs read in a read transaction without the tail.
func (l *Ledger) agreed(read func(*bbolt.Tx) error) error {
	l.file.RLock()
	defer l.file.RUnlock()
	if l.db == nil {
		return ErrClosed
	}
	return l.db.View(read)
}
