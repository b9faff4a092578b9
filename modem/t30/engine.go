package t30

import (
	"cmp"
	"errors"
	"time"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/status"
)

// OrderKind says what the owner of an Engine is to do.
type OrderKind uint8

const (
	// Say: transmit Signal. The event brings only Err.
	Say OrderKind = iota
	// Hear: wait as Listen says. The event brings Heard.
	Hear
	// Look: find the shape of Page. The event brings Format and Separate.
	Look
	// Code: code Page as Session says, after it has been brought into the
	// session's Format. The event brings Data, in DTE order, with RTC or EOFB.
	Code
	// Judge: decode Data, a page received under Session. The event brings
	// Quality.
	Judge
	// Store: make the page judged last durable as Page. The event brings Busy if
	// that takes longer; the same order then comes again.
	Store
	// Confirm: Page has been confirmed by the remote station; write that down.
	Confirm
	// Done: the call is over, as Report says. Whatever the line does now is of
	// no interest.
	Done
)

// Order is one thing to do. Its memory is lent until the next Step.
type Order struct {
	Kind    OrderKind
	Signal  line.Signal      // Say
	Listen  line.Listen      // Hear
	Offer   int              // Look, Code, Confirm: of the documents offered, the one that is fetched
	Page    int              // Look, Code, Judge, Store, Confirm; the page under way otherwise
	Session dis.Session      // Code, Judge, Store; what is in force otherwise
	Remote  dis.Capabilities // Code: of the remote station
	Data    []byte           // Judge
	Report  Report           // Done
}

// Quality is what came of decoding a page.
type Quality struct {
	Rows           int
	BadRows        int
	LostRows       int // about so many have vanished beside Rows
	ConsecutiveBad int // longest run of bad and lost rows
	// Cut: the page ends without RTC. With T.6 it has none, and false is right.
	Cut bool
}

// Event is what the order before has brought.
type Event struct {
	Now     time.Duration // line time
	Heard   line.Heard
	Format  dis.Format
	Data    []byte
	Quality Quality
	// Busy: the page is not durable yet.
	Busy bool
	// Separate: the page begins another document.
	Separate bool
	// Err: the order could not be carried out.
	Err error
	// Abort: the call is to be ended, whatever came of the order.
	Abort bool
}

// Report is how a call went.
type Report struct {
	Status     status.Code
	Err        error  // cause outside the dialogue; may be nil
	Remote     string // identification of the remote station
	Subaddress string // SUB of the sender
	SenderID   string // SID of the sender
	Pages      int    // pages confirmed in this call, either way
	Unexpected int    // valid frames that had no place where they came
	Rate       line.Rate
	ECM        bool
	Coding     string
	Transcript string
	Seen       Seen // by a sender
}

// stepFn is a state: it takes what the last order brought.
type stepFn func(Event) Order

// role is what sender and receiver do differently when a call breaks.
type role interface {
	// released says how the call ended if the line is released now.
	released() status.Code
	// broken says how the call ended if an order of the kind given failed.
	broken(OrderKind) status.Code
	// optional takes a frame that is not the last of its signal; false if it
	// has no use for frames of its kind.
	optional(f FCF, fif []byte) bool
}

// Engine is one end of one call.
type Engine struct {
	role    role
	next    stepFn
	asked   OrderKind
	now     time.Duration
	ending  bool // nothing but the end is being arranged
	page    int
	offer   int // index of the document that is fetched here
	session dis.Session
	trans   transcript
	report  Report
	x       byte          // X bit of frames to say
	said    [][]byte      // frames of the last signal said, to know their echo
	grace   time.Duration // how long to listen on after a frame that was bad
	linger  time.Duration // how long to stay on the line behind a DCN said; 0: as the far end's turns tell
	turns   turns
}

// Step tells the engine what its last order has brought and returns the next
// one. The first event, which starts the call, needs nothing but Now.
func (e *Engine) Step(in Event) Order {
	e.now = in.Now
	e.turns.note(e.asked, in)
	var o Order
	switch {
	case e.ending:
		o = e.next(in)
	case in.Abort && e.role.released() != status.OK:
		o = e.fail(status.Aborted, nil)
	case in.Err != nil:
		o = e.failedOrder(in.Err)
	default:
		o = e.next(in)
	}
	e.asked = o.Kind
	o.Session, o.Offer = e.session, e.offer
	if o.Kind != Look {
		o.Page = e.page
	}
	return o
}

// failedOrder ends the call because of what happened outside the dialogue.
func (e *Engine) failedOrder(err error) Order {
	switch {
	case e.asked != Say && e.asked != Hear:
		return e.fail(e.role.broken(e.asked), err)
	case errors.Is(err, line.ErrHungUp):
		code := e.role.released()
		if code == status.OK {
			err = nil
		}
		return e.end(code, err)
	default:
		return e.end(status.ModemFailure, err)
	}
}

// end finishes without another word.
func (e *Engine) end(code status.Code, err error) Order {
	e.ending = true
	e.trans.decide(e.now, "end: %v", code)
	e.report.Status, e.report.Err = code, err
	e.report.ECM = e.session[dis.ECM] != 0
	if rate, ok := e.session.LineRate(); ok && e.report.Coding != "" {
		e.report.Rate = rate
	}
	e.report.Transcript = e.trans.String()
	done := Order{Kind: Done, Report: e.report}
	e.next = func(Event) Order { return done }
	return done
}

// fail says DCN, then ends.
func (e *Engine) fail(code status.Code, err error) Order {
	if err != nil {
		e.trans.decide(e.now, "%v: %v", code, err)
	}
	return e.disconnect(code, err)
}

// disconnect says DCN, which has no answer (T.30 5.3.6.1.8): the call is over
// when it has left, unless the station is to linger.
func (e *Engine) disconnect(code status.Code, err error) Order {
	e.ending = true
	return e.say(func(in Event) Order {
		linger := cmp.Or(e.linger, e.turns.linger())
		if in.Err != nil || linger <= 0 {
			return e.end(code, err)
		}
		e.next = func(Event) Order { return e.end(code, err) }
		return Order{Kind: Hear, Listen: line.Listen{Timeout: linger}}
	}, e.command(DCN))
}

// agreed puts a session in force.
func (e *Engine) agreed(s dis.Session) {
	e.session = s
	e.report.Coding = s.Coding()
}

func (e *Engine) rate() line.Rate {
	r, _ := e.session.LineRate()
	return r
}

func (e *Engine) ecm() bool { return e.session[dis.ECM] != 0 }
