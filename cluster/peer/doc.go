// Package peer is the one port between nodes: TLS 1.3 proved by both sides,
// split by the first octet into gossip streams, Raft, blobs, requests, joining.
//
// Every node holds a certificate of the cluster's own authority that names it,
// faxmesh://CLUSTER/node/NAME. A certificate alone opens nothing: name and
// fingerprint must also be those of a member. Joining is the one thing allowed
// without a certificate, and it has its own small limits. A stranger gets no
// octet of ours beyond the TLS handshake; the log says why he was refused.
package peer

import "time"

// Port is the default, UDP and TCP.
const Port = 7487

// Proto is the first octet on a connection: what it is for.
type Proto byte

// The protocols. The octets are on the wire: append only.
const (
	Gossip  Proto = 'g' // memberlist's streams
	Raft    Proto = 'r'
	Blob    Proto = 'b'
	Request Proto = 'q'
	Feed    Proto = 'f' // the ledger, for nodes that are not in Raft
	Backup  Proto = 'k' // the whole state, for a program with this node's directory
	Join    Proto = 'j' // the only one without a client certificate
)

func (p Proto) String() string {
	switch p {
	case Gossip:
		return "gossip"
	case Raft:
		return "raft"
	case Blob:
		return "blob"
	case Request:
		return "request"
	case Feed:
		return "feed"
	case Backup:
		return "backup"
	case Join:
		return "join"
	}
	return "unknown"
}

// Limits of the port.
const (
	HandshakeTime  = 5 * time.Second // from accept to the first octet
	MaxStrangers   = 128             // connections before authentication, in all
	MaxPerAddress  = 32              // of those, from one address
	MaxConnections = 4096            // accepted connections in all
	MaxPerMember   = 128             // of those, of one member
	MaxJoining     = 16              // of those, joining
	acceptQueue    = 32              // accepted, not yet taken by their protocol
	keepAlive      = 25 * time.Second
)

// Limits of requests.
const (
	MaxBody   = 4 << 20          // octets of a request's or an answer's body
	MaxMethod = 64               // octets of a method's name
	CallTime  = 30 * time.Second // longest time for a call, and for moving one frame
	IdleTime  = 2 * time.Minute  // a pooled connection unused for so long is closed
	MaxIdle   = 8                // pooled connections to one node
	MaxCalls  = 24               // calls at once to one node, fewer than MaxPerAddress; further ones wait
)
