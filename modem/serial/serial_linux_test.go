package serial

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pty makes a pseudo-terminal; the test plays the modem on its master.
func pty(t *testing.T) (master *os.File, path string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0) // lets reads have deadlines
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	raw, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		if err := unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err != nil {
			t.Fatal(err)
		}
		n, err := unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		if err != nil {
			t.Fatal(err)
		}
		path = fmt.Sprintf("/dev/pts/%d", n)
	})
	return master, path
}

func TestOctetsPassUnchanged(t *testing.T) {
	master, path := pty(t)
	link := filepath.Join(t.TempDir(), "modem")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	p, err := Open(link, Config{Speed: 38400, Flow: None})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	want := []byte("\x00\x03\x10\x11\x13\r\n\x1a\xff")
	for _, way := range []struct {
		from interface{ Write([]byte) (int, error) }
		to   interface{ Read([]byte) (int, error) }
	}{{master, p}, {p, master}} {
		if _, err := way.from.Write(want); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 0, len(want))
		for b := make([]byte, 64); len(got) < len(want); {
			n, err := way.to.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, b[:n]...)
		}
		if string(got) != string(want) {
			t.Errorf("%q came as %q", want, got)
		}
	}
	if has, err := p.SetDTR(false); has || err != nil {
		t.Errorf("DTR of a pseudo-terminal: %v, %v", has, err)
	}
}

func TestFlowControlIsSet(t *testing.T) {
	for _, tt := range []struct {
		flow         Flow
		cflag, iflag uint32
	}{{None, 0, 0}, {RTSCTS, unix.CRTSCTS, 0}, {XONXOFF, 0, 0}} {
		_, path := pty(t)
		f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0) // the port lets nobody in later
		if err != nil {
			t.Fatal(err)
		}
		p, err := Open(path, Config{Flow: tt.flow})
		if err != nil {
			t.Fatal(err)
		}
		tio, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS2)
		if err != nil {
			t.Fatal(err)
		}
		if c, i := tio.Cflag&unix.CRTSCTS, tio.Iflag&(unix.IXON|unix.IXOFF); c != tt.cflag || i != tt.iflag {
			t.Errorf("%v: cflag %#x, iflag %#x", tt.flow, c, i)
		}
		f.Close()
		p.Close()
	}
}

// XON and XOFF are flow control while a page is sent, and octets of an image
// while one is received. What was held up when the page is over leaves then.
func TestXOFFIsObeyedWhileSending(t *testing.T) {
	master, path := pty(t)
	p, err := Open(path, Config{Flow: XONXOFF})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	reads := func(want string) {
		t.Helper()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(p, got); err != nil || string(got) != want {
			t.Errorf("read %q, %v; want %q", got, err, want)
		}
	}
	modemReads := func(want string) {
		t.Helper()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(master, got); err != nil || string(got) != want {
			t.Errorf("the modem got %q, %v; want %q", got, err, want)
		}
	}
	for range 2 {
		master.WriteString("a\x13\x11b\x13")
		reads("a\x13\x11b\x13")
		if err := p.ObeyXOFF(true); err != nil {
			t.Fatal(err)
		}
		master.WriteString("c\x13\x11d\x13e")
		reads("cde")
		held := make(chan error, 1)
		go func() {
			_, err := p.Write([]byte("page"))
			held <- err
		}()
		if err := master.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if n, err := master.Read(make([]byte, 4)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("behind XOFF the modem got %d octets, %v", n, err)
		}
		master.SetReadDeadline(time.Time{})
		if err := p.ObeyXOFF(false); err != nil {
			t.Fatal(err)
		}
		modemReads("page")
		if err := within(t, held); err != nil {
			t.Error(err)
		}
	}
}

func TestDeviceVanishes(t *testing.T) {
	master, path := pty(t)
	p, err := Open(path, Config{Flow: None})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	read := make(chan error, 1)
	go func() {
		_, err := p.Read(make([]byte, 1))
		read <- err
	}()
	master.Close()
	if err := within(t, read); !errors.Is(err, ErrGone) {
		t.Errorf("read: %v", err)
	}
	if _, err := p.Write([]byte("AT\r")); !errors.Is(err, ErrGone) {
		t.Errorf("write: %v", err)
	}
}

func TestCloseEndsReadAndWrite(t *testing.T) {
	_, path := pty(t)
	p, err := Open(path, Config{Flow: None})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 2)
	go func() {
		_, err := p.Read(make([]byte, 1))
		ended <- err
	}()
	go func() {
		for { // nobody reads the master: this waits in the end
			if _, err := p.Write(make([]byte, 4096)); err != nil {
				ended <- err
				return
			}
		}
	}()
	if err := p.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	p.Close()
	for range 2 {
		if err := within(t, ended); err == nil || errors.Is(err, ErrGone) {
			t.Errorf("after closing: %v", err)
		}
	}
}

func within(t *testing.T, c <-chan error) error {
	t.Helper()
	select {
	case err := <-c:
		return err
	case <-time.After(5 * time.Second):
		t.Fatal("does not end")
		return nil
	}
}

func TestOpenFails(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "none"), Config{Flow: None}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing device: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file, Config{Flow: None}); err == nil {
		t.Error("a plain file was opened as a port")
	}
}

// The port is locked by both its names as long as it is open.
func TestOpenLocks(t *testing.T) {
	_, path := pty(t)
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "modem")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Flow: None, LockDir: dir}
	p, err := Open(link, cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"LCK..modem", lockName(path)} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if _, err := Open(path, cfg); !errors.Is(err, ErrLocked) {
		t.Errorf("a port of our own opened again: %v", err)
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := Open(filepath.Join(dir, "none"), cfg); err == nil || errors.Is(err, ErrLocked) {
		t.Errorf("missing device: %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("locks left behind: %v", left)
	}
	if p, err = Open(path, cfg); err != nil {
		t.Fatal(err)
	}
	p.Close()
}

// What cannot be opened says what to do.
func TestOpenFault(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		locked bool
		says   string
	}{
		"exclusive": {&os.PathError{Op: "open", Err: unix.EBUSY}, true, "stop it"},
		"forbidden": {&os.PathError{Op: "open", Err: unix.EACCES}, false, "dialout"},
		"other":     {&os.PathError{Op: "open", Err: unix.EIO}, false, "open /dev/ttyX"},
	} {
		if err := openFault("/dev/ttyX", c.err); errors.Is(err, ErrLocked) != c.locked || !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
