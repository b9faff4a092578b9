package fax

// Node is a server of the cluster as the ledger knows it.
type Node struct {
	Name        string `msgpack:"n" json:"name"`
	PeerAddr    string `msgpack:"p" json:"peer_addr"`   // advertised host:port, UDP and TCP (7487)
	ClientAddr  string `msgpack:"c" json:"client_addr"` // advertised host:port (7488)
	Fingerprint string `msgpack:"f" json:"fingerprint"` // hex SHA-256 of its public key
	Joined      Millis `msgpack:"j" json:"joined"`
	Site        string `msgpack:"s,omitempty" json:"site,omitempty"`    // where it stands: voters are spread over the sites
	NoVote      bool   `msgpack:"v,omitempty" json:"no_vote,omitempty"` // its settings say that it never votes
	Leaving     bool   `msgpack:"l,omitempty" json:"leaving,omitempty"` // it takes no new work and will be removed

	Next  string `msgpack:"x,omitempty" json:"next,omitempty"`  // fingerprint of the key that takes the place of Fingerprint's
	Was   string `msgpack:"w,omitempty" json:"was,omitempty"`   // of the one before; it opens nothing any more
	Knows int    `msgpack:"k,omitempty" json:"knows,omitempty"` // highest number of a change that its program understands
}

// DialRule gives numbers that begin with Prefix to a node. The longest prefix
// wins; the empty prefix matches every number.
type DialRule struct {
	Prefix string `msgpack:"p" json:"prefix"`
	Node   string `msgpack:"d" json:"node"`
}

// Route assigns faxes received on a called number, of one caller or of all, to
// accounts. The empty number is for those that no other route takes.
type Route struct {
	Number   string   `msgpack:"n" json:"number"`
	Caller   string   `msgpack:"c,omitempty" json:"caller,omitempty"` // as the line tells it; "" for all
	Accounts []string `msgpack:"a" json:"accounts"`
}

// Activity is one entry of the activity record.
type Activity struct {
	Seq    uint64 `msgpack:"q" json:"seq"`
	At     Millis `msgpack:"t" json:"at"`
	Who    string `msgpack:"w" json:"who"`  // account, or node for what no person did
	Node   string `msgpack:"d" json:"node"` // where
	What   string `msgpack:"x" json:"what"` // as "submit", "login", "sent"
	Object string `msgpack:"o" json:"object"`
	Detail string `msgpack:"i,omitempty" json:"detail,omitempty"`
	Chain  string `msgpack:"c" json:"chain"` // hex SHA-256 over the chain value before and this entry
}

// LineState is what a line does now, as its node tells the others.
type LineState struct {
	Node   string `msgpack:"d" json:"node"`
	Name   string `msgpack:"n" json:"name"`
	Number string `msgpack:"nr" json:"number"`
	State  string `msgpack:"s" json:"state"` // "free", "ringing", "receiving", "sending", "down"
	Job    string `msgpack:"j,omitempty" json:"job,omitempty"`
	Kind   string `msgpack:"k" json:"kind"` // "class1", "simulated"
	Since  Millis `msgpack:"t" json:"since"`
}
