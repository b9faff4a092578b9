package main

import (
	"bufio"
	"bytes"
	"context"
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

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Times of nodes.
const (
	nodeReady = 60 * time.Second // from the start of a node to its service
	nodeTool  = 60 * time.Second // for init and join
)

const benchPassword = "correct horse"

// nodes are three nodes of a cluster, each a process of its own.
type nodes struct {
	dir, program string
	ip           string
	exchange     *saying
	all          []*oneNode
}

type oneNode struct {
	name    string
	clients string // address of its client port
	number  string // of its line
	proc    *saying
}

// buildNode builds faxmeshd.
func buildNode(dir string) (string, error) {
	program := filepath.Join(dir, "faxmeshd")
	said, err := exec.Command("go", "build", "-o", program, "github.com/faxmesh/faxmesh/cmd/faxmeshd").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build faxmeshd: %w\n%s", err, said)
	}
	return program, nil
}

// startCluster makes a cluster in a directory of its own and starts it. Each
// node has one simulated line.
func startCluster(ctx context.Context, dir, part, program string) (_ *nodes, err error) {
	c := &nodes{dir: filepath.Join(dir, part), program: program}
	c.ip = fmt.Sprintf("127.%d.%d.1", 64+os.Getpid()>>8&63, os.Getpid()&255)
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if err := os.Mkdir(c.dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(c.dir, "admin.pw"), []byte(benchPassword+"\n"), 0o600); err != nil {
		return nil, err
	}
	exchange := c.ip + ":7499"
	if c.exchange, err = c.run("exchange", "--listen", exchange, "--speed", "30"); err != nil {
		return nil, err
	}
	if err := c.exchange.wait(ctx, "simulated telephone exchange on", nodeReady); err != nil {
		return nil, err
	}
	for i, name := range []string{"north", "south", "west"} {
		n := &oneNode{name: name, clients: fmt.Sprintf("%s:%d", c.ip, 7488+100*i), number: fmt.Sprintf("030%d", i+1)}
		c.all = append(c.all, n)
		args := []string{"--data", name, "--name", name, "--listen", fmt.Sprintf("%s:%d", c.ip, 7487+100*i),
			"--client-listen", n.clients, "--line", n.number + "@exchange:" + exchange}
		if i == 0 {
			args = append([]string{"init", "--password-file", "admin.pw", "--token-file", "token"}, args...)
		} else {
			args = append(append([]string{"join", "--token-file", "token"}, args...), c.ip+":7487")
		}
		if err := c.tool(ctx, args...); err != nil {
			return nil, err
		}
		if err := c.up(ctx, n); err != nil {
			return nil, err
		}
	}
	return c, c.settled(ctx)
}

// tool runs a command to its end.
func (c *nodes) tool(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, nodeTool)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.program, args...)
	cmd.Dir = c.dir
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("faxmeshd %s: %w\n%s", args[0], err, said)
	}
	return nil
}

// up starts a node and waits until it serves.
func (c *nodes) up(ctx context.Context, n *oneNode) (err error) {
	if n.proc, err = c.run("run", "--data", n.name, "--log-level", "warn"); err != nil {
		return err
	}
	return n.proc.wait(ctx, "ready: ", nodeReady)
}

// settled waits until all nodes vote, live and have a leader.
func (c *nodes) settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, nodeReady)
	defer cancel()
	for {
		votes := 0
		if s, err := c.login(ctx, 0); err == nil {
			all, err := s.Cluster(ctx)
			s.Close()
			for _, n := range all {
				if err == nil && n.Alive && n.Voter {
					votes++
				}
			}
		}
		if votes == len(c.all) {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond): // between two questions
		case <-ctx.Done():
			return fmt.Errorf("%d of %d nodes vote: %w", votes, len(c.all), ctx.Err())
		}
	}
}

// clerk is the name of an account for client i.
func clerk(i int) string { return fmt.Sprintf("clerk%d", i) }

