package wire

import (
	"context"
	"errors"
	"unicode/utf8"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// forPeople is the part of err that may leave the node.
func forPeople(err error) fax.Error {
	var e *fax.Error
	switch {
	case errors.As(err, &e):
		return fax.Error{Kind: e.Kind, Text: clip(e.Text)}
	case errors.Is(err, context.DeadlineExceeded):
		return fax.Error{Kind: fax.Busy, Text: "the node did not finish in time: try again"}
	case errors.Is(err, context.Canceled):
		return fax.Error{Kind: fax.Unavailable, Text: "the request was given up"}
	}
	return fax.Error{Kind: fax.Internal, Text: "the node had a fault of its own: its log says which"}
}

// clip cuts s to MaxText octets of valid UTF-8.
func clip(s string) string {
	if len(s) <= MaxText && utf8.ValidString(s) {
		return s
	}
	out := make([]rune, 0, MaxText/4)
	n := 0
	for _, r := range s { // an invalid octet comes as U+FFFD
		if n += utf8.RuneLen(r); n > MaxText {
			break
		}
		out = append(out, r)
	}
	return string(out)
}
