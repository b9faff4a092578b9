package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/status"
)

// nonStandard is the NSF of the device: an unassigned provider of T.35.
var nonStandard = []byte{0xB5, 0x00, 0x00, 0x00}

// setup is what a script says of the device before the call begins.
type setup struct {
	calling    bool
	polling    bool // it calls to fetch
	station    string
	password   string // its own when it polls, or the one it wants of who polls
	selection  string // SEP, as the password
	polled     string // PSA, as the password
	subaddress string // SUB that it sends
	sender     string // SID that it sends
	document   document
}

// named are the settings of the device by their tags.
func (s *setup) named(tag string) *string {
	switch tag {
	case "IDENT":
		return &s.station
	case "PWD":
		return &s.password
	case "SEP":
		return &s.selection
	case "PSA":
		return &s.polled
	case "SUB":
		return &s.subaddress
	case "SID":
		return &s.sender
	}
	return nil
}

// document is the pages the device has to send.
type document []modem.Page

func (d document) Len() int                       { return len(d) }
func (d document) Page(i int) (modem.Page, error) { return d[i], nil }

// setUp reads the steps that are about the device and not about the call.
func setUp(t test, m *images) (setup, error) {
	var s setup
	for _, st := range t.steps {
		value := st.attr["value"]
		file := ""
		switch {
		case st.kind == "CALL", st.kind == "ANSWER":
			s.calling = st.kind == "ANSWER"
			s.polling = s.calling && value == ""
			file = value
		case st.kind != "SET":
		case s.named(st.attr["tag"]) != nil:
			*s.named(st.attr["tag"]) = value
		case st.attr["tag"] == "TXFILE":
			file = value
		case st.attr["tag"] == "RXFILE": // what it receives is kept anyway
		default:
			return s, fmt.Errorf("line %d: %q is nothing to set", st.line, st.attr["tag"])
		}
		if file == "" {
			continue
		}
		pages, err := m.pages(file)
		if err != nil {
			return s, fmt.Errorf("script %s: %w", t.name, err)
		}
		pages = slices.Clone(pages)
		pages[0].Separate = len(s.document) > 0
		s.document = append(s.document, pages...)
	}
	return s, nil
}

// device is the device under test: this project's modem on a line of the
// tester's.
type device struct {
	setup
	done chan struct{} // closed when report is there

	mu     sync.Mutex
	report modem.Report
	stored []modem.ReceivedPage
}

// linger is in the middle of what the scripts want behind a DCN of the device.
// T.30 sets no time there, and by default there is none: the scripts were made for
// a station that gives its last words time to leave.
const linger = 900 * time.Millisecond

// start begins the device's call on phone.
func start(ctx context.Context, s setup, phone modem.Phone) *device {
	d := &device{setup: s, done: make(chan struct{})}
	go func() {
		defer close(d.done)
		r := d.call(ctx, modem.New(phone, modem.Options{NonStandard: nonStandard, Linger: linger}))
		d.mu.Lock()
		defer d.mu.Unlock()
		d.report = r
	}()
	return d
}

func (d *device) call(ctx context.Context, m modem.Modem) modem.Report {
	if d.calling {
		out := modem.Outgoing{Number: "1", Station: d.station, Subaddress: d.subaddress, SenderID: d.sender, Pages: d.document}
		if d.polling {
			out.Poll = &modem.Poll{Password: d.password, Selection: d.selection, Subaddress: d.polled, Store: d.store}
		}
		return m.Send(ctx, out)
	}
	if _, err := m.WaitRing(ctx); err != nil {
		return modem.Report{Status: status.ModemFailure, Err: err}
	}
	in := modem.Incoming{Station: d.station, Store: d.store}
	if len(d.document) > 0 {
		in.Offers = []modem.Offer{{Pages: d.document, Password: d.password, Selection: d.selection, Subaddress: d.polled}}
	}
	return m.Receive(ctx, in)
}

func (d *device) store(_ context.Context, p modem.ReceivedPage) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stored = append(d.stored, p)
	return nil
}

// wait returns when the device's call is over.
func (d *device) wait(ctx context.Context) error {
	select {
	case <-d.done:
		return nil
	case <-ctx.Done():
		return errors.New("its call does not end")
	}
}

// result is the report of a call that is over.
func (d *device) result() (modem.Report, bool) {
	select {
	case <-d.done:
	default:
		return modem.Report{}, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.report, true
}

// transcript is the device's view of the call, for people.
func (d *device) transcript() string {
	r, _ := d.result()
	return strings.TrimRight(r.Transcript, "\n")
}
