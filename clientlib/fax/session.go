package fax

import "net/netip"

// Login is what a client shows to open a session: a name with a password, or
// the token of an earlier session, good at every node of the cluster.
type Login struct {
	Account  string
	Password string
	Token    string
	Client   string         // program and version, for the activity record
	Remote   netip.AddrPort // where the node sees the client come from
	Callback *Callback      // where it wants to be notified; nil: over its own connection only
}

// Callback is the client's notification listener. The address to dial is the
// one that the node sees the client come from, never one that a client names.
type Callback struct {
	Port        uint16 `msgpack:"p"` // port to dial: the bound one, or the one a router maps to it
	Fingerprint string `msgpack:"f"` // hex SHA-256 of the certificate made for the session
}

// Session is a person logged in.
type Session struct {
	ID      string `msgpack:"id" json:"id"`
	Account string `msgpack:"a" json:"account"`
	Rights  Rights `msgpack:"r" json:"rights"`
	Home    string `msgpack:"h" json:"home"`                                  // node that took the login
	Token   string `msgpack:"t" json:"-"`                                     // signed; opens the session again at any node
	Secret  string `msgpack:"s" json:"-"`                                     // what a node says first on the notification port
	Expires Millis `msgpack:"x" json:"expires"`                               // of the token
	Last    uint64 `msgpack:"l" json:"last"`                                  // number of the account's newest event
	Newest  uint64 `msgpack:"lt,omitempty" json:"newest_tentative,omitempty"` // number of its newest tentative event at this node
	Nodes   []Node `msgpack:"n" json:"nodes"`                                 // where else to go when this node dies
	Cluster string `msgpack:"c" json:"cluster"`                               // id of the cluster
}

// Order is what a clerk hands in: this document, to this number. The document
// has been uploaded under Upload before.
type Order struct {
	ID        string `msgpack:"id"` // chosen by the client: the same order twice is one job
	Upload    string `msgpack:"u"`  // id of the finished upload
	Number    string `msgpack:"n"`
	Title     string `msgpack:"t"`
	NotBefore Millis `msgpack:"b,omitempty"`
	// Again: a server was asked before and its answer got lost. One that is cut
	// off from the others then does not dial the fax before it knows that they
	// do not.
	Again bool `msgpack:"r,omitempty"`
}

// JobFilter narrows a list of jobs.
type JobFilter struct {
	Drawer Drawer `msgpack:"d,omitempty"` // empty: all
	All    bool   `msgpack:"a,omitempty"` // every account's, needs MaySeeAll
	Limit  int    `msgpack:"l,omitempty"` // 0: the node's default
}

// NodeStatus is a node as the cluster sees it now.
type NodeStatus struct {
	Node   Node        `msgpack:"n" json:"node"`
	Alive  bool        `msgpack:"a" json:"alive"`
	Voter  bool        `msgpack:"v" json:"voter"`
	Leader bool        `msgpack:"l" json:"leader"`
	Lines  []LineState `msgpack:"li" json:"lines"`
	// Disk is how much of the node's disk, or of its quota for documents, is
	// used, in hundredths, and Room what follows from that: "ample", "tight",
	// "scarce", or "full", when it refuses documents. 0 and "" if not known.
	Disk int    `msgpack:"dk,omitempty" json:"disk,omitempty"`
	Room string `msgpack:"ro,omitempty" json:"room,omitempty"`
	// Alone is since when the node is cut off from the majority of the servers,
	// 0 if it is not; only the node itself knows.
	Alone Millis `msgpack:"al,omitempty" json:"alone,omitempty"`
}
