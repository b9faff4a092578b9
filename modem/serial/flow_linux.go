package serial

import "golang.org/x/sys/unix"

// The variants that keep a speed outside the old table.
const (
	getTermios = unix.TCGETS2
	setTermios = unix.TCSETS2
)
