// Package serial opens the serial ports of modems.
//
// It adds to go.bug.st/serial what fax modems need: flow control and the lock
// files of UUCP, which that library lacks, paths of any kind (a pseudo-terminal
// has no modem control lines, and that is no error), and one clear error when a
// device vanishes.
package serial

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"

	bugst "go.bug.st/serial"
)

// Flow is how the modem and the computer hold each other up. Without it a page
// overruns the modem's buffer; RTS/CTS is the sound choice, because XON and XOFF
// are also octets of received images.
type Flow uint8

// The kinds of flow control.
const (
	RTSCTS Flow = iota
	XONXOFF
	None
)

func (f Flow) String() string {
	switch f {
	case RTSCTS:
		return "RTS/CTS"
	case XONXOFF:
		return "XON/XOFF"
	}
	return "none"
}

// DefaultSpeed is the speed of the port, not of the line: 14400 bit/s with
// doubled DLEs need more than 19200.
const DefaultSpeed = 115200

// ErrGone: the device has vanished, as when an adapter is unplugged. The port
// must be closed; opening it again works when the device is back.
var ErrGone = errors.New("serial: the device is gone; close the port and open it again when the device is back")

// Config is how a port is opened.
type Config struct {
	Speed   int // bit/s; 0: DefaultSpeed
	Flow    Flow
	LockDir string // for UUCP lock files; empty: none are made nor respected
}

// Port is an open serial port.
type Port struct {
	path   string
	port   bugst.Port
	flow   Flow
	side   side
	closed atomic.Bool
	close  func() error
}

// Open opens the device at path with 8 bits and no parity, and locks it first:
// opening alone may already disturb another program's modem. The port raises
// DTR and RTS where it has them. The error wraps ErrLocked if another program
// has the device.
func Open(path string, cfg Config) (*Port, error) {
	var held locks
	if cfg.LockDir != "" {
		var err error
		if held, err = takeLocks(cfg.LockDir, path); err != nil {
			return nil, err
		}
	}
	p, err := open(path, cfg, held)
	if err != nil {
		return nil, errors.Join(err, held.release())
	}
	return p, nil
}

// open opens a device that is locked. The port gives the locks back when it is
// closed.
func open(path string, cfg Config, held locks) (*Port, error) {
	if cfg.Speed == 0 {
		cfg.Speed = DefaultSpeed
	}
	side, err := openSide(path, cfg.Flow) // first: the port takes the device for itself
	if err != nil {
		return nil, openFault(path, err)
	}
	port, err := bugst.Open(path, &bugst.Mode{BaudRate: cfg.Speed})
	if err != nil {
		side.Close()
		return nil, openFault(path, err)
	}
	if err := setFlow(side, cfg.Flow, false); err != nil {
		port.Close()
		side.Close()
		return nil, fmt.Errorf("serial: set flow control %v on %s: %w", cfg.Flow, path, err)
	}
	p := &Port{path: path, port: port, flow: cfg.Flow, side: side}
	p.close = sync.OnceValue(func() error {
		p.closed.Store(true)
		port.ResetOutputBuffer() // lets go of a Write that waits for the modem
		return errors.Join(port.Close(), side.Close(), held.release())
	})
	return p, nil
}

// openFault says what to do about a device that could not be opened.
func openFault(path string, err error) error {
	var code *bugst.PortError
	refused := errors.As(err, &code)
	switch {
	case taken(err), refused && code.Code() == bugst.PortBusy:
		return fmt.Errorf("%w: another program has %s open; stop it, or give it another modem: %w", ErrLocked, path, err)
	case errors.Is(err, fs.ErrPermission), refused && code.Code() == bugst.PermissionDenied:
		return fmt.Errorf("serial: this user may not open %s; put it into the group that may, as dialout or uucp: %w", path, err)
	}
	return fmt.Errorf("serial: open %s: %w", path, err)
}

// Read waits for octets.
func (p *Port) Read(b []byte) (int, error) {
	n, err := p.port.Read(b)
	if n == 0 && err == nil && len(b) > 0 {
		err = io.ErrUnexpectedEOF // there is no time limit that could have run out
	}
	return n, p.fault("read", err)
}

// Write waits until the system has taken all of b, which says nothing about the
// modem. A signal ends the system's write early, without an error, and the Go
// runtime sends itself signals.
func (p *Port) Write(b []byte) (written int, err error) {
	for written < len(b) {
		n, err := p.port.Write(b[written:])
		written += n
		if err != nil {
			return written, p.fault("write", err)
		}
		if n == 0 {
			return written, p.fault("write", io.ErrShortWrite)
		}
	}
	return written, nil
}

// ObeyXOFF has a Write wait while the device says XOFF. It is for as long as a
// page is sent: the system takes XON and XOFF out of what is read then, which
// would spoil a received image. With other flow control it does nothing.
func (p *Port) ObeyXOFF(on bool) error {
	if p.flow != XONXOFF {
		return nil
	}
	return p.fault("set flow control", setFlow(p.side, p.flow, on))
}

// SetDTR raises or drops Data Terminal Ready; dropping it hangs most modems up.
// It is false if the port has no such line.
func (p *Port) SetDTR(on bool) (bool, error) {
	err := p.port.SetDTR(on)
	if err != nil && noModemLines(err) {
		return false, nil
	}
	return err == nil, p.fault("set DTR", err)
}

// Close gives the device back. It is idempotent and ends a Read and a Write
// under way.
func (p *Port) Close() error { return p.close() }

// fault tells a vanished device from one that was closed here.
func (p *Port) fault(what string, err error) error {
	if err == nil {
		return nil
	}
	if p.closed.Load() {
		return fmt.Errorf("serial: %s %s: the port is closed: %w", what, p.path, err)
	}
	return fmt.Errorf("%w (%s %s: %w)", ErrGone, what, p.path, err)
}