// hire makes accounts for so many clients.
func (c *nodes) hire(ctx context.Context, clients int) error {
	s, err := c.login(ctx, 0)
	if err != nil {
		return err
	}
	defer s.Close()
	for i := range clients {
		if err := s.AddAccount(ctx, clerk(i), benchPassword, fax.Individual); err != nil {
			return fmt.Errorf("make an account: %w", err)
		}
	}
	return nil
}

// login opens a session of the administrator at a node.
func (c *nodes) login(ctx context.Context, at int) (*clientlib.Client, error) {
	return c.loginAs(ctx, at, "admin")
}

func (c *nodes) loginAs(ctx context.Context, at int, account string) (*clientlib.Client, error) {
	s, err := clientlib.Dial(ctx, []string{c.all[at].clients}, clientlib.Options{Program: "bench", OnFirstUse: func(string) error { return nil }})
	if err != nil {
		return nil, err
	}
	if _, err := s.Login(ctx, account, benchPassword); err != nil {
		s.Close()
		return nil, fmt.Errorf("log in at %s: %w", c.all[at].name, err)
	}
	return s, nil
}

// leads is the node that leads.
func (c *nodes) leads(ctx context.Context) (int, error) {
	s, err := c.login(ctx, 0)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	for {
		all, err := s.Cluster(ctx)
		if err != nil {
			return 0, err
		}
		for _, told := range all {
			for i, n := range c.all {
				if told.Leader && told.Alive && told.Node.Name == n.name {
					return i, nil
				}
			}
		}
		select {
		case <-time.After(50 * time.Millisecond): // between two questions
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

func (c *nodes) close() {
	for _, n := range c.all {
		n.proc.kill()
	}
	c.exchange.kill()
}

// run starts a program of the cluster.
func (c *nodes) run(args ...string) (*saying, error) {
	p := &saying{cmd: exec.Command(c.program, args...), ended: make(chan struct{}), more: make(chan struct{})}
	p.cmd.Dir = c.dir
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	p.cmd.Stdout, p.cmd.Stderr = in, in
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	go p.listen(out)
	return p, nil
}

// saying is a process and the lines that it has said, each with its time.
type saying struct {
	cmd   *exec.Cmd
	ended chan struct{}

	mu    sync.Mutex
	lines []said
	more  chan struct{} // closed, and made anew, when there are more lines
}

type said struct {
	at   time.Time
	line string
}

// keptSaid is how many lines are kept.
const keptSaid = 100_000

func (p *saying) listen(out io.ReadCloser) {
	defer out.Close()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		p.mu.Lock()
		if len(p.lines) < keptSaid {
			p.lines = append(p.lines, said{time.Now(), lines.Text()})
		}
		close(p.more)
		p.more = make(chan struct{})
		p.mu.Unlock()
	}
	_ = p.cmd.Wait() // whoever waits for its words has missed them
	close(p.ended)
}

// find is the first line behind from that is wanted; it waits for it.
func (p *saying) find(ctx context.Context, from int, is func(string) bool) (said, int, error) {
	for {
		p.mu.Lock()
		lines, more := p.lines, p.more
		p.mu.Unlock()
		for ; from < len(lines); from++ {
			if is(lines[from].line) {
				return lines[from], from + 1, nil
			}
		}
		select {
		case <-more:
		case <-p.ended:
			return said{}, from, fmt.Errorf("%s has ended: %s", strings.Join(p.cmd.Args, " "), p.tail())
		case <-ctx.Done():
			return said{}, from, ctx.Err()
		}
	}
}

func (p *saying) wait(ctx context.Context, words string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	_, _, err := p.find(ctx, 0, func(line string) bool { return strings.Contains(line, words) })
	return err
}

func (p *saying) tail() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b bytes.Buffer
	for _, s := range p.lines[max(0, len(p.lines)-10):] {
		fmt.Fprintln(&b, s.line)
	}
	return b.String()
}

// kill is kill -9; it returns when the process is gone.
func (p *saying) kill() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGKILL) // it may have ended
	<-p.ended
}
