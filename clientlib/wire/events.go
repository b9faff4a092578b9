package wire

import "github.com/faxmesh/faxmesh/clientlib/fax"

// The commands about an account's events.
const (
	CmdEvents = "events" // those after a number; answered by Events
	CmdAck    = "ack"    // Seqs have arrived, by whatever way; answered by Done
)

// EventsAfter asks for the events after a number, the oldest first.
type EventsAfter struct {
	After uint64 `msgpack:"a"`
	Limit int    `msgpack:"l"`
}

// Check implements Message.
func (e *EventsAfter) Check() error {
	var f fields
	f.count("the limit", e.Limit, MaxEvents)
	return f.err
}

// Events is an answer, and the payload of PUSH.
type Events struct {
	Events []fax.Event `msgpack:"i"`
}

// Check implements Message.
func (e *Events) Check() error {
	var f fields
	f.count("the events", len(e.Events), MaxEvents)
	for i := range e.Events {
		f.event(&e.Events[i])
	}
	return f.err
}

// Seqs are numbers of events: the request of CmdAck, the payload of ACK.
type Seqs struct {
	Seqs []uint64 `msgpack:"q"`
}

// Check implements Message.
func (s *Seqs) Check() error {
	var f fields
	f.count("the acknowledged events", len(s.Seqs), MaxSeqs)
	return f.err
}

// Pushes is events as PUSH frames.
func Pushes(events []fax.Event) ([]Frame, error) {
	payloads, err := Split(events, func(page []fax.Event) Message { return &Events{Events: page} })
	if err != nil {
		return nil, err
	}
	frames := make([]Frame, len(payloads))
	for i, p := range payloads {
		frames[i] = Frame{Type: PUSH, Payload: p}
	}
	return frames, nil
}
