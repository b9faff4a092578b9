package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// maxSaid is how much is kept of what a program says.
const maxSaid = 1 << 20

// program is a program of other people at work.
type program struct {
	name  string
	cmd   *exec.Cmd
	said  journal
	ended chan struct{}
	err   error // how it ended; behind ended
}

// start runs a program in dir until it ends or stop ends it.
func start(dir, name string, args ...string) (*program, error) {
	p := &program{name: name, cmd: exec.Command(name, args...), ended: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, &p.said, &p.said
	p.cmd.WaitDelay = stopTime
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		p.err = p.cmd.Wait()
	}()
	return p, nil
}

// stop asks the program to end, then insists.
func (p *program) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(stopTime):
		p.cmd.Process.Kill()
		<-p.ended
	}
}

// wait returns how the program ended.
func (p *program) wait(ctx context.Context) error {
	select {
	case <-p.ended:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("%s has not ended: %w", p.name, ctx.Err())
	}
}

// says waits until the program has said words.
func (p *program) says(ctx context.Context, words string) error {
	for {
		said, more := p.said.read()
		if strings.Contains(said, words) {
			return nil
		}
		select {
		case <-more:
		case <-p.ended:
			return fmt.Errorf("%s ended before it said %q: %w\n%s", p.name, words, errors.Join(p.err), said)
		case <-ctx.Done():
			return fmt.Errorf("%s has not said %q: %w\n%s", p.name, words, ctx.Err(), said)
		}
	}
}

// journal keeps what a program says and wakes those who wait for words of it.
type journal struct {
	mu    sync.Mutex
	said  bytes.Buffer
	awake chan struct{} // closed when more was said
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.said.Len()+len(b) <= maxSaid {
		j.said.Write(b)
	}
	if j.awake != nil {
		close(j.awake)
		j.awake = nil
	}
	return len(b), nil
}

func (j *journal) read() (string, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.awake == nil {
		j.awake = make(chan struct{})
	}
	return j.said.String(), j.awake
}

func (j *journal) String() string {
	said, _ := j.read()
	return said
}
