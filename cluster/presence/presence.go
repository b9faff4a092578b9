// Package presence is the table of who is logged in where, what each line does
// now, how loaded each node is.
//
// It is never stored. Each node owns its own part of the table. A part is
// known by its node's incarnation (higher when the node was started again) and
// is made of items, each stamped with the part's version when it was changed.
// What nodes tell one another are statements: "of incarnation i, up to version
// floor I know everything, and these are the items". A floor of 0 makes a
// statement a mere change. Merge is commutative, associative and idempotent, so
// statements may come late, twice, in any order, or by way of another node; a
// lost change is made good by the next full statement.
//
// Parts of nodes that are not alive are kept but not shown: who is alive is
// the carrier's business, told to SetAlive.
package presence

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Limits.
const (
	MaxNodes  = 256     // parts in a table
	MaxItems  = 16384   // sessions, lines of one node
	MaxChange = 1200    // octets of a change, so that it fits a gossip packet
	MaxState  = 8 << 20 // octets of a full state
	MaxField  = 256     // octets of a text in an item
	MaxStamp  = 1 << 62 // highest incarnation or version
)

// Session is one login.
type Session struct {
	ID          string
	Account     string
	Node        string         // the session's home
	Addr        netip.AddrPort // where to dial for notifications; not valid if the client cannot be dialled
	Fingerprint string         // hex SHA-256 of the certificate of the client's listener
	Since       fax.Millis
	Epoch       uint64 // of the account, when the session was opened
}

// Load is how busy a node is, and how full its disk.
type Load struct {
	Sessions int
	Calls    int
	Disk     int    // hundredths that are used
	Room     string // what follows from that, as "ample"; "" if not known
}

// kind tells the items of a part apart. Numbers are on the wire: append only.
type kind uint8

const (
	kindSession kind = 1
	kindLine    kind = 2
	kindLoad    kind = 3
)

type key struct {
	kind kind
	id   string
}

func (a key) compare(b key) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), strings.Compare(a.id, b.id))
}

// item is a value with its stamp; exactly one of the three is meant, by the
// key's kind. A gone item is a deletion.
type item struct {
	version uint64
	gone    bool
	session Session
	line    fax.LineState
	load    Load
}

// part is what is known of one node.
type part struct {
	incarnation uint64
	floor       uint64 // the part is exact up to this version
	items       map[key]item
}

// Table is one node's view of all nodes. It is safe for concurrent use.
type Table struct {
	self string

	mu      sync.Mutex
	version uint64 // of our own part
	parts   map[string]*part
	alive   map[string]bool
}

// New makes the table of node self. incarnation must be higher at each start
// of the node; milliseconds since 1970 will do.
func New(self string, incarnation uint64) *Table {
	return &Table{
		self:  self,
		parts: map[string]*part{self: {incarnation: incarnation, items: map[key]item{}}},
		alive: map[string]bool{self: true},
	}
}

// PutSession shows or changes a session of this node and returns the change to
// broadcast. The session's Node is set.
func (t *Table) PutSession(s Session) ([]byte, error) {
	s.Node = t.self
	return t.put(key{kindSession, s.ID}, item{session: s})
}

// DropSession ends a session of this node. It returns nil if there is none.
func (t *Table) DropSession(id string) []byte { return t.drop(key{kindSession, id}) }

// PutLine shows or changes a line of this node. The line's Node is set.
func (t *Table) PutLine(l fax.LineState) ([]byte, error) {
	l.Node = t.self
	return t.put(key{kindLine, l.Name}, item{line: l})
}

// DropLine removes a line of this node. It returns nil if there is none.
func (t *Table) DropLine(name string) []byte { return t.drop(key{kindLine, name}) }

// PutLoad shows how busy this node is.
func (t *Table) PutLoad(l Load) ([]byte, error) {
	return t.put(key{kindLoad, ""}, item{load: l})
}

func (t *Table) put(k key, it item) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	own := t.parts[t.self]
	if _, known := own.items[k]; !known && len(own.items) >= MaxItems {
		return nil, fax.Errorf(fax.Busy, "node %s has %d sessions and lines; no more can be shown", t.self, MaxItems)
	}
	it.version = t.version + 1
	change, err := encodeChange(t.self, own.incarnation, k, it)
	if err != nil {
		return nil, err
	}
	t.version++
	own.floor = t.version
	own.items[k] = it
	return change, nil
}

func (t *Table) drop(k key) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	own := t.parts[t.self]
	if _, known := own.items[k]; !known {
		return nil
	}
	t.version++
	own.floor = t.version
	delete(own.items, k)
	change, err := encodeChange(t.self, own.incarnation, k, item{version: t.version, gone: true})
	if err != nil {
		return nil // an item that could be put has a key that can be encoded
	}
	return change
}

