package lab

import (
	"context"
	"time"

	"github.com/faxmesh/faxmesh/modem/line"
)

// Mode is how a call is to transmit its pages.
type Mode struct {
	ECM    bool
	Coding string    // "MMR", "MR", "MH"
	Rate   line.Rate // highest
}

// Sent is what a sending program says of its call.
type Sent struct {
	OK    bool // it says that the whole document was sent
	Pages int  // that it says were confirmed
	Mode  Mode // as negotiated; zero if the program does not say
	Why   string
	Log   string
}

// Received is what a receiving program says of its call.
type Received struct {
	OK    bool
	Pages Document
	Mode  Mode
	Why   string
	Log   string
}

// Station is a fax program that has a line of an exchange.
type Station interface {
	// Send calls a number and sends a document. The error is that of the lab:
	// how the call went is in what is returned.
	Send(ctx context.Context, number string, d Document, m Mode) (Sent, error)
	// Listen makes ready to take one call. It returns when the line can ring.
	Listen(ctx context.Context) (Reception, error)
	Close() error
}

// Reception is one call that a station is ready to take.
type Reception interface {
	// Wait returns when the call is over.
	Wait(ctx context.Context) (Received, error)
	// Cancel ends the readiness, or the call.
	Cancel()
}

// initTime is the wall time until a program is ready on its line. HylaFAX needs
// 12 to 14 s.
const initTime = 40 * time.Second
