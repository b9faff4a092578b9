package presence

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// A message is formatVersion and statements. A statement is
//
//	node text · incarnation · floor · count · items
//
// and an item is
//
//	kind u8, with goneBit for a deletion · version · id text · value
//
// where numbers are unsigned varints and a text is a varint of its length and
// UTF-8. Items are in the order of their keys, each once.
const (
	formatVersion = 1
	goneBit       = 0x80
)

// minItem is the least octets of an item, which bounds a declared count by the
// octets that are there.
const minItem = 3

var errMessage = errors.New("the presence message is not well-formed")

type entry struct {
	key  key
	item item
}

// statement is what one node says of a node's part.
type statement struct {
	node        string
	incarnation uint64
	floor       uint64
	items       []entry
}

func statementOf(node string, p *part) statement {
	s := statement{node: node, incarnation: p.incarnation, floor: p.floor}
	for k, it := range p.items {
		s.items = append(s.items, entry{k, it})
	}
	slices.SortFunc(s.items, func(a, b entry) int { return a.key.compare(b.key) })
	return s
}

// encodeChange makes the message of one changed item and checks all that the
// receivers will check, so that a refusal is seen here.
func encodeChange(node string, incarnation uint64, k key, it item) ([]byte, error) {
	msg := appendStatement([]byte{formatVersion}, statement{node: node, incarnation: incarnation, items: []entry{{k, it}}})
	if len(msg) > MaxChange {
		return nil, fax.Errorf(fax.TooLarge, "the session or line takes %d octets to show; at most %d are allowed", len(msg), MaxChange)
	}
	if _, err := decode(msg); err != nil {
		return nil, fmt.Errorf("%q cannot be shown: %w", k.id, err)
	}
	return msg, nil
}

func appendStatement(b []byte, s statement) []byte {
	b = appendText(b, s.node)
	b = binary.AppendUvarint(b, s.incarnation)
	b = binary.AppendUvarint(b, s.floor)
	b = binary.AppendUvarint(b, uint64(len(s.items)))
	for _, e := range s.items {
		b = appendItem(b, e)
	}
	return b
}

func appendItem(b []byte, e entry) []byte {
	first := byte(e.key.kind)
	if e.item.gone {
		first |= goneBit
	}
	b = append(b, first)
	b = binary.AppendUvarint(b, e.item.version)
	b = appendText(b, e.key.id)
	if e.item.gone {
		return b
	}
	switch e.key.kind {
	case kindSession:
		s := e.item.session
		addr, _ := s.Addr.MarshalBinary() // never fails
		b = appendText(b, s.Account)
		b = appendText(b, string(addr))
		b = appendText(b, s.Fingerprint)
		b = binary.AppendUvarint(b, uint64(s.Since))
		return binary.AppendUvarint(b, s.Epoch)
	case kindLine:
		l := e.item.line
		for _, text := range []string{l.Number, l.State, l.Job, l.Kind} {
			b = appendText(b, text)
		}
		return binary.AppendUvarint(b, uint64(l.Since))
	default:
		b = binary.AppendUvarint(b, uint64(e.item.load.Sessions))
		b = binary.AppendUvarint(b, uint64(e.item.load.Calls))
		b = binary.AppendUvarint(b, uint64(e.item.load.Disk))
		return appendText(b, e.item.load.Room)
	}
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decode reads a message from a stranger: it allocates no more than a small
// multiple of the message's own length.
func decode(msg []byte) ([]statement, error) {
	if len(msg) > MaxState || len(msg) == 0 || msg[0] != formatVersion {
		return nil, errMessage
	}
	d := decoder{rest: msg[1:]}
	var statements []statement
	for len(d.rest) > 0 && !d.bad {
		if len(statements) == MaxNodes {
			return nil, errMessage
		}
		statements = append(statements, d.statement())
	}
	if d.bad {
		return nil, errMessage
	}
	return statements, nil
}

// decoder reads fields off rest. After a fault bad stays set and all further
// fields are zero.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) fail() { d.bad, d.rest = true, nil }

func (d *decoder) number(limit uint64) uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 || n > limit {
		d.fail()
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) text() string {
	n := d.number(MaxField)
	if n > uint64(len(d.rest)) {
		d.fail()
		return ""
	}
	s := string(d.rest[:n])
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) octet() byte {
	if len(d.rest) == 0 {
		d.fail()
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return b
}

func (d *decoder) statement() statement {
	s := statement{node: d.text(), incarnation: d.number(MaxStamp), floor: d.number(MaxStamp)}
	if fax.CheckName("node", s.node) != nil {
		d.fail()
	}
	n := d.number(min(MaxItems, uint64(len(d.rest)/minItem)))
	s.items = make([]entry, 0, n)
	for range n {
		e := d.entry(s.node)
		if last := len(s.items) - 1; d.bad || last >= 0 && s.items[last].key.compare(e.key) >= 0 {
			d.fail()
			break
		}
		s.items = append(s.items, e)
	}
	return s
}

func (d *decoder) entry(node string) entry {
	first := d.octet()
	e := entry{key: key{kind: kind(first &^ goneBit)}}
	e.item.gone = first&goneBit != 0
	e.item.version = d.number(MaxStamp)
	e.key.id = d.text()
	if e.key.kind < kindSession || e.key.kind > kindLoad || e.item.version == 0 {
		d.fail()
	}
	if d.bad || e.item.gone {
		return e
	}
	switch e.key.kind {
	case kindSession:
		s := Session{ID: e.key.id, Node: node, Account: d.text()}
		if err := s.Addr.UnmarshalBinary([]byte(d.text())); err != nil {
			d.fail()
		}
		s.Fingerprint = d.text()
		s.Since, s.Epoch = fax.Millis(d.number(MaxStamp)), d.number(MaxStamp)
		e.item.session = s
	case kindLine:
		l := fax.LineState{Node: node, Name: e.key.id, Number: d.text(), State: d.text(), Job: d.text(), Kind: d.text()}
		l.Since = fax.Millis(d.number(MaxStamp))
		e.item.line = l
	case kindLoad:
		e.item.load = Load{Sessions: int(d.number(1 << 30)), Calls: int(d.number(1 << 30)), Disk: int(d.number(100)), Room: d.text()}
	}
	return e
}
