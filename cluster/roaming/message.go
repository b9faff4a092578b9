package roaming

import (
	"encoding/binary"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Page is some records that another node lacks, and what is known with them.
type Page struct {
	Wall    fax.Millis // the sender's clock
	Vector  Vector     // all that the sender knows
	Covered Vector     // what the receiver knows once it has taken this in
	More    bool       // there is a next page
	Again   bool       // of news: it is told a second time
	Cut     bool       // the sender has forgotten deletions that the receiver lacks: a fresh copy is needed
	Last    string     // of a copy: the key up to which it goes, to be given for the next page
	Records []Record
}

const (
	flagMore = 1 << iota
	flagCut
	flagAgain
)

// Encode writes the page.
func (p Page) Encode() []byte {
	flags := byte(0)
	if p.More {
		flags |= flagMore
	}
	if p.Cut {
		flags |= flagCut
	}
	if p.Again {
		flags |= flagAgain
	}
	b := binary.AppendUvarint([]byte{formatVersion, flags}, uint64(p.Wall))
	b = appendVector(appendVector(b, p.Vector), p.Covered)
	b = appendText(b, p.Last)
	b = binary.AppendUvarint(b, uint64(len(p.Records)))
	for _, r := range p.Records {
		b = appendRecord(b, r)
	}
	return b
}

// DecodePage reads what Encode writes, from a stranger.
func DecodePage(data []byte) (p Page, err error) {
	d := decoder{rest: data}
	if len(data) > MaxMessage || d.octet() != formatVersion {
		return p, errMessage
	}
	flags := d.octet()
	p.More, p.Cut, p.Again = flags&flagMore != 0, flags&flagCut != 0, flags&flagAgain != 0
	p.Wall = fax.Millis(d.number(maxNumber))
	p.Vector, p.Covered = d.vector(), d.vector()
	p.Last = d.text(maxKey)
	n := d.count(len(data), minRecord)
	for range n {
		r := d.record()
		if d.bad {
			break
		}
		p.Records = append(p.Records, r)
	}
	return p, d.end()
}

// Ask is the question for what is lacking.
type Ask struct {
	Wall   fax.Millis
	Vector Vector // what the asker knows
	Skip   Vector // logs that are not to be sent now, whatever the numbers
}

// Encode writes the question.
func (a Ask) Encode() []byte {
	b := binary.AppendUvarint([]byte{formatVersion}, uint64(a.Wall))
	return appendVector(appendVector(b, a.Vector), a.Skip)
}

// DecodeAsk reads what Encode writes, from a stranger.
func DecodeAsk(data []byte) (a Ask, err error) {
	d := decoder{rest: data}
	if len(data) > MaxMessage || d.octet() != formatVersion {
		return a, errMessage
	}
	a.Wall = fax.Millis(d.number(maxNumber))
	a.Vector, a.Skip = d.vector(), d.vector()
	return a, d.end()
}

// Want is the question for a copy: of the records in some buckets, or of all.
type Want struct {
	Buckets *Buckets // nil for all
	After   string   // Last of the page before, "" for the first
}

// Encode writes the question.
func (w Want) Encode() []byte {
	b := []byte{formatVersion}
	if w.Buckets == nil {
		b = append(b, 0)
	} else {
		b = append(append(b, 1), w.Buckets[:]...)
	}
	return appendText(b, w.After)
}

// DecodeWant reads what Encode writes, from a stranger.
func DecodeWant(data []byte) (w Want, err error) {
	d := decoder{rest: data}
	if len(data) > MaxMessage || d.octet() != formatVersion {
		return w, errMessage
	}
	if d.octet() != 0 {
		w.Buckets = new(Buckets)
		copy(w.Buckets[:], d.octets(len(w.Buckets)))
	}
	w.After = d.text(maxKey)
	return w, d.end()
}

// ahead reports whether a stamp is too far ahead of the clock.
func ahead(s Stamp, now time.Time) bool { return s > stampAt(now.Add(MaxAhead)) }
