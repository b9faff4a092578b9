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

// Close does nothing: raft calls it when a run of it ends, and the streams
// outlive that.
func (transport) Close() error { return nil }

// shut closes everything and waits for those who read from the streams.
func (t transport) shut() error {
	err := t.NetworkTransport.Close()
	t.CloseStreams()
	t.streams.cut()
	t.streams.busy.Wait()
	return err
}

// nodeAddr is a node's name where the library wants an address.
type nodeAddr string

func (nodeAddr) Network() string  { return "faxmesh" }
func (a nodeAddr) String() string { return string(a) }

// streams is Stream as raft wants it. It knows all that are open, because
// raft's transport leaves the accepted ones open when it closes, and can still
// dial then.
type streams struct {
	Stream
	name nodeAddr

	mu   sync.Mutex
	open map[net.Conn]struct{} // nil once cut
	busy sync.WaitGroup        // one for each accepted one of open
}

func (s *streams) Addr() net.Addr { return s.name }

func (s *streams) Dial(node raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	if s.isCut() {
		return nil, net.ErrClosed
	}
	conn, err := s.Stream.Dial(string(node), timeout)
	if err != nil {
		return nil, err
	}
	return s.keep(conn, false)
}

func (s *streams) Accept() (net.Conn, error) {
	conn, err := s.Stream.Accept()
	if err != nil {
		return nil, err
	}
	return s.keep(conn, true)
}

func (s *streams) isCut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open == nil
}

func (s *streams) keep(conn net.Conn, accepted bool) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		_ = conn.Close() // nobody will use it
		return nil, net.ErrClosed
	}
	s.open[conn] = struct{}{}
	if accepted {
		s.busy.Add(1)
	}
	return &stream{Conn: conn, from: s, accepted: accepted}, nil
}

// cut ends all traffic, both ways, for good.
func (s *streams) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.open {
		_ = conn.SetDeadline(time.Unix(1, 0)) // at once, also where closing takes its time
	}
	for conn := range s.open {
		_ = conn.Close() // its user sees the error
	}
	s.open = nil
}

// stream is one of streams; its user closes it as the last thing.
type stream struct {
	net.Conn
	from     *streams
	accepted bool
	once     sync.Once
}

func (c *stream) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.from.mu.Lock()
		delete(c.from.open, c.Conn)
		c.from.mu.Unlock()
		if c.accepted {
			c.from.busy.Done()
		}
	})
	return err
}
