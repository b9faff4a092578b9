package consensus

import (
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// Stream is how nodes reach one another: the cluster port, which knows who
// speaks. Nodes are dialled by name; where a name is to be found may change at
// any time.
type Stream interface {
	// Accept returns the next stream that another node has opened to this one.
	Accept() (net.Conn, error)
	// Dial opens a stream to a node.
	Dial(node string, timeout time.Duration) (net.Conn, error)
	// Close ends Accept.
	Close() error
}

// transport is raft's own over Stream, with heartbeats taken in the order of
// all messages.
type transport struct {
	*raft.NetworkTransport
	streams *streams
}

func newTransport(cfg Config, log *logger) transport {
	s := &streams{Stream: cfg.Stream, name: nodeAddr(cfg.Name), open: make(map[net.Conn]struct{})}
	return transport{streams: s, NetworkTransport: raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream:          s,
		MaxPool:         maxPool,
		MaxRPCsInFlight: 1, // no pipeline: a follower that stalls in one is not served again (hashicorp/raft#612)
		Timeout:         cfg.Timeouts.Stream,
		Logger:          log,
	})}
}

// SetHeartbeatHandler takes no handler, so that heartbeats go through raft's
// main loop. Beside it, a heartbeat of a new leader raises the term while the
// loop still leads; the next command is then stamped with the new leader's
// term, and two nodes hold different commands under one index and term, for
// good (hashicorp/raft#695).
func (transport) SetHeartbeatHandler(func(raft.RPC)) {}

// shut closes everything and waits for those who read from the streams.
func (t transport) shut() error {
	err := t.NetworkTransport.Close()
	t.CloseStreams()
	t.streams.shut()
	return err
}

// nodeAddr is a node's name where the library wants an address.
type nodeAddr string

func (nodeAddr) Network() string  { return "faxmesh" }
func (a nodeAddr) String() string { return string(a) }

// streams is Stream as raft wants it. It knows the accepted streams, because
// raft's transport leaves them open when it closes.
type streams struct {
	Stream
	name nodeAddr

	mu   sync.Mutex
	open map[net.Conn]struct{} // accepted; nil once shut
	busy sync.WaitGroup        // one for each of open
}

func (s *streams) Addr() net.Addr { return s.name }

func (s *streams) Dial(node raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	return s.Stream.Dial(string(node), timeout)
}

func (s *streams) Accept() (net.Conn, error) {
	conn, err := s.Stream.Accept()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		_ = conn.Close() // nobody will read it
		return nil, net.ErrClosed
	}
	s.open[conn] = struct{}{}
	s.busy.Add(1)
	return &accepted{Conn: conn, from: s}, nil
}

func (s *streams) shut() {
	s.mu.Lock()
	open := s.open
	s.open = nil
	for conn := range open {
		_ = conn.Close() // its reader sees the error
	}
	s.mu.Unlock()
	s.busy.Wait()
}

// accepted is an accepted stream; its reader closes it as the last thing.
type accepted struct {
	net.Conn
	from *streams
	once sync.Once
}

func (a *accepted) Close() error {
	err := a.Conn.Close()
	a.once.Do(func() {
		a.from.mu.Lock()
		delete(a.from.open, a.Conn)
		a.from.mu.Unlock()
		a.from.busy.Done()
	})
	return err
}
