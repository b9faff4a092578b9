package cluster

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/diary"
	"github.com/faxmesh/faxmesh/cluster/durable"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/cluster/peer"
)

// asideFile is the name of a file of records that were set aside, by their era.
const asideFile = "aside-%s.jsonl"

// mend is called when a batch was not imported. If the ledger was put back to a
// day before it had all that it was told, it is told that again. Records that
// it refuses all the same are set aside, and hold up no others: a node that
// cannot tell them would stay an island for ever. The error is one for which
// the import is tried again.
func (c *Cluster) mend(d *diary.Diary, batch ledger.Import, why error) error {
	switch fax.KindOf(why) {
	case fax.Conflict, fax.Invalid, fax.TooLarge:
	default:
		return why
	}
	next, err := c.ledger.Imported(c.id.Name, batch.Era)
	if err != nil {
		return errors.Join(why, err)
	}
	switch {
	case next < batch.First:
		whole, err := d.Rewind(next)
		if err != nil {
			return errors.Join(why, err)
		}
		if whole {
			c.opt.Logger.Warn("the ledger is that of an earlier day; it is told again what it had from this node", "from", next, "before", batch.First)
			return nil
		}
	case fax.KindOf(why) == fax.Conflict: // this node's ledger is not yet that of the others
		return why
	}
	return c.setAside(d, why)
}

// setAside writes what cannot be imported into a file for people, then drops it.
func (c *Cluster) setAside(d *diary.Diary, why error) error {
	first, commands := d.Pending()
	var text bytes.Buffer
	if err := writeRecords(&text, d.Era(), first, commands); err != nil {
		return errors.Join(why, err)
	}
	path := filepath.Join(c.opt.Dir, ownDir, fmt.Sprintf(asideFile, d.Era()))
	if err := durable.WriteFile(path, text.Bytes(), 0o600); err != nil {
		return errors.Join(why, fmt.Errorf("set aside what cannot be imported: %w", err))
	}
	if err := d.Forget(); err != nil {
		return errors.Join(why, err)
	}
	c.opt.Logger.Error("the others do not take what this node has done alone; it is set aside in a file that people can read: see which faxes it names, and hand in again what was not sent",
		"file", path, "records", len(commands), "err", why)
	c.note("records-set-aside", c.id.Name, fmt.Sprintf("%d records, in %s of node %s: %v", len(commands), filepath.Base(path), c.id.Name, why))
	return nil
}

// record is a line of what a node alone knows.
type record struct {
	Era     string         `json:"era"`
	Number  uint64         `json:"number"`
	Command string         `json:"command"` // as "Submit", "Finish"; "" if it cannot be read
	Content ledger.Command `json:"content,omitempty"`
	Octets  string         `json:"octets,omitempty"` // hexadecimal, of what cannot be read
}

// writeRecords writes commands as lines of JSON.
func writeRecords(w io.Writer, era string, first uint64, commands [][]byte) error {
	lines := json.NewEncoder(w)
	for i, data := range commands {
		r := record{Era: era, Number: first + uint64(i)}
		if cmd, err := ledger.Decode(data); err == nil {
			r.Command, r.Content = strings.TrimPrefix(fmt.Sprintf("%T", cmd), "ledger."), cmd
		} else {
			r.Octets = hex.EncodeToString(data)
		}
		if err := lines.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// Records writes what the node of a directory has done alone and its ledger has
// not, as lines of JSON, and returns how many they are. The node must not run;
// it may have been removed from its cluster. Nothing is changed.
func Records(dir string, w io.Writer, log *slog.Logger) (n int, err error) {
	dir = filepath.Join(dir, ownDir)
	id, err := peer.Load(filepath.Join(dir, identityDir))
	if err != nil {
		return 0, err
	}
	l, err := ledger.Open(filepath.Join(dir, ledgerFile), log)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	for _, name := range []string{islandFile, keptFile} {
		d, err := diary.Open(filepath.Join(dir, name), id.Name, func(era string) (uint64, error) { return l.Imported(id.Name, era) }, log)
		if err != nil {
			return n, err
		}
		first, commands := d.Pending()
		if err := errors.Join(writeRecords(w, d.Era(), first, commands), d.Close()); err != nil {
			return n, err
		}
		n += len(commands)
	}
	return n, nil
}
