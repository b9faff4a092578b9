package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/durable"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

// roll is the members as another node has told them, how they gossip, and the
// log index at which that was so.
type roll struct {
	Index uint64      `json:"index"`
	Nodes []fax.Node  `json:"nodes"`
	Ring  ledger.Ring `json:"ring"` // the keys of gossip
}

// book knows who is a member, and where. The ledger says so; but a node that
// has just joined, or was away for long, does not have the entries yet that
// name those who would bring it these entries. Until its ledger has come to
// the index of the last roll that a member gave it, it goes by that.
type book struct {
	ledger *ledger.Ledger
	path   string

	mu   sync.Mutex
	roll roll
}

func openBook(path string, l *ledger.Ledger) (*book, error) {
	b := &book{ledger: l, path: path}
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return b, nil
	case err != nil:
		return nil, fmt.Errorf("read the list of members: %w", err)
	}
	if err := json.Unmarshal(data, &b.roll); err != nil {
		return nil, fmt.Errorf("read the list of members %s: %w", path, err)
	}
	return b, nil
}

// write stores a roll in dir for the book that is opened there.
func (r roll) write(path string) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode the list of members: %w", err)
	}
	if err := durable.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return durable.WriteFile(path, data, 0o600)
}

// learn takes in a roll if it is newer than what is known.
func (b *book) learn(r roll) error {
	index, _ := b.ledger.Applied()
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.Index <= index || r.Index <= b.roll.Index || len(r.Nodes) == 0 {
		return nil
	}
	b.roll = r
	return r.write(b.path)
}

// nodes lists the members.
func (b *book) nodes() ([]fax.Node, error) {
	index, _ := b.ledger.Applied()
	b.mu.Lock()
	r := b.roll
	b.mu.Unlock()
	if r.Index > index {
		return r.Nodes, nil
	}
	return b.ledger.Nodes()
}

// ring gives the keys of gossip.
func (b *book) ring() (ledger.Ring, error) {
	index, _ := b.ledger.Applied()
	b.mu.Lock()
	r := b.roll
	b.mu.Unlock()
	if r.Index > index {
		return r.Ring.Whole(), nil
	}
	return b.ledger.Ring()
}

// current is the roll to give to others.
func (b *book) current() (roll, error) {
	index, _ := b.ledger.Applied()
	nodes, err := b.nodes()
	ring, ringErr := b.ring()
	b.mu.Lock()
	defer b.mu.Unlock()
	return roll{Index: max(index, b.roll.Index), Nodes: nodes, Ring: ring}, errors.Join(err, ringErr)
}

// find gives one member.
func (b *book) find(name string) (fax.Node, bool) {
	index, _ := b.ledger.Applied()
	b.mu.Lock()
	r := b.roll
	b.mu.Unlock()
	if r.Index > index {
		for _, n := range r.Nodes {
			if n.Name == name {
				return n, true
			}
		}
		return fax.Node{}, false
	}
	n, err := b.ledger.Node(name)
	return n, err == nil
}

// member says whether a key is that of the member of that name, or its next.
func (b *book) member(name, fingerprint string) bool {
	n, ok := b.find(name)
	return ok && fingerprint != "" && (n.Fingerprint == fingerprint || n.Next == fingerprint)
}

// stays says whether a connection may go on that a node began with a key: also
// with the one that it had before.
func (b *book) stays(name, fingerprint string) bool {
	n, ok := b.find(name)
	return ok && fingerprint != "" && (n.Fingerprint == fingerprint || n.Next == fingerprint || n.Was == fingerprint)
}

// locate gives a member's address and the fingerprint of its key.
func (b *book) locate(name string) (addr, fingerprint string, ok bool) {
	n, ok := b.find(name)
	return n.PeerAddr, n.Fingerprint, ok && n.PeerAddr != ""
}
