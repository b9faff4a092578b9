package roaming

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Stamp is a time of the hybrid logical clock: milliseconds since 1970 in the
// high 48 bits, a counter in the low 16. It is never lower than one that its
// node has seen.
type Stamp uint64

const stampBits = 16

func stampAt(t time.Time) Stamp { return Stamp(max(fax.At(t), 0)) << stampBits }

// At is the moment of a stamp, as exact as its node's clock.
func (s Stamp) At() fax.Millis { return fax.Millis(s >> stampBits) }

// Origin is the log of a node. Its epoch changes when the node's disk was
// lost or put back, so that no number means two things.
type Origin struct {
	Node  string
	Epoch uint64
}

func (o Origin) compare(p Origin) int {
	return cmp.Or(strings.Compare(o.Node, p.Node), cmp.Compare(o.Epoch, p.Epoch))
}

// Mark is one write: when, by whom, and its number there.
type Mark struct {
	Stamp  Stamp
	Origin Origin
	Seq    uint64
}

func (m Mark) compare(n Mark) int {
	return cmp.Or(cmp.Compare(m.Stamp, n.Stamp), m.Origin.compare(n.Origin), cmp.Compare(m.Seq, n.Seq))
}

// Cell is a field's value. An empty one is that of a field that was cleared.
type Cell struct {
	Value string
	Mark  Mark
}

func (c Cell) compare(d Cell) int {
	return cmp.Or(c.Mark.compare(d.Mark), strings.Compare(c.Value, d.Value))
}

// Record is what is known of a key.
type Record struct {
	Key   Key
	Gone  Mark // of the last deletion; zero if there was none
	Cells map[string]Cell
}

// Live reports whether the record is there for people.
func (r Record) Live() bool {
	for _, c := range r.Cells {
		if c.Value != "" {
			return true
		}
	}
	return false
}

// Fields gives the values that are not empty.
func (r Record) Fields() map[string]string {
	fields := make(map[string]string, len(r.Cells))
	for name, c := range r.Cells {
		if c.Value != "" {
			fields[name] = c.Value
		}
	}
	return fields
}

// empty reports whether there is nothing to keep.
func (r Record) empty() bool { return r.Gone == Mark{} && len(r.Cells) == 0 }

// join is what is known from two copies of a record: the higher deletion, of
// each field the higher cell, none that is not after the deletion. Of too many
// fields, as when two nodes have added different ones, those written last stay:
// what is left out then could not come back by any further join.
func join(a, b Record) Record {
	r := Record{Key: a.Key, Gone: a.Gone, Cells: make(map[string]Cell, max(len(a.Cells), len(b.Cells)))}
	if b.Gone.compare(r.Gone) > 0 {
		r.Gone = b.Gone
	}
	for _, cells := range []map[string]Cell{a.Cells, b.Cells} {
		for name, c := range cells {
			have, known := r.Cells[name]
			if c.Mark.compare(r.Gone) > 0 && (!known || c.compare(have) > 0) {
				r.Cells[name] = c
			}
		}
	}
	if len(r.Cells) > MaxFields {
		names := r.names()
		slices.SortStableFunc(names, func(x, y string) int { return r.Cells[y].compare(r.Cells[x]) })
		for _, name := range names[MaxFields:] {
			delete(r.Cells, name)
		}
	}
	return r
}

// names are those of the cells, in order.
func (r Record) names() []string {
	names := make([]string, 0, len(r.Cells))
	for name := range r.Cells {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// marks are the writes that the record is made of, each once, in order.
func (r Record) marks() []Mark {
	var marks []Mark
	if r.Gone != (Mark{}) {
		marks = append(marks, r.Gone)
	}
	for _, c := range r.Cells {
		marks = append(marks, c.Mark)
	}
	slices.SortFunc(marks, Mark.compare)
	return slices.Compact(marks)
}

// without leaves out what is made by a write that drop names.
func (r Record) without(drop func(field string, m Mark) bool) Record {
	left := Record{Key: r.Key, Cells: make(map[string]Cell, len(r.Cells))}
	if r.Gone != (Mark{}) && !drop("", r.Gone) {
		left.Gone = r.Gone
	}
	for name, c := range r.Cells {
		if !drop(name, c.Mark) {
			left.Cells[name] = c
		}
	}
	return left
}