// SetAlive shows or hides a node's part. It reports whether that is news.
func (t *Table) SetAlive(node string, alive bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if node == t.self || t.alive[node] == alive {
		return false
	}
	if !alive {
		delete(t.alive, node)
		return true
	}
	if len(t.alive) >= MaxNodes {
		return false
	}
	t.alive[node] = true
	return true
}

// Alive lists the nodes that are alive, this one included, sorted.
func (t *Table) Alive() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	names := make([]string, 0, len(t.alive))
	for name := range t.alive {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Forget drops what is known of a node that has left for good.
func (t *Table) Forget(node string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if node != t.self {
		delete(t.parts, node)
		delete(t.alive, node)
	}
}

// State is the full statement about every node known, our own first: what is
// exchanged when two nodes compare notes. What does not fit into MaxState
// octets is left to other nodes to tell.
func (t *Table) State() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	names := make([]string, 0, len(t.parts))
	for name := range t.parts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if a == t.self || b == t.self {
			return cmp.Compare(btoi(b == t.self), btoi(a == t.self))
		}
		return strings.Compare(a, b)
	})
	buf := []byte{formatVersion}
	for _, name := range names {
		longer := appendStatement(buf, statementOf(name, t.parts[name]))
		if len(longer) <= MaxState {
			buf = longer
		}
	}
	return buf
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Merge takes in a message of another node: a change or a full state. It
// reports whether anything is new. A message that is not well-formed changes
// nothing.
func (t *Table) Merge(msg []byte) (changed bool, err error) {
	statements, err := decode(msg)
	if err != nil {
		return false, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range statements {
		if s.node == t.self {
			changed = t.answerLocked(s) || changed
			continue
		}
		p := t.parts[s.node]
		if p == nil {
			if len(t.parts) >= MaxNodes {
				continue
			}
			p = &part{items: map[key]item{}}
			t.parts[s.node] = p
		}
		changed = p.merge(s) || changed
	}
	return changed, nil
}

// answerLocked hears what others say of us. What they remember of an earlier
// start must not outrank us, as it would after a clock was set back: we take
// the next higher incarnation.
func (t *Table) answerLocked(s statement) bool {
	own := t.parts[t.self]
	newest := s.floor
	for _, e := range s.items {
		newest = max(newest, e.item.version)
	}
	if s.incarnation < own.incarnation || s.incarnation == own.incarnation && newest <= t.version {
		return false
	}
	own.incarnation = s.incarnation + 1
	return true
}

// merge joins a statement into the part.
func (p *part) merge(s statement) (changed bool) {
	if s.incarnation < p.incarnation {
		return false
	}
	if s.incarnation > p.incarnation {
		p.incarnation, p.floor, p.items = s.incarnation, 0, map[key]item{}
		changed = true
	}
	stated := make(map[key]bool, len(s.items))
	for _, e := range s.items {
		stated[e.key] = true
		have, known := p.items[e.key]
		switch {
		case known && have.version >= e.item.version:
			continue
		case !known && e.item.version <= p.floor:
			continue // it was deleted since: we know everything up to floor
		case !known && len(p.items) >= MaxItems:
			continue
		}
		p.items[e.key] = e.item
		changed = true
	}
	if s.floor <= p.floor {
		return changed
	}
	p.floor = s.floor
	for k, it := range p.items {
		silent := !stated[k] && it.version <= p.floor // deleted, or the statement would name it
		if silent || it.gone && it.version <= p.floor {
			delete(p.items, k)
		}
	}
	return true
}

// Sessions lists the sessions of an account, as logged in at live nodes, oldest
// first; all sessions if account is "".
func (t *Table) Sessions(account string) []Session {
	folded := fax.Fold(account)
	var found []Session
	t.each(kindSession, func(it item) {
		if account == "" || fax.Fold(it.session.Account) == folded {
			found = append(found, it.session)
		}
	})
	slices.SortFunc(found, func(a, b Session) int {
		return cmp.Or(cmp.Compare(a.Since, b.Since), strings.Compare(a.ID, b.ID))
	})
	return found
}

// Lines lists the lines of live nodes, by node and name.
func (t *Table) Lines() []fax.LineState {
	var found []fax.LineState
	t.each(kindLine, func(it item) { found = append(found, it.line) })
	slices.SortFunc(found, func(a, b fax.LineState) int {
		return cmp.Or(strings.Compare(a.Node, b.Node), strings.Compare(a.Name, b.Name))
	})
	return found
}

// Load is how busy a live node says it is; false if it is not known.
func (t *Table) Load(node string) (Load, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.parts[node]; p != nil && t.alive[node] {
		it, known := p.items[key{kindLoad, ""}]
		return it.load, known && !it.gone
	}
	return Load{}, false
}

// each calls f, under the lock, with the items of a kind of live nodes.
func (t *Table) each(k kind, f func(item)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name := range t.alive {
		p := t.parts[name]
		if p == nil {
			continue
		}
		for key, it := range p.items {
			if key.kind == k && !it.gone {
				f(it)
			}
		}
	}
}
