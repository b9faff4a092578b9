package wire

import (
	"github.com/vmihailenco/msgpack/v5"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Request is the payload of REQ: a command by name with its own message.
type Request struct {
	Command string             `msgpack:"c"`
	Left    uint32             `msgpack:"t,omitempty"` // ms until the client gives up, 0: no deadline
	Seen    uint64             `msgpack:"s,omitempty"` // newest event the client has been told: the answer is to be no older
	Body    msgpack.RawMessage `msgpack:"b"`
}

// Check implements Message.
func (r *Request) Check() error {
	var f fields
	f.text("the command", r.Command, MaxCommand)
	if r.Command == "" {
		f.fail("the request names no command")
	}
	return f.err
}

// Failure is the payload of ERR and GOAWAY.
type Failure struct {
	fax.Error `msgpack:",inline"`
}

// Check implements Message.
func (e *Failure) Check() error {
	var f fields
	f.text("the error's text", e.Text, MaxText)
	return f.err
}

// Fail is err as the payload of ERR or GOAWAY. What is not a *fax.Error is
// told as Internal, without details.
func Fail(err error) []byte {
	payload, encodeErr := Encode(&Failure{Error: forPeople(err)})
	if encodeErr != nil {
		return []byte{0x80} // an empty map: Internal without a text
	}
	return payload
}

// Done is the empty message: an answer that says only that it is done, or a
// request without fields.
type Done struct{}

// Check implements Message.
func (*Done) Check() error { return nil }

// Progress is the payload of WINDOW: the octets of the stream that have been
// taken over. The sender may be Window octets ahead of it.
type Progress struct {
	Offset int64 `msgpack:"o"`
}

// Check implements Message.
func (p *Progress) Check() error {
	var f fields
	if p.Offset < 0 || p.Offset > MaxDocument {
		f.fail("offset %d is outside of any document", p.Offset)
	}
	return f.err
}
