//go:build linux

package scenario

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// closeTime is how long a node may take to close a connection that it has good
// reason to close at once.
const closeTime = 10 * time.Second

// stranger speaks to a node as no client of ours would.
type stranger struct {
	net.Conn
	addr string // his own, as the node's log names it
	next uint32 // request
}

// meet connects over TCP from an address. The stranger gives up after two
// minutes whatever he does.
func meet(t *testing.T, from, to string) *stranger {
	t.Helper()
	conn, err := sourceFrom(from).Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	return &stranger{Conn: conn, addr: conn.LocalAddr().String()}
}

// meetTLS connects with TLS and trusts anybody. He knows what nodes speak; who
// does not is not even shown a certificate.
func meetTLS(t *testing.T, from, to string, certificates ...tls.Certificate) *stranger {
	t.Helper()
	s := meet(t, from, to)
	s.Conn = tls.Client(s.Conn, &tls.Config{InsecureSkipVerify: true, Certificates: certificates, NextProtos: []string{"faxmesh/1"}})
	return s
}

// meetClient comes as a client: TLS and the exchange of prefaces.
func meetClient(t *testing.T, from, to string) *stranger {
	t.Helper()
	s := meetTLS(t, from, to)
	if err := (wire.Preface{Min: wire.MinVersion, Max: wire.MaxVersion}).Write(s); err != nil {
		t.Fatal(err)
	}
	if _, err := wire.ReadAnswer(s); err != nil {
		t.Fatal(err)
	}
	return s
}

// header is that of a frame, whose payload need not follow.
func header(length uint32, typ wire.Type, stream uint32) []byte {
	b := binary.BigEndian.AppendUint32(nil, length)
	b = append(b, byte(typ), 0)
	return binary.BigEndian.AppendUint32(b, stream)
}

// frame is a frame with whatever payload.
func frame(typ wire.Type, stream uint32, payload []byte) []byte {
	return append(header(uint32(len(payload)), typ, stream), payload...)
}

// asks sends a request that nobody has checked.
func (s *stranger) asks(t *testing.T, command string, q any) uint32 {
	t.Helper()
	body, err := msgpack.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := wire.Encode(&wire.Request{Command: command, Body: body})
	if err != nil {
		t.Fatal(err)
	}
	return s.sends(t, payload)
}

// sends sends a payload as a request.
func (s *stranger) sends(t *testing.T, payload []byte) uint32 {
	t.Helper()
	s.next++
	if _, err := s.Write(frame(wire.REQ, s.next, payload)); err != nil {
		t.Fatal(err)
	}
	return s.next
}

// hears reads a frame that is no ping.
func (s *stranger) hears(t *testing.T) wire.Frame {
	t.Helper()
	for {
		f, err := wire.ReadFrame(s, wire.MaxPayload)
		if err != nil {
			t.Fatalf("the node has closed: %v", err)
		}
		if f.Type != wire.PING && f.Type != wire.PUSH {
			return f
		}
	}
}

// refused reads the error that must come in answer.
func (s *stranger) refused(t *testing.T) error {
	t.Helper()
	f := s.hears(t)
	if f.Type != wire.ERR {
		t.Errorf("%s where an error was expected", f.Type)
		return nil
	}
	return failureIn(t, f)
}

func failureIn(t *testing.T, f wire.Frame) error {
	t.Helper()
	var e wire.Failure
	if err := wire.CheckThenDecode(f.Payload, &e); err != nil {
		t.Fatal(err)
	}
	return &e.Error
}

// logsIn asks for a session and returns it, or why there is none.
func (s *stranger) logsIn(t *testing.T, q wire.Login) (fax.Session, error) {
	t.Helper()
	s.asks(t, wire.CmdLogin, &q)
	f := s.hears(t)
	if f.Type == wire.ERR {
		return fax.Session{}, failureIn(t, f)
	}
	var answer wire.Session
	if err := wire.CheckThenDecode(f.Payload, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Session, nil
}

// closed waits until the node has closed the connection; it returns the reason
// that the node gave last, nil if it gave none.
func (s *stranger) closed(t *testing.T, within time.Duration) (why error) {
	t.Helper()
	_ = s.SetReadDeadline(time.Now().Add(within))
	for {
		f, err := wire.ReadFrame(s, wire.MaxPayload)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			t.Errorf("the node has not closed the connection of %s within %v", s.addr, within)
			return why
		case err != nil:
			return why
		case f.Type == wire.GOAWAY:
			why = failureIn(t, f)
		}
	}
}
