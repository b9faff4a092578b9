//go:build !linux && !darwin

package serial

import (
	"errors"
	"io"
)

// errNoFlow: the library keeps the handle to itself and the system lets no
// second one in.
var errNoFlow = errors.New("flow control cannot be set on this system; choose none, and a modem that holds a page in its buffer")

// side is the second descriptor of a device.
type side = io.Closer

type nothing struct{}

func (nothing) Close() error { return nil }

func openSide(_ string, flow Flow) (side, error) {
	if flow != None {
		return nil, errNoFlow
	}
	return nothing{}, nil
}

func setFlow(side, Flow, bool) error { return nil }

func noModemLines(error) bool { return false }

func taken(error) bool { return false }
