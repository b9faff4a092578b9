package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Where Debian has HylaFAX.
const (
	hylaConfig  = "/etc/hylafax"
	hylaSpool   = "/var/spool/hylafax"
	hylaBin     = "/usr/lib/hylafax/bin"
	hylaAddress = "127.0.0.1:4559"
	hylaOwner   = "uucp"
	daemonTime  = 10 * time.Second // until the daemons are ready
	lookEvery   = 100 * time.Millisecond
)

// HylaFAX is HylaFAX at work: its real daemons, in its own directories. There
// is one in a machine.
type HylaFAX struct {
	mu      sync.Mutex
	files   *files
	daemons []*program
	lines   int // so far: each line has a device of its own
}

// MissingHylaFAX says what keeps HylaFAX from being started here; nil if
// nothing does.
func MissingHylaFAX() error {
	if os.Geteuid() != 0 {
		return errors.New("HylaFAX is set up in /etc and /var/spool: that needs root")
	}
	for _, name := range []string{"/usr/sbin/faxq", "/usr/sbin/hfaxd", "/usr/sbin/faxgetty", hylaBin + "/faxsend", "/usr/bin/sendfax"} {
		if _, err := os.Stat(name); err != nil {
			return fmt.Errorf("install hylafax-server and hylafax-client: %w", err)
		}
	}
	if c, err := net.DialTimeout("tcp", hylaAddress, time.Second); err == nil {
		c.Close()
		return fmt.Errorf("something serves %s already: stop the HylaFAX that runs here", hylaAddress)
	}
	return nil
}

// StartHylaFAX sets HylaFAX up and starts its daemons. Close stops them and
// puts every file back.
func StartHylaFAX(ctx context.Context) (_ *HylaFAX, err error) {
	if err := MissingHylaFAX(); err != nil {
		return nil, err
	}
	h := &HylaFAX{files: &files{}}
	defer func() {
		if err != nil {
			h.Close()
		}
	}()
	if err := h.configure(); err != nil {
		return nil, fmt.Errorf("set HylaFAX up: %w", err)
	}
	for _, command := range [][]string{{"/usr/sbin/faxq", "-D"}, {"/usr/sbin/hfaxd", "-d", "-l", "127.0.0.1", "-i", "4559"}} {
		p, err := start(hylaSpool, command[0], command[1:]...)
		if err != nil {
			return nil, err
		}
		h.daemons = append(h.daemons, p)
	}
	ctx, cancel := context.WithTimeout(ctx, daemonTime)
	defer cancel()
	err = until(ctx, "hfaxd serves", func() (bool, error) {
		c, err := net.DialTimeout("tcp", hylaAddress, time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil, nil
	})
	return h, err
}

// configure writes the files that all lines share.
func (h *HylaFAX) configure() error {
	if err := h.files.recover(hylaConfig, hylaSpool+"/etc"); err != nil {
		return err
	}
	shared, err := os.ReadDir(hylaConfig)
	if err != nil {
		return err
	}
	for _, entry := range shared { // Debian binds the one directory over the other
		if !entry.Type().IsRegular() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(hylaConfig, entry.Name()))
		if err != nil {
			return err
		}
		if err := h.files.write(filepath.Join(hylaSpool, "etc", entry.Name()), string(text), 0o644, false); err != nil {
			return err
		}
	}
	if err := h.write("config", systemConfig); err != nil {
		return err
	}
	return h.write("hosts.hfaxd", "localhost\n127.0.0.1\n")
}

// write writes a configuration file in both places.
func (h *HylaFAX) write(name, text string) error {
	mode := os.FileMode(0o644)
	private := name == "hosts.hfaxd"
	if private {
		mode = 0o600
	}
	for _, dir := range []string{hylaConfig, hylaSpool + "/etc"} {
		if err := h.files.write(filepath.Join(dir, name), text, mode, private); err != nil {
			return err
		}
	}
	return nil
}

// Close stops the daemons and puts the files back. It is idempotent.
func (h *HylaFAX) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := len(h.daemons) - 1; i >= 0; i-- {
		p := h.daemons[i]
		sending := children(p.cmd.Process.Pid)
		p.stop()
		for _, pid := range sending {
			if child, err := os.FindProcess(pid); err == nil {
				child.Kill()
			}
		}
	}
	h.daemons = nil
	return h.files.restore()
}

// children lists what a process has started.
func children(pid int) []int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	var pids []int
	for _, word := range strings.Fields(string(text)) {
		if n, err := strconv.Atoi(word); err == nil {
			pids = append(pids, n)
		}
	}
	return pids
}

// until looks again and again whether something is so.
func until(ctx context.Context, what string, is func() (bool, error)) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if ok, err := is(); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waited until %s: %w", what, ctx.Err())
		}
	}
}

// run runs a command of HylaFAX's to its end.
func run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "FAXUSER=root")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", name, err, oneLine(said.String()))
	}
	return said.String(), nil
}
