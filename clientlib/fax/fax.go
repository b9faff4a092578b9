// Package fax holds the nouns of faxmesh: what a clerk, a node and the ledger
// mean when they say account, job, document, drawer or event.
//
// It does no I/O and imports nothing of ours. Field tags are the names on the
// wire and in the ledger: short, never reused, never renamed. Times are
// milliseconds since 1970 UTC, because they are compared, hashed and signed.
package fax

import "time"

// Limits on what people may name things.
const (
	MaxName    = 64  // octets of an account, node or line name
	MaxNumber  = 64  // characters of a telephone number as typed
	MaxTitle   = 256 // octets of a document's or job's title
	MaxReason  = 1024
	MaxAssign  = 64 // accounts a received fax may be assigned to at once
	StationLen = 20 // characters of a T.30 station identification
)

// Millis is a moment: milliseconds since 1970-01-01 UTC.
type Millis int64

// At converts a time.
func At(t time.Time) Millis { return Millis(t.UnixMilli()) }

// Time converts back, in UTC.
func (m Millis) Time() time.Time { return time.UnixMilli(int64(m)).UTC() }

// Document is an immutable file known by its content.
type Document struct {
	Hash  string `msgpack:"h" json:"hash"`            // hex SHA-256
	Size  int64  `msgpack:"s" json:"size"`            // octets
	Pages int    `msgpack:"p,omitempty" json:"pages"` // fax pages, 0 if not yet converted
}

// Drawer is one of the four drawers of a cabinet.
type Drawer string

// The drawers of every cabinet.
const (
	Pending  Drawer = "pending"
	Sent     Drawer = "sent"
	Failed   Drawer = "failed"
	Received Drawer = "received"
)
