package fax

import (
	"errors"
	"fmt"
)

// Kind is the kind of an error that crosses the wire. Numbers are part of the
// protocol: append, never renumber.
type Kind uint8

// The kinds.
const (
	Internal    Kind = iota // a fault of ours; details are in the node's log
	Invalid                 // the request makes no sense as it is
	NotFound                // no such thing
	NotAllowed              // the account lacks the right
	BadLogin                // wrong name or password, or a void session
	Exists                  // there is one already
	Busy                    // a limit is reached; try again
	Unavailable             // needs a majority or a node that cannot be reached
	TooLarge                // over a named limit
	Unsupported             // an unknown command or document format
	Conflict                // the thing has changed or is in a state that forbids this
	Full                    // the node has no room left on its disk
)

var kindNames = [...]string{"internal", "invalid", "not-found", "not-allowed", "bad-login", "exists",
	"busy", "unavailable", "too-large", "unsupported", "conflict", "full"}

// String is the stable name of the kind.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind-%d", uint8(k))
}

// Error is an error meant for the person who asked.
type Error struct {
	Kind Kind   `msgpack:"k"`
	Text string `msgpack:"t"` // a sentence that says what to do next
}

func (e *Error) Error() string { return e.Text }

// Errorf makes an Error.
func Errorf(kind Kind, format string, args ...any) error {
	return &Error{Kind: kind, Text: fmt.Sprintf(format, args...)}
}

// KindOf is the kind of the first *Error in err's chain, Internal without one.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}
