package serial

import (
	"fmt"
	"os"
	"path/filepath"
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

// stableNames is where Linux keeps names of USB devices that stay when these are
// plugged in again, or in another order.
const stableNames = "/dev/serial/by-id"

// StableName is a name for the device at path that will be the same tomorrow;
// path itself if the system knows none.
func StableName(path string) string { return stableName(stableNames, path) }

func stableName(dir, path string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return path
	}
	for _, e := range entries {
		if name := filepath.Join(dir, e.Name()); SameDevice(name, path) {
			return name
		}
	}
	return path
}

// SameDevice reports whether two paths name one device.
func SameDevice(a, b string) bool {
	return a == b || realName(a) == realName(b)
}

func realName(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return filepath.Clean(path)
}
