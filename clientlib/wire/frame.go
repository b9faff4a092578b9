package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Type is the type of a frame. Numbers are the protocol: append, never
// renumber.
type Type uint8

// The types of frames.
const (
	REQ    Type = iota + 1 // client: a Request, opens a stream
	RES                    // node: a message in answer; More if others follow
	ERR                    // node: a Failure, ends the stream
	PUSH                   // node, stream 0: an Events message nobody asked for
	DATA                   // octets of a document; End on the last
	WINDOW                 // receiver of DATA: a Progress, how far it has come
	CANCEL                 // client: ends the stream, no answer is wanted
	PING                   // stream 0: are you there?
	PONG                   // stream 0: yes
	GOAWAY                 // stream 0: a Failure, why the connection ends
	HELLO                  // notification port, node: a Hello, before all else
	ACK                    // notification port, client: a Seqs, events that have arrived
)

var typeNames = [...]string{"0", "REQ", "RES", "ERR", "PUSH", "DATA", "WINDOW", "CANCEL", "PING", "PONG", "GOAWAY", "HELLO", "ACK"}

// String is the name of the type, or its number.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("type-%d", uint8(t))
}

// Flags of a frame.
const (
	More uint8 = 1 << iota // RES: the answer goes on
	End                    // DATA: the last of the stream
)

// Frame is what travels: u32 length of the payload, u8 type, u8 flags, u32
// stream, payload; numbers most significant octet first. Stream 0 is the
// connection itself; the client numbers its requests upwards from 1.
type Frame struct {
	Type    Type
	Flags   uint8
	Stream  uint32
	Payload []byte
}

const headerLen = 10

// ErrFrame marks octets that are not a frame of this protocol, or one over a
// limit. The connection can not go on after it.
var ErrFrame = errors.New("bad frame")

// ReadFrame reads one frame with a payload of at most limit octets. Nothing is
// allocated for a frame that announces more.
func ReadFrame(r io.Reader, limit int) (Frame, error) {
	var h [headerLen]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return Frame{}, err
	}
	n := binary.BigEndian.Uint32(h[:])
	f := Frame{Type: Type(h[4]), Flags: h[5], Stream: binary.BigEndian.Uint32(h[6:])}
	switch {
	case f.Type == 0 || int(f.Type) >= len(typeNames):
		return Frame{}, fmt.Errorf("%w: type %d is not known", ErrFrame, h[4])
	case int64(n) > int64(limit):
		return Frame{}, fmt.Errorf("%w: %s announces %d octets, at most %d are allowed here", ErrFrame, f.Type, n, limit)
	case n == 0:
		return f, nil
	}
	f.Payload = make([]byte, n)
	if _, err := io.ReadFull(r, f.Payload); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return Frame{}, err
	}
	return f, nil
}

// WriteFrame writes one frame.
func WriteFrame(w io.Writer, f Frame) error {
	if len(f.Payload) > MaxPayload {
		return fmt.Errorf("%w: %s of %d octets, at most %d are allowed", ErrFrame, f.Type, len(f.Payload), MaxPayload)
	}
	var h [headerLen]byte
	binary.BigEndian.PutUint32(h[:], uint32(len(f.Payload)))
	h[4], h[5] = byte(f.Type), f.Flags
	binary.BigEndian.PutUint32(h[6:], f.Stream)
	if _, err := w.Write(h[:]); err != nil {
		return err
	}
	_, err := w.Write(f.Payload)
	return err
}
