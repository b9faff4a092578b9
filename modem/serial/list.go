package serial

import (
	"fmt"
	"slices"

	bugst "go.bug.st/serial"
)

// List names the serial ports that the system knows, in order. Most of them
// have no modem; a pseudo-terminal is not among them and can be opened all the
// same.
func List() ([]string, error) {
	ports, err := bugst.GetPortsList()
	if err != nil {
		return nil, fmt.Errorf("serial: list the ports: %w", err)
	}
	slices.Sort(ports)
	return ports, nil
}
