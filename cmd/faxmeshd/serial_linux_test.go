package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/settings"
	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/exchange"
	"github.com/faxmesh/faxmesh/node/lines"
)

// modemDevice makes a serial device of a simulated modem, as a link at path.
// Its master's end unplugs it.
func modemDevice(t *testing.T, x *exchange.Exchange, number, path string) (unplug func()) {
	t.Helper()
	port, err := x.Plug(number)
	if err != nil {
		t.Fatal(err)
	}
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
	go io.Copy(master, port)
	go io.Copy(port, master)
	if err := os.Symlink(fmt.Sprintf("/dev/pts/%d", n), path); err != nil {
		t.Fatal(err)
	}
	unplug = func() {
		os.Remove(path)
		master.Close()
		port.Close()
	}
	t.Cleanup(unplug)
	return unplug
}

// serialLine is a line on a pseudo-terminal, as settings.
func serialLine(n int, device, locks string) string {
	return fmt.Sprintf("[LINE%d]\nDEVICE=%s\nFLOWCONTROL=NONE\nLOCKDIR=%s\nNUMBER=030%d\n", n, device, locks, n)
}

func TestLinesTestOverSerialDevices(t *testing.T) {
	x := exchange.New(exchange.Config{Speed: 1, Seed: 2})
	defer x.Close()
	dir, locks := t.TempDir(), t.TempDir()
	var text string
	for n := 1; n <= 2; n++ {
		device := filepath.Join(dir, fmt.Sprintf("modem%d", n))
		modemDevice(t, x, fmt.Sprintf("030%d", n), device)
		text += serialLine(n, device, locks)
	}
	file := filepath.Join(dir, settings.ServerFolder, settings.ServerFile)
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// At real speed a page is long: that the call is under way is enough.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	held := make(chan []os.DirEntry, 1)
	time.AfterFunc(3*time.Second, func() {
		entries, _ := os.ReadDir(locks)
		held <- entries
		cancel()
	})
	if _, _, err := linesTest(t, ctx, "line1", "line2", "--data", dir); err != context.Canceled {
		t.Errorf("%v", err)
	}
	if entries := <-held; len(entries) != 4 { // each by both its names
		t.Errorf("locks held: %v", entries)
	}
	if left, _ := os.ReadDir(locks); len(left) != 0 {
		t.Errorf("locks left: %v", left)
	}
}

// A modem whose cable is pulled is noticed at once, and found again when it is
// back.
func TestModemThatIsUnplugged(t *testing.T) {
	x := exchange.New(exchange.Config{})
	defer x.Close()
	dir := t.TempDir()
	device := filepath.Join(dir, "modem")
	unplug := modemDevice(t, x, "0301", device)
	seen, alarms := make(chan fax.LineState, 100), make(chan lines.Alarm, 10)
	l, err := lines.Open(lines.Config{Node: "north", Dir: dir, NewID: func() string { return "1" },
		Publish: func(s fax.LineState) { seen <- s },
		Alarm:   func(_ context.Context, a lines.Alarm) error { alarms <- a; return nil },
		Deliver: func(context.Context, fax.ReceivedFax, modem.Pages) error { return nil },
		Lines: []lines.Line{{Name: "line1", Modem: plugIn(t.Context(), settings.Line{Device: device, Type: settings.TypeClass1,
			FlowControl: "NONE", LockDir: dir, Class: "1"}, slog.New(slog.DiscardHandler))}},
		Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	becomes := func(state string) {
		t.Helper()
		for limit := time.After(20 * time.Second); ; {
			select {
			case s := <-seen:
				if s.State == state {
					return
				}
			case <-limit:
				t.Fatalf("the line does not get %s", state)
			}
		}
	}
	becomes(lines.Free)
	unplug()
	becomes(lines.Down)
	if a := <-alarms; !a.Down { // the first reset has found nothing
		t.Errorf("alarm %+v", a)
	}
	if held, _ := filepath.Glob(filepath.Join(dir, "LCK..*")); len(held) != 0 {
		t.Errorf("a port that is gone stays locked: %v", held)
	}
	modemDevice(t, x, "0301", device)
	becomes(lines.Free)
	if held, _ := filepath.Glob(filepath.Join(dir, "LCK..*")); len(held) != 2 || !strings.HasPrefix(filepath.Base(held[0]), "LCK..") {
		t.Errorf("locks held: %v", held)
	}
}
