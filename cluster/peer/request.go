package peer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// A frame is a length, u32 big-endian, and as many octets. On a request
// connection the dialler sends
//
//	patience u32, milliseconds · length of method u8 · method · body
//
// and gets, before it may send the next, either
//
//	0 · body        or        1 · error kind u8 · text

const (
	answered = 0
	failed   = 1
	overhead = 4 + 1 + MaxMethod // octets of a request that are not its body
	maxText  = 4096              // octets of an error's text
)

var errFrame = errors.New("the frame is larger than allowed here")

// WriteFrame writes one frame.
func WriteFrame(w io.Writer, payload []byte) error {
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(payload)), uint32(len(payload)))
	_, err := w.Write(append(frame, payload...))
	return err
}

// ReadFrame reads one frame of at most limit octets.
func ReadFrame(r io.Reader, limit int) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if uint64(n) > uint64(limit) {
		return nil, fmt.Errorf("%w: %d octets, at most %d", errFrame, n, limit)
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(r, payload); err != nil {
		return nil, err
	}
	return payload, nil
}

func encodeRequest(patience time.Duration, method string, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, overhead+len(body)), uint32(patience.Milliseconds()))
	b = append(b, byte(len(method)))
	return append(append(b, method...), body...)
}

func decodeRequest(b []byte) (patience time.Duration, method string, body []byte, err error) {
	if len(b) < 5 || b[4] > MaxMethod || len(b) < 5+int(b[4]) {
		return 0, "", nil, errors.New("the request is not well-formed")
	}
	patience = min(CallTime, time.Duration(binary.BigEndian.Uint32(b))*time.Millisecond)
	n := 5 + int(b[4])
	return patience, string(b[5:n]), b[n:], nil
}

func encodeAnswer(body []byte, err error) []byte {
	if err == nil && len(body) > MaxBody {
		err = fax.Errorf(fax.TooLarge, "the answer has %d octets; at most %d fit a frame", len(body), MaxBody)
	}
	if err == nil {
		return append([]byte{answered}, body...)
	}
	text := err.Error()
	return append([]byte{failed, byte(fax.KindOf(err))}, text[:min(len(text), maxText)]...)
}

func decodeAnswer(b []byte) ([]byte, error) {
	switch {
	case len(b) >= 1 && b[0] == answered:
		return b[1:], nil
	case len(b) >= 2 && b[0] == failed:
		return nil, &fax.Error{Kind: fax.Kind(b[1]), Text: string(b[2:])}
	}
	return nil, errors.New("the answer is not well-formed")
}

// Handler answers a request of the node called from. ctx ends when the caller
// has stopped waiting. An error of package fax arrives as it is; of another
// only the text does.
type Handler func(ctx context.Context, from string, body []byte) ([]byte, error)

// Server answers requests.
type Server struct {
	logger *slog.Logger
	ctx    context.Context
	cancel context.CancelFunc
	listen net.Listener
	work   sync.WaitGroup

	mu       sync.Mutex
	handlers map[string]Handler
	conns    map[net.Conn]struct{}
}

// Serve answers the requests that come in on l until Close.
func Serve(l net.Listener, logger *slog.Logger) *Server {
	s := &Server{logger: logger, listen: l, handlers: map[string]Handler{}, conns: map[net.Conn]struct{}{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.work.Go(s.accept)
	return s
}

// Handle sets what answers a method, of 1 to MaxMethod octets.
func (s *Server) Handle(method string, h Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers[method] = h
}

func (s *Server) accept() {
	for {
		conn, err := s.listen.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.ctx.Err() != nil {
			s.mu.Unlock()
			conn.Close()
			return
		}
		s.conns[conn] = struct{}{}
		s.mu.Unlock()
		s.work.Go(func() {
			err := s.serve(conn)
			conn.Close()
			s.mu.Lock()
			delete(s.conns, conn)
			s.mu.Unlock()
			if !errors.Is(err, io.EOF) && s.ctx.Err() == nil {
				s.logger.Debug("a request connection has ended", "peer", nameOf(conn), "err", err)
			}
		})
	}
}

func nameOf(conn net.Conn) string {
	if c, ok := conn.(*Conn); ok {
		return c.Peer
	}
	return ""
}

// serve answers the requests of one connection, one after another, until it
// ends, and says why it did.
func (s *Server) serve(conn net.Conn) error {
	for {
		conn.SetReadDeadline(time.Now().Add(IdleTime))
		frame, err := ReadFrame(conn, overhead+MaxBody)
		if err != nil {
			return err
		}
		patience, method, body, err := decodeRequest(frame)
		if err != nil {
			return err
		}
		answer := encodeAnswer(s.answer(nameOf(conn), patience, method, body))
		conn.SetWriteDeadline(time.Now().Add(CallTime))
		if err := WriteFrame(conn, answer); err != nil {
			return err
		}
	}
}

func (s *Server) answer(from string, patience time.Duration, method string, body []byte) ([]byte, error) {
	s.mu.Lock()
	h := s.handlers[method]
	s.mu.Unlock()
	if h == nil {
		return nil, fax.Errorf(fax.Unsupported, "this node does not know the method %q; is it of an older version?", method)
	}
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	return h(ctx, from, body)
}

// Close ends all requests under way and returns when their handlers have.
func (s *Server) Close() error {
	s.cancel()
	s.listen.Close()
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.work.Wait()
	return nil
}
