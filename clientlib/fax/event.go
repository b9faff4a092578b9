package fax

// EventKind says what has happened.
type EventKind string

// The events. Each concerns one account and, but for Message, one fax.
const (
	EventQueued    EventKind = "queued"
	EventDialing   EventKind = "dialing"
	EventPage      EventKind = "page"  // the remote station has confirmed a page
	EventSent      EventKind = "sent"  // all pages are confirmed
	EventRetry     EventKind = "retry" // an attempt failed, another will follow
	EventFailed    EventKind = "failed"
	EventCancelled EventKind = "cancelled"
	EventReceived  EventKind = "received" // a fax has come in for this account
	EventAssigned  EventKind = "assigned" // somebody assigned a received fax to it
)

// Tentative is where the numbers of tentative events begin: those of a node that
// is cut off from the majority. They are told at once; when the link is back
// the same events, alike in everything but the number, get their place in the
// account's stream. A tentative number says nothing about others.
const Tentative = uint64(1) << 62

// Tentative reports whether the event has no place in its account's stream yet.
func (e Event) Tentative() bool { return e.Seq >= Tentative }

// SameTail reports whether a tentative number is one of the same node and the
// same time of being cut off.
func (e Event) SameTail(number uint64) bool { return e.Seq>>tailBits == number>>tailBits }

// tailBits is how many low bits of a tentative number tell the events of one
// tail apart.
const tailBits = 40

// Identity is the event without its number: the same before and after it got
// its place.
func (e Event) Identity() Event {
	e.Seq = 0
	return e
}

// Event is one entry in an account's stream of news. The ledger numbers the
// events of an account 1, 2, 3… so that a client knows each of them again, on
// whatever way it comes, and asks for those it has missed.
type Event struct {
	Account string    `msgpack:"a" json:"account"`
	Seq     uint64    `msgpack:"q" json:"seq"`
	Kind    EventKind `msgpack:"k" json:"kind"`
	Fax     string    `msgpack:"f" json:"fax"`  // id of the job or the received fax
	Node    string    `msgpack:"d" json:"node"` // the node that handled it, and tells it
	At      Millis    `msgpack:"t" json:"at"`
	Number  string    `msgpack:"n,omitempty" json:"number,omitempty"` // called number, or the sender's
	Page    int       `msgpack:"p,omitempty" json:"page,omitempty"`   // pages confirmed or received
	Pages   int       `msgpack:"ps,omitempty" json:"pages,omitempty"`
	Text    string    `msgpack:"x,omitempty" json:"text,omitempty"` // sentence for people
}
