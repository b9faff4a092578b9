package class1_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/class1"
	"github.com/faxmesh/faxmesh/modem/exchange"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/serial"
)

// pty makes a serial device of a simulated modem.
func pty(t *testing.T, port io.ReadWriteCloser) (path string) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	master := os.NewFile(uintptr(fd), "ptmx")
	t.Cleanup(func() { master.Close() })
	go func() {
		io.Copy(master, port)
		master.Close() // a modem that is unplugged
	}()
	go io.Copy(port, master)
	return fmt.Sprintf("/dev/pts/%d", n)
}

// The same call with a serial device in between.
func TestSerialDevice(t *testing.T) {
	x := exchange.New(exchange.Config{Speed: 15, Seed: 9})
	defer x.Close()
	port, err := x.Plug("0301")
	if err != nil {
		t.Fatal(err)
	}
	device, err := serial.Open(pty(t, port), serial.Config{Flow: serial.None})
	if err != nil {
		t.Fatal(err)
	}
	doc := document{drawing(1, 300)}
	caller := openPort(t, device, x.Speed())
	send(t.Context(), caller, open(t, x, "0302", class1.Config{}), doc, modem.Options{}).check(t, doc)
}

// A device that is pulled out while its modem is asked says so.
func TestDeviceVanishes(t *testing.T) {
	for name, use := range map[string]func(device *serial.Port) error{
		"probed": func(device *serial.Port) error {
			_, err := class1.Probe(t.Context(), device, class1.Config{})
			return err
		},
		"opened": func(device *serial.Port) error {
			_, err := class1.Open(t.Context(), device, class1.Config{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			host, modem := net.Pipe()
			device, err := serial.Open(pty(t, modem), serial.Config{Flow: serial.None})
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				b := make([]byte, 64)
				host.Read(b)
				host.Close() // and with it the master
			}()
			if err := use(device); !errors.Is(err, serial.ErrGone) || !errors.Is(err, line.ErrModem) {
				t.Errorf("%v", err)
			}
		})
	}
}
