package softmodem

import (
	"time"

	"github.com/faxmesh/faxmesh/modem/at"
)

// EventKind says what an Event is.
type EventKind uint8

// What happens on a line. The first four are signals, which modems say to each
// other through the exchange; the others the exchange says by itself.
const (
	CarrierOn  EventKind = iota // Carrier begins with its training or flags
	Frame                       // Data is a V.21 frame with its FCS, complete at At
	Octets                      // Data of an image carrier, the last bit at At
	CarrierOff                  // the carrier has dropped

	Ring       // one ring of a call, with Caller and Called
	RingEnd    // the caller has given up
	Connected  // the called station has answered
	Released   // the call is over: the other side or the exchange hung up
	NoTone     // no dial tone
	Engaged    // the called line is busy
	Unanswered // it rang until the exchange's limit
	Unknown    // there is no such number
)

// Event is something that happens on the line, at the modem's end of it.
type Event struct {
	Kind    EventKind
	At      time.Duration // line time
	Begin   time.Duration // of a Frame
	Carrier at.Modulation
	Data    []byte
	Caller  string
	Called  string
}

// Line is the pair of wires between a modem and its exchange. The modem calls
// it from its own goroutine; it must not wait and must not call back into the
// modem except through Post.
type Line interface {
	// Dial goes off hook and calls number.
	Dial(number string)
	// Answer takes the call that rings; false if there is none (any more).
	Answer() bool
	// HangUp goes on hook, whatever state the line is in.
	HangUp()
	// Send puts a signal on the line; lost if there is no call.
	Send(Event)
}
