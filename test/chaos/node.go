//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Times of a node's process.
const (
	readyTime   = 30 * time.Second // from its start to its service
	restartWait = time.Second      // before a process that ended by itself is started again
)

// Ports of every node.
const (
	clusterPort = 7487
	clientPort  = 7488
)

// node is one of the cluster's nodes, on a host of its own.
type node struct {
	number  int
	name    string
	program string
	place   string // its disk is mounted here
	host    *host
	disk    *disk
	history *history
	log     io.Writer
	opened  int // descriptors, when it had just begun to serve

	mu      sync.Mutex
	proc    *process // nil while none is wanted
	spoken  []string // the newest lines of all processes
	away    bool     // chaos wants no process
	restart int      // times that it was started again after it ended by itself
	stacks  int      // goroutines that the processes have told at their ends
}

// process is faxmeshd at work.
type process struct {
	cmd    *exec.Cmd
	ready  chan struct{} // closed when it serves
	ended  chan struct{} // closed when it has ended and all that it said is read
	wanted bool          // that it ends; under node.mu
}

func (n *node) data() string { return filepath.Join(n.place, "data") }

func (n *node) at(port int) string { return fmt.Sprintf("%s:%d", n.host.addr, port) }

// tool runs a command of faxmeshd on the node's host, to its end.
func (n *node) tool(args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), readyTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, n.program, args...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := n.host.start(cmd); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("faxmeshd %s at %s: %w\n%s", args[0], n.name, err, said.String())
	}
	return nil
}

// start runs the node until it is killed. It does not wait until it serves.
func (n *node) start(env ...string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.away = false
	return n.startLocked(env...)
}

func (n *node) startLocked(env ...string) error {
	cmd, handOver, err := launchOn(n.disk, n.program, "run", "--data", n.data(), "--log", "json")
	if err != nil {
		return err
	}
	cmd.Env = append(append(os.Environ(), "GOTRACEBACK=all"), env...)
	out, in, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	cmd.Stdout, cmd.Stderr = in, in
	if err := n.host.start(cmd); err != nil {
		out.Close()
		return err
	}
	if err := handOver(); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		out.Close()
		return err
	}
	p := &process{cmd: cmd, ready: make(chan struct{}), ended: make(chan struct{})}
	n.proc = p
	go n.mind(p, out)
	return nil
}

// mind reads what the process says, and starts another one if it ends without
// having been asked to, as a machine's service manager does.
func (n *node) mind(p *process, out io.ReadCloser) {
	crash := n.read(p, out)
	out.Close()
	_ = p.cmd.Wait() // the status says how
	n.mu.Lock()
	wanted := p.wanted
	n.mu.Unlock()
	status := p.cmd.ProcessState.ExitCode()
	n.history.add(func(h *history) {
		h.ended = append(h.ended, ending{n.name, h.now(), wanted, status, crash})
	})
	close(p.ended)
	if wanted {
		return
	}
	time.Sleep(restartWait) // as a service manager
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.proc != p || n.away {
		return
	}
	n.restart++
	if err := n.startLocked(); err != nil {
		fmt.Fprintf(n.log, "chaos: %s cannot be started again: %v\n", n.name, err)
	}
}

const keptLines = 200

// read reads until the process has ended. It returns the first line of a crash.
func (n *node) read(p *process, out io.Reader) (crash string) {
	lines := bufio.NewScanner(out)
	lines.Buffer(make([]byte, 64<<10), 4<<20)
	ready := false
	for lines.Scan() {
		text := lines.Text()
		fmt.Fprintf(n.log, "%9.3f %s\n", n.history.now().Seconds(), text)
		n.mu.Lock()
		if n.spoken = append(n.spoken, text); len(n.spoken) > keptLines {
			n.spoken = n.spoken[1:]
		}
		if strings.HasPrefix(text, "goroutine ") {
			n.stacks++
		}
		expected := p.wanted
		n.mu.Unlock()
		if !ready && strings.HasPrefix(text, "ready: ") {
			ready = true
			close(p.ready)
		}
		if crash == "" && !expected && isCrash(text) {
			crash = text
		}
		var l logLine
		if strings.HasPrefix(text, "{") && json.Unmarshal([]byte(text), &l) == nil {
			n.history.line(n.name, l)
		}
	}
	return crash
}

// isCrash reports whether a line is the beginning of a crash.
func isCrash(line string) bool {
	for _, word := range []string{"panic:", "fatal error:", "WARNING: DATA RACE", "unexpected fault address"} {
		if strings.HasPrefix(line, word) {
			return true
		}
	}
	return false
}

// kill is kill -9. It returns when the process is gone; it is not started again
// before start.
func (n *node) kill() {
	n.mu.Lock()
	n.away = true
	p := n.proc
	if p != nil {
		p.wanted = true
	}
	n.mu.Unlock()
	if p != nil {
		_ = p.cmd.Process.Kill() // it may have ended
		<-p.ended
	}
}

// signal sends a signal to the process.
func (n *node) signal(s syscall.Signal) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.proc == nil {
		return errors.New("there is no process")
	}
	return n.proc.cmd.Process.Signal(s)
}

// stop asks the process to end and waits for it.
func (n *node) stop(within time.Duration) error {
	n.mu.Lock()
	n.away = true
	p := n.proc
	if p != nil {
		p.wanted = true
	}
	n.mu.Unlock()
	if p == nil {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
		return nil
	case <-time.After(within):
		return fmt.Errorf("%s does not end within %v of SIGTERM", n.name, within)
	}
}

// quit ends the process with SIGQUIT, upon which it tells its goroutines, and
// returns how many it had.
func (n *node) quit() (goroutines int, err error) {
	n.mu.Lock()
	n.away, n.stacks = true, 0
	p := n.proc
	p.wanted = true
	n.mu.Unlock()
	if err := p.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		return 0, err
	}
	select {
	case <-p.ended:
	case <-time.After(readyTime):
		return 0, fmt.Errorf("%s does not end on SIGQUIT", n.name)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.stacks, nil
}

// current is the process that runs or ran last.
func (n *node) current() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.proc
}

// serves waits until the node serves. A process that ends on the way is
// followed by another one.
func (n *node) serves(ctx context.Context) error {
	for {
		p := n.current()
		if p == nil {
			return fmt.Errorf("%s was not started", n.name)
		}
		select {
		case <-p.ready:
			select {
			case <-p.ended:
			default:
				return nil
			}
		case <-p.ended:
		case <-ctx.Done():
			return fmt.Errorf("%s does not serve: %w", n.name, ctx.Err())
		}
		select {
		case <-time.After(restartWait / 4):
		case <-ctx.Done():
			return fmt.Errorf("%s does not serve: %w", n.name, ctx.Err())
		}
	}
}

// descriptors is how many the process has open.
func (n *node) descriptors() (int, error) {
	p := n.current()
	if p == nil {
		return 0, errors.New("there is no process")
	}
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	return len(list), err
}
