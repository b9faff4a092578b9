package wire

import "time"

// Limits of a connection. Both ends hold each other to them.
const (
	MaxPayload      = 64 << 10 // octets of a frame behind its header
	MaxEarlyPayload = 4 << 10  // the same, before the other side is known
	Chunk           = 16 << 10 // octets of a DATA frame: little enough that an event does not wait
	Window          = 256 << 10
	MaxStreams      = 64 // requests under way on one connection
	MaxTransfers    = 4  // of these, uploads and downloads
)

// Limits of a message.
const (
	MaxDepth    = 16      // values inside values
	MaxNodes    = 10_000  // values in all
	MaxCommand  = 32      // octets of a command's name
	MaxID       = 64      // octets of the id of a job, fax, session or upload
	MaxPassword = 1024    // octets
	MaxToken    = 2048    // octets of a session or join token
	MaxAgent    = 128     // octets of a client's program and version
	MaxHost     = 261     // octets of host:port, RFC 1035 clause 2.3.4 with a port
	MaxText     = 1024    // octets of a sentence for people
	MaxDetail   = 4096    // octets of an activity's detail
	MaxDER      = 8 << 10 // octets of a certificate
	MaxSeqs     = 256     // events acknowledged at once
	MaxEvents   = 256     // events asked for at once
	MaxServers  = 64      // nodes named in a session
	MaxLines    = 128     // lines of one node
	MaxList     = 10_000  // entries of a list, over all its frames
	MaxDocument = 256 << 20
	hexSHA256   = 64
)

// Waits. A connection that is silent for longer than Dead is lost; Ping is
// short enough for the address translators on the way.
const (
	HandshakeTimeout = 5 * time.Second  // TLS and preface
	LoginTimeout     = 10 * time.Second // until the login request is there
	Ping             = 25 * time.Second
	Dead             = 60 * time.Second
	FrameTimeout     = 30 * time.Second // from a frame's first octet to its last, either way
	DrainTimeout     = 2 * time.Second  // for the last words before closing
)
