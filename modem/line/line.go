// Package line is the waist between T.30 and whatever carries it: a call in
// progress on which signals are said and heard, one at a time, half duplex.
//
// The T.30 engine knows nothing below this package; Class 1 modems, T.38 and
// test lines know nothing above it. All octets are in DTE order: the first bit
// on the line is the least significant bit of an octet (T.31 clause 8, UART
// order). Frames run from the address octet to the last FIF octet, without FCS.
package line

import (
	"context"
	"errors"
	"time"
)

// Limits on what one signal may carry.
const (
	MaxFrame     = 300      // octets of one HDLC frame without FCS; ECM frames have 260
	MaxFrames    = 8        // frames of one V.21 command or response
	MaxBlock     = 256      // ECM frames of a partial page (T.30 Annex A)
	MaxPage      = 16 << 20 // octets of one page without ECM
	MaxTrainings = 64 << 10 // octets kept of one training check
)

// Errors of a Line. Everything else is wrapped around the driver's cause.
var (
	// ErrHungUp: the remote station or the exchange has released the call.
	ErrHungUp = errors.New("line: call released by the other side")
	// ErrModem: the modem does not answer or answers nonsense; it needs a reset.
	ErrModem = errors.New("line: modem does not respond")
)

// Line is one call, from off hook to on hook. It is used by one goroutine.
type Line interface {
	// Say transmits s. It returns when the last bit of s has left the line,
	// the moment from which T.30's response timer T4 runs. The driver keeps
	// T.30's 75 ms of silence before every signal.
	Say(ctx context.Context, s Signal) error

	// Hear waits until one of the signals asked for has been received to its
	// end, or until nothing has begun within l.Timeout: then it returns a
	// Heard of kind Nothing and no error. If l.Carrier is set and the line is not
	// silent then, it is Noise: an image that cannot be received is on it.
	Hear(ctx context.Context, l Listen) (Heard, error)

	// Now is line time since the call was connected. It runs faster than the
	// wall clock on a simulated line that does.
	Now() time.Duration
}

// SignalKind says what a Signal is made of.
type SignalKind uint8

const (
	// Frames: a V.21 command or response: preamble, Frames, end of carrier.
	Frames SignalKind = iota
	// Training: the training check TCF, 1.5 s of zeros at Rate (T.30 5.3.6.1.3).
	Training
	// Page: the T.4 coded octets in Data at Rate.
	Page
	// Block: the HDLC frames in Frames at Rate, an ECM partial page; the
	// caller includes the three RCP frames.
	Block
)

// Signal is what Say transmits.
type Signal struct {
	Kind   SignalKind
	Rate   Rate // V21 for Frames
	Short  bool // V.17: resynchronise with short training
	Frames [][]byte
	Data   []byte
}

// Listen is what Hear waits for. V.21 frames are always heard; with a Rate
// other than V21 an image signal of kind Want is heard as well, whichever
// comes first.
type Listen struct {
	Rate    Rate
	Short   bool
	Want    SignalKind // Training, Page or Block; ignored at V21
	Timeout time.Duration
	Carrier bool // when the time is over, tell whether the line is silent
}

// HeardKind says what Hear has heard.
type HeardKind uint8

const (
	// Nothing has begun in the time allowed.
	Nothing HeardKind = iota
	// Frame: one V.21 frame; ask again for the next unless it was the final one.
	Frame
	// Image: the Training, Page or Block that was asked for, to the end of carrier.
	Image
	// Noise: a signal came that could not be received (wrong carrier, lost at once).
	Noise
)

// Heard is what Hear returns.
type Heard struct {
	Kind HeardKind
	// Good is true if the frame check sequence of a Frame was right.
	Good bool
	// Data: octets of a Frame (address to FIF), of a Page, or of a Training; of
	// what came in place of a Block if there is no good frame in it.
	Data []byte
	// Frames: those of a Block whose FCS was right, in the order received.
	Frames [][]byte
}
