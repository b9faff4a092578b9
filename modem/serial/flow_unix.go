//go:build linux || darwin

package serial

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// side is the second descriptor of a device.
type side = *os.File

// openSide opens a second descriptor, through which the flags that the library
// leaves alone can be set. It stays open as long as the port.
func openSide(path string, _ Flow) (side, error) {
	return os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
}

// setFlow sets the flow control of the device. Of XON and XOFF the
// system takes notice with obey alone: they are octets of images otherwise.
func setFlow(device side, flow Flow, obey bool) error {
	raw, err := device.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		t, err := unix.IoctlGetTermios(int(fd), getTermios)
		if err != nil {
			failed = err
			return
		}
		t.Cflag &^= unix.CRTSCTS
		t.Iflag &^= unix.IXON | unix.IXOFF | unix.IXANY
		switch {
		case flow == RTSCTS:
			t.Cflag |= unix.CRTSCTS
		case flow == XONXOFF && obey:
			t.Iflag |= unix.IXON
		}
		failed = unix.IoctlSetTermios(int(fd), setTermios, t)
	})
	return errors.Join(err, failed)
}

// noModemLines reports whether a device says that it has no control lines.
func noModemLines(err error) bool {
	return errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL)
}

// taken reports whether another program has a device for itself.
func taken(err error) bool { return errors.Is(err, unix.EBUSY) }
