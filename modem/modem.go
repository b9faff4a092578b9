// Package modem sends pages to a telephone number and receives pages from it.
//
// Dispatch knows Modem and nothing below it. A modem whose host runs T.30
// (Class 1, T.38) is a Phone with the t30 engine on top, made by New; a modem
// that runs T.30 itself implements Modem directly.
package modem

import (
	"context"
	"fmt"
	"time"

	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/station"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/modem/t4"
)

// Modem owns one telephone line. It is used by one goroutine at a time.
type Modem interface {
	// Send dials and sends. How the call ended is in the report; cancelling
	// ctx ends the call properly (DCN) and reports status.Aborted.
	Send(ctx context.Context, out Outgoing) Report
	// WaitRing returns when the line rings. Cancelling ctx leaves the modem
	// ready to dial; the error is then ctx.Err().
	WaitRing(ctx context.Context) (Ring, error)
	// Receive answers the ringing line.
	Receive(ctx context.Context, in Incoming) Report
	// Reset brings a modem that has failed back to a known state.
	Reset(ctx context.Context) error
	Close() error
}

// Phone is a telephone line whose calls are line.Lines: the host runs T.30.
type Phone interface {
	// Dial returns when the called station has answered. How a call failed is
	// a *status.Error.
	Dial(ctx context.Context, number string) (line.Line, error)
	WaitRing(ctx context.Context) (Ring, error)
	Answer(ctx context.Context) (line.Line, error)
	HangUp(ctx context.Context) error
	Reset(ctx context.Context) error
	Close() error
}

// Page is one page to send. It may have any size and resolution that t4.Fit
// takes: it is converted to the closest that the remote station can do.
type Page struct {
	Image      *t4.Bitmap
	Resolution t4.Resolution
	Separate   bool // it begins another document of the call
}

// Pages is a document to send. Page is called from the call's goroutine, in
// ascending order, again for a page that is repeated.
type Pages interface {
	Len() int
	Page(i int) (Page, error)
}

// Outgoing is a call to make.
type Outgoing struct {
	Number  string
	Station string // own identification (TSI), at most 20 characters
	// Subaddress and SenderID (SUB, SID) go to stations that take them; at most
	// 20 characters each.
	Subaddress string
	SenderID   string
	Pages      Pages // nil with Poll: nothing is sent
	First      int   // index of the first page to send: those before are confirmed
	// Confirmed is told of each page that the remote station has confirmed,
	// before the next signal is sent. An error ends the call.
	Confirmed func(page int) error
	// Stage is told of progress for people; it must not block. May be nil.
	Stage func(Stage)
	// Poll fetches what the remote station offers, after Pages; nil: nothing.
	Poll *Poll
	// Known is what earlier calls have taught of the remote station.
	Known station.Known
}

// Poll is how a calling station fetches documents.
type Poll struct {
	Password  string // PWD, if the remote station asks for one
	Selection string // which document (SEP), if the remote station has several
	// Subaddress narrows Selection (PSA), if the remote station knows such.
	Subaddress string
	// Store is as in Incoming.
	Store func(ctx context.Context, p ReceivedPage) error
}

// Stage is a step in a call, for people who watch.
type Stage struct {
	Name   string // "dialing", "answered", "training", "page"
	Page   int    // index of the page under way, with "page"
	Detail string // as "V.17 14400, ECM, MMR"
}

// Ring is an incoming call.
type Ring struct {
	Caller  string // caller's number, if the line tells it
	Name    string // caller's name, the same
	Called  string // number called (DID, distinctive ring), if the line tells it
	Pattern string // distinctive ring as the modem names it, "B" or "2"; empty: the plain one
}

// Incoming is how to take a call.
type Incoming struct {
	Station string // own identification (CSI), at most 20 characters
	// Store makes one page durable. The page is confirmed to the sender only
	// after Store has returned nil; if that takes more than a moment, the call
	// goes on meanwhile and the sender is told to wait. Receive returns after
	// Store has.
	Store func(ctx context.Context, p ReceivedPage) error
	Stage func(Stage)
	// Offers are the documents that a caller may fetch. Which one it is, its
	// Selection and Subaddress tell; what is asked for and not here is refused.
	Offers []Offer
}

// Offer is a document that callers may fetch (polling).
type Offer struct {
	Pages Pages
	// Selection and Subaddress (SEP, PSA) are wanted of the caller; empty: the
	// document is for who names none.
	Selection  string
	Subaddress string
	Password   string // wanted of the caller; empty: none
	// Confirmed is as in Outgoing.
	Confirmed func(page int) error
}

// ReceivedPage is a page as it came.
type ReceivedPage struct {
	Index      int // from 0
	Image      *t4.Bitmap
	Resolution t4.Resolution
	BadRows    int // rows damaged on the line and concealed
}

// Report is how a call went.
type Report struct {
	Status     status.Code
	Err        error  // cause in the words of the part that failed; may be nil
	Remote     string // identification of the remote station
	Subaddress string // SUB of the sender
	SenderID   string // SID of the sender
	Pages      int    // pages confirmed in this call, either way
	Unexpected int    // valid frames that had no place where they came
	Rate       line.Rate
	ECM        bool
	Coding     string        // "MH", "MR", "MMR"
	Duration   time.Duration // line time from answer to on hook
	Transcript string        // the T.30 dialogue as text
	Converted  []Conversion  // pages sent otherwise than they are, in ascending order
	// Known is what the call adds to Outgoing.Known; zero: it has taught nothing.
	Known station.Known
}

// Conversion is a page that the remote station does not take as it is.
type Conversion struct {
	Page     int // from 0
	From, To Shape
}

// Shape is the size of a page.
type Shape struct {
	Width, Rows int // pels
	Resolution  t4.Resolution
}

// String is as "page 1: 2432 x 3439 at 204 x 391 per inch sent as 1728 x 1222 at 204 x 196".
func (c Conversion) String() string {
	return fmt.Sprintf("page %d: %v per inch sent as %v", c.Page+1, c.From, c.To)
}

func (s Shape) String() string {
	return fmt.Sprintf("%d x %d at %d x %d", s.Width, s.Rows, s.Resolution.X, s.Resolution.Y)
}
