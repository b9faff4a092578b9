// Package status is the numbered catalogue of how calls end.
//
// Numbers are part of what users and scripts see: append, never renumber.
package status

import (
	"fmt"
	"maps"
	"slices"
)

// Code is how a call ended.
type Code uint16

// Kind says what may be done about it.
type Kind uint8

const (
	// Success: every page was confirmed by the remote station.
	Success Kind = iota
	// Temporary: the same call may well succeed later.
	Temporary
	// Final: repeating the call would repeat the failure.
	Final
)

// Endings before the remote station has answered.
const (
	OK           Code = 0
	Busy         Code = 10 // the called line is engaged
	NoAnswer     Code = 11 // it rang until the time limit
	NoDialtone   Code = 12
	NoCarrier    Code = 13 // answered, but not by a fax machine
	UnknownNo    Code = 14 // the exchange says there is no such number
	Blacklisted  Code = 15 // the modem refuses to dial this number for now
	Glare        Code = 16 // a call came in while dialling
	ModemFailure Code = 17 // the modem does not respond
	LineDropped  Code = 18 // the call was released in the middle
	Aborted      Code = 19 // stopped by a person
	Unseen       Code = 20 // nobody saw how the call ended
)

// Endings of the T.30 procedure, as a sender 30-59, as a receiver 60-89.
const (
	NoIdentification Code = 30 // T1: no DIS came
	CannotReceive    Code = 31 // the remote station says it cannot receive now
	TrainingFailed   Code = 32 // no rate left after FTT or silence
	NoResponse       Code = 33 // three commands without an answer
	Disconnected     Code = 34 // DCN in the middle
	PageRejected     Code = 35 // RTN although repeated
	BadResponse      Code = 36 // answers that fit nowhere
	ECMFailed        Code = 37 // a partial page could not be corrected
	NotSupported     Code = 38 // the document needs what the remote station lacks
	BadDocument      Code = 39 // a page could not be read or coded here
	NotRecorded      Code = 40 // a confirmed page could not be written down here
	NothingToPoll    Code = 41 // the remote station has no document to be fetched
	NoTrainResponse  Code = 42 // three DCS without an answer
	RemoteBusy       Code = 43 // T5: not ready to receive for too long (RNR)

	NoCommand     Code = 60 // T2 or T1: the sender fell silent
	SenderLeft    Code = 61 // DCN before the last page was confirmed
	NotStored     Code = 62 // the page could not be stored here
	RecvBadFormat Code = 63 // DCS asks for what was not offered
	Fruitless     Code = 64 // the sender's commands lead nowhere
	PageAbandoned Code = 65 // the sender gave up correcting a page (EOR)

	NothingOffered Code = 66 // polled, but there is nothing to be fetched here
	WrongPassword  Code = 67 // polled with a wrong password, or none
	WrongSelection Code = 68 // polled for a document that is not here (SEP, PSA)
	PollRefused    Code = 69 // DCN was the answer to DTC
	RowTooLong     Code = 70 // no EOL for 5 s (T.4 4.1.3)
)

type entry struct {
	kind     Kind
	name     string
	sentence string
}

var catalogue = map[Code]entry{
	OK:           {Success, "ok", "All pages were confirmed."},
	Busy:         {Temporary, "busy", "The number is busy."},
	NoAnswer:     {Temporary, "no-answer", "Nobody answered."},
	NoDialtone:   {Temporary, "no-dialtone", "The telephone line has no dial tone."},
	NoCarrier:    {Temporary, "no-carrier", "The call was answered, but not by a fax machine."},
	UnknownNo:    {Final, "unknown-number", "The number does not exist."},
	Blacklisted:  {Temporary, "blacklisted", "The modem refuses to dial this number for a while."},
	Glare:        {Temporary, "glare", "A call came in while the line was being dialled."},
	ModemFailure: {Temporary, "modem-failure", "The modem does not respond."},
	LineDropped:  {Temporary, "line-dropped", "The call was cut off."},
	Aborted:      {Final, "aborted", "The call was stopped."},
	Unseen:       {Temporary, "unseen", "Nobody saw how the call ended."},

	NoIdentification: {Temporary, "no-identification", "The remote station did not identify itself as a fax machine."},
	CannotReceive:    {Temporary, "cannot-receive", "The remote station cannot receive at the moment."},
	TrainingFailed:   {Temporary, "training-failed", "The line was too bad for any speed."},
	NoResponse:       {Temporary, "no-response", "The remote station stopped answering."},
	Disconnected:     {Temporary, "disconnected", "The remote station ended the call before all pages were confirmed."},
	PageRejected:     {Temporary, "page-rejected", "The remote station rejected a page."},
	BadResponse:      {Temporary, "bad-response", "The remote station gave answers that make no sense."},
	ECMFailed:        {Temporary, "ecm-failed", "The line was too bad to correct all errors."},
	NotSupported:     {Final, "not-supported", "The remote station cannot take a document of this kind."},
	BadDocument:      {Final, "bad-document", "A page of the document could not be read."},
	NotRecorded:      {Temporary, "not-recorded", "A confirmed page could not be recorded."},
	NoTrainResponse:  {Temporary, "no-train-response", "The remote station did not answer when the speed was to be agreed."},
	RemoteBusy:       {Temporary, "remote-busy", "The remote station was not ready to go on for too long."},
	NothingToPoll:    {Temporary, "nothing-to-poll", "The remote station has no document to be fetched."},

	NoCommand:     {Temporary, "no-command", "The sender fell silent."},
	SenderLeft:    {Temporary, "sender-left", "The sender ended the call before the last page was complete."},
	NotStored:     {Temporary, "not-stored", "A received page could not be stored."},
	RecvBadFormat: {Temporary, "bad-format", "The sender used a format that was not offered."},
	Fruitless:     {Temporary, "fruitless", "The sender repeated itself without getting anywhere."},
	PageAbandoned: {Temporary, "page-abandoned", "The sender gave up a page that the line had damaged."},

	NothingOffered: {Temporary, "nothing-offered", "The caller wanted to fetch a document, but there is none."},
	WrongPassword:  {Temporary, "wrong-password", "The caller wanted to fetch a document without the right password."},
	WrongSelection: {Temporary, "wrong-selection", "The caller wanted to fetch a document that is not offered."},
	PollRefused:    {Temporary, "poll-refused", "The remote station does not give out its document; it may want another password."},
	RowTooLong:     {Temporary, "row-too-long", "The sender took too long for one line of a page."},
}

// Codes are all endings of the catalogue, in ascending order.
func Codes() []Code { return slices.Sorted(maps.Keys(catalogue)) }

// Kind says whether c is a success, temporary or final.
func (c Code) Kind() Kind { return c.entry().kind }

// String is the short stable name of c, as "busy".
func (c Code) String() string { return c.entry().name }

// Sentence says in words for people how the call ended.
func (c Code) Sentence() string { return c.entry().sentence }

func (c Code) entry() entry {
	if e, ok := catalogue[c]; ok {
		return e
	}
	return entry{Temporary, fmt.Sprintf("status-%d", uint16(c)), fmt.Sprintf("The call ended with the unknown status %d.", uint16(c))}
}

// Error makes an ending usable as an error.
type Error struct {
	Code  Code
	Cause error // may be nil
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Code.String() + ": " + e.Cause.Error()
	}
	return e.Code.String()
}

func (e *Error) Unwrap() error { return e.Cause }
