package roaming

import (
	"encoding/binary"
	"errors"
	"slices"
	"unicode/utf8"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Numbers are unsigned varints, a text is a varint of its length and UTF-8.
//
//	origin  node text · epoch u64
//	vector  count · (origin · number), in the order of origins
//	record  kind u8 · owner text · id text
//	        count · (origin · number · stamp)            the marks, in their order
//	        0, or 1 + the mark of the deletion
//	        count · (name text · value text · mark)      in the order of names
//	ask     format · wall · vector · vector of what not to send
//	page    format · flags u8 · wall · vector · covered vector · last key text · count · records
//	want    format · 0, or 1 and 512 octets of a bit for each bucket · text
//
// Wall is the sender's clock in milliseconds.
const formatVersion = 1

const (
	minRecord = 7 // least octets of a record, of a mark and of the others below,
	minMark   = 12
	minOrigin = 10 // which bound a declared count by the octets that are there
	minCell   = 3
	maxNumber = 1 << 62
	maxKey    = 2 + MaxOwner + MaxID
)

var errMessage = errors.New("the roaming message is not well-formed")

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendOrigin(b []byte, o Origin) []byte {
	return binary.BigEndian.AppendUint64(appendText(b, o.Node), o.Epoch)
}

func appendVector(b []byte, v Vector) []byte {
	b = binary.AppendUvarint(b, uint64(len(v)))
	for _, o := range v.origins() {
		b = binary.AppendUvarint(appendOrigin(b, o), v[o])
	}
	return b
}

func appendRecord(b []byte, r Record) []byte {
	b = append(b, byte(r.Key.Kind))
	b = appendText(appendText(b, r.Key.Owner), r.Key.ID)
	marks := r.marks()
	b = binary.AppendUvarint(b, uint64(len(marks)))
	for _, m := range marks {
		b = binary.AppendUvarint(appendOrigin(b, m.Origin), m.Seq)
		b = binary.AppendUvarint(b, uint64(m.Stamp))
	}
	place := func(m Mark) uint64 {
		i, _ := slices.BinarySearchFunc(marks, m, Mark.compare)
		return uint64(i)
	}
	if r.Gone == (Mark{}) {
		b = append(b, 0)
	} else {
		b = binary.AppendUvarint(b, 1+place(r.Gone))
	}
	b = binary.AppendUvarint(b, uint64(len(r.Cells)))
	for _, name := range r.names() {
		c := r.Cells[name]
		b = appendText(appendText(b, name), c.Value)
		b = binary.AppendUvarint(b, place(c.Mark))
	}
	return b
}

// decoder reads fields off rest. After a fault bad stays set and all further
// fields are zero. It allocates no more than a small multiple of what it is
// given.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) fail() { d.bad, d.rest = true, nil }

// end is the fault, or that something is left over.
func (d *decoder) end() error {
	if d.bad || len(d.rest) > 0 {
		return errMessage
	}
	return nil
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

func (d *decoder) number(limit uint64) uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 || n > limit {
		d.fail()
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

// count is of things that take at least so many octets each.
func (d *decoder) count(limit, least int) int {
	return int(d.number(uint64(min(limit, len(d.rest)/least))))
}

func (d *decoder) octets(n int) []byte {
	if n > len(d.rest) {
		d.fail()
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) text(limit int) string {
	s := string(d.octets(int(d.number(uint64(limit)))))
	if !utf8.ValidString(s) {
		d.fail()
	}
	return s
}

func (d *decoder) origin() (o Origin) {
	o.Node = d.text(fax.MaxName)
	if b := d.octets(8); b != nil {
		o.Epoch = binary.BigEndian.Uint64(b)
	}
	if !d.bad && fax.CheckName("node", o.Node) != nil {
		d.fail()
	}
	return o
}

func (d *decoder) vector() Vector {
	n := d.count(MaxOrigins, minOrigin)
	v := make(Vector, n)
	var last Origin
	for i := range n {
		o := d.origin()
		seq := d.number(maxNumber)
		if d.bad || i > 0 && last.compare(o) >= 0 {
			d.fail()
			break
		}
		v[o], last = seq, o
	}
	return v
}

func (d *decoder) record() Record {
	r := Record{Key: Key{Kind: Kind(d.octet()), Owner: d.text(MaxOwner), ID: d.text(MaxID)}}
	if !d.bad && r.Key.check() != nil {
		d.fail()
	}
	marks := make([]Mark, d.count(MaxFields+1, minMark))
	for i := range marks {
		marks[i].Origin = d.origin()
		marks[i].Seq, marks[i].Stamp = d.number(maxNumber), Stamp(d.number(1<<64-1))
		if d.bad || marks[i].Seq == 0 || i > 0 && marks[i-1].compare(marks[i]) >= 0 {
			d.fail()
			return r
		}
	}
	if n := d.number(uint64(len(marks))); n > 0 {
		r.Gone = marks[n-1]
	}
	n := d.count(MaxFields, minCell)
	r.Cells = make(map[string]Cell, n)
	last := ""
	for range n {
		name, value, i := d.text(MaxField), d.text(MaxValue), d.number(MaxFields)
		if d.bad || !plain(name, MaxField) || name <= last || i >= uint64(len(marks)) || marks[i].compare(r.Gone) <= 0 {
			d.fail()
			return r
		}
		r.Cells[name], last = Cell{value, marks[i]}, name
	}
	return r
}
