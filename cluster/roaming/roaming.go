// Package roaming is the state of what follows people from node to node: login
// profiles, address books.
//
// A record is a set of fields, each with the mark of the write that made it:
// a stamp of a hybrid logical clock, the node, the number in the node's own
// log. Two copies are joined field by field, the higher mark wins; a deletion
// is a mark too, which takes away all fields with lower ones. Join is
// commutative, associative and idempotent, so nothing is lost whoever edits
// what where, cut off or not.
//
// A vector says up to which number of each log everything is here that nothing
// has superseded. What another node lacks is found with it, in pages; digests
// find what vectors cannot. Credentials and rights never travel this way.
package roaming

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Limits. Those on how many records an owner has hold where one is written: what
// nodes have added that did not hear each other is joined all the same.
const (
	MaxOwner    = 64      // octets of an account's or shared book's name
	MaxID       = 128     // octets of a record's id
	MaxField    = 48      // octets of a field's name
	MaxValue    = 1024    // octets of a field's value
	MaxFields   = 64      // fields of a record, cleared ones included
	MaxSettings = 1_000   // records of one profile
	MaxPersonal = 20_000  // records of one personal book
	MaxShared   = 250_000 // records of one shared book
	MaxOrigins  = 1024    // logs known: one for each node, one more each time a node's disk was lost
	MaxList     = 1000    // records listed at once
	PageSize    = 256 << 10
	MaxMessage  = 1 << 20 // octets of a page with its vectors
)

// Times.
const (
	// MaxAhead is how far a stamp may be ahead of the clock of the node that
	// takes it in. What is further ahead waits until its time has come or its
	// node has stamped it anew.
	MaxAhead = time.Minute
	// KeepGone is how long a deletion is kept at least; then it goes once all
	// members have it.
	KeepGone = 24 * time.Hour
	// MaxGone is the age at which a deletion goes in any case. A node that was
	// away for longer takes a fresh copy: what it has and the others have had
	// but have no longer is deleted there too.
	MaxGone = 90 * 24 * time.Hour
)

// Kind says what a record belongs to. Numbers are on disk: append only.
type Kind uint8

// The kinds.
const (
	Profile  Kind = 1 // settings of an account
	Personal Kind = 2 // an account's own address book
	Shared   Kind = 3 // an address book for all
)

var most = map[Kind]int{Profile: MaxSettings, Personal: MaxPersonal, Shared: MaxShared}

// Key names a record.
type Key struct {
	Kind  Kind
	Owner string // folded name of the account or the shared book
	ID    string
}

func (k Key) check() error {
	if most[k.Kind] == 0 || !plain(k.Owner, MaxOwner) || !plain(k.ID, MaxID) {
		return fax.Errorf(fax.Invalid, "%.*q is not the name of an entry; use 1 to %d octets without control characters", MaxID, k.ID, MaxID)
	}
	return nil
}

// plain reports whether s is 1 to limit octets of UTF-8 without control
// characters.
func plain(s string, limit int) bool {
	return s != "" && len(s) <= limit && utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}

func checkSet(set map[string]string) error {
	if len(set) == 0 {
		return fax.Errorf(fax.Invalid, "no field is given")
	}
	for name, value := range set {
		if !plain(name, MaxField) {
			return fax.Errorf(fax.Invalid, "%.*q is not the name of a field; use 1 to %d octets without control characters", MaxField, name, MaxField)
		}
		if len(value) > MaxValue {
			return fax.Errorf(fax.TooLarge, "field %q has %d octets; at most %d are allowed", name, len(value), MaxValue)
		}
		if !utf8.ValidString(value) {
			return fax.Errorf(fax.Invalid, "field %q is not UTF-8", name)
		}
	}
	return nil
}
