//go:build linux

package scenario

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Waits of the lab. They are generous: a machine that builds something else
// meanwhile is slow, and a test that waits in vain has failed anyway.
const (
	buildTime = 3 * time.Minute
	toolTime  = 60 * time.Second // one command that ends by itself
	readyTime = 30 * time.Second // from the start of a program to its first service
	stopTime  = 8 * time.Second  // from SIGTERM to the exit: "a few seconds"
	askTime   = 20 * time.Second // one request of a client
)

const adminPassword = "correct horse"

// programs is the directory of the two programs; TestMain sets it once.
var programs string

// TestMain builds the programs as they are shipped.
func TestMain(m *testing.M) {
	os.Exit(withPrograms(m.Run))
}

func withPrograms(run func() int) int {
	dir, err := os.MkdirTemp("", "faxmesh-scenario-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), buildTime)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "build", "-o", dir+"/", "./cmd/faxmeshd", "./cmd/faxmesh")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "the programs cannot be built: %v\n%s", err, out)
		return 1
	}
	programs = dir
	// These tests wait for other processes more than they compute.
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return run()
}

// lab is a place of its own for one test: a directory and a loopback address,
// on which the usual ports are free.
type lab struct {
	dir string
	ip  string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	return &lab{dir: t.TempDir(), ip: loopback(t, "lab")}
}

// loopback is an address out of 127/8 for one purpose of one test. Linux takes
// all of them for its own, so that neither the tests of this run, nor another
// run, nor a node in use get in each other's way.
func loopback(t *testing.T, purpose string) string {
	t.Helper()
	h := fnv.New32a()
	fmt.Fprintf(h, "%d %s %s", os.Getpid(), t.Name(), purpose)
	n := h.Sum32()
	return fmt.Sprintf("127.%d.%d.%d", 64+n>>16&63, n>>8&255, 1+n%250)
}

func (l *lab) path(name string) string { return filepath.Join(l.dir, name) }

// file makes a file in the lab and returns its name.
func (l *lab) file(t *testing.T, name string, content []byte) string {
	t.Helper()
	if err := os.WriteFile(l.path(name), content, 0o600); err != nil {
		t.Fatal(err)
	}
	return l.path(name)
}

// tool runs a command of one of the programs to its end. Everything it says is
// one text.
func (l *lab) tool(t *testing.T, env []string, program string, args ...string) (said string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), toolTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(programs, program), args...)
	cmd.Dir = l.dir
	cmd.Env = append(append(os.Environ(), "FAXMESH_HOME="+l.path("home")), env...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
	soundEnd(t, program, string(out))
	return string(out), cmd.ProcessState.ExitCode()
}

// done is a tool that must succeed.
func (l *lab) done(t *testing.T, program string, args ...string) string {
	t.Helper()
	said, status := l.tool(t, nil, program, args...)
	if status != 0 {
		t.Fatalf("%s %q ended with status %d:\n%s", program, args, status, said)
	}
	return said
}

// refused is a tool that must fail with a status, and say all of words.
func (l *lab) refused(t *testing.T, env []string, status int, words []string, program string, args ...string) {
	t.Helper()
	said, got := l.tool(t, env, program, args...)
	if got != status {
		t.Errorf("%s %q ended with status %d, want %d:\n%s", program, args, got, status, said)
	}
	for _, word := range words {
		if !strings.Contains(said, word) {
			t.Errorf("%s %q does not say %q:\n%s", program, args, word, said)
		}
	}
}

// exchange starts the simulated telephone exchange.
func (l *lab) exchange(t *testing.T, speed int) *process {
	t.Helper()
	at := l.ip + ":7499"
	p := start(t, l.dir, "faxmeshd", "exchange", "--listen", at, "--speed", fmt.Sprint(speed))
	p.said.await(t, 0, "simulated telephone exchange on "+at, readyTime)
	return p
}

// node is a node of the lab; proc is its running process.
type node struct {
	lab      *lab
	name     string
	clusters string // address of its cluster port
	clients  string // and of its client port
	proc     *process
}

// place is the node's directory and addresses; number tells its ports from
// those of the other nodes of the lab.
func (l *lab) place(name string, number int) *node {
	return &node{lab: l, name: name, clusters: fmt.Sprintf("%s:%d", l.ip, 7487+100*number), clients: fmt.Sprintf("%s:%d", l.ip, 7488+100*number)}
}

func (n *node) flags(numbers []string) []string {
	args := []string{"--data", n.name, "--name", n.name, "--listen", n.clusters, "--client-listen", n.clients}
	for _, number := range numbers {
		args = append(args, "--line", number+"@exchange:"+n.lab.ip+":7499")
	}
	return args
}

// found makes a cluster and runs its first node. The join token is in the file
// token.
func (l *lab) found(t *testing.T, name string, numbers ...string) *node {
	t.Helper()
	n := l.place(name, 0)
	password := l.file(t, "admin.pw", []byte(adminPassword+"\n"))
	l.done(t, "faxmeshd", append([]string{"init", "--password-file", password, "--token-file", "token"}, n.flags(numbers)...)...)
	n.run(t)
	return n
}

// join makes a further node of the cluster of via and runs it.
func (l *lab) join(t *testing.T, via *node, name string, number int, numbers ...string) *node {
	t.Helper()
	n := l.place(name, number)
	l.done(t, "faxmeshd", append(append([]string{"join", "--token-file", "token"}, n.flags(numbers)...), via.clusters)...)
	n.run(t)
	return n
}

// run starts the node and waits until it serves.
func (n *node) run(t *testing.T, env ...string) {
	t.Helper()
	n.proc = startWith(t, n.lab.dir, env, "faxmeshd", "run", "--data", n.name)
	n.proc.said.await(t, 0, "ready: "+n.name+" serves", readyTime)
}

// trusting accepts whatever cluster answers.
func trusting() clientlib.Options {
	return clientlib.Options{Program: "scenario", OnFirstUse: func(string) error { return nil }}
}

// login opens a session of an account at the node; the test's end closes it.
func (n *node) login(t *testing.T, account, password string) *clientlib.Client {
	t.Helper()
	ctx, cancel := asking(t)
	defer cancel()
	c, err := clientlib.Dial(ctx, []string{n.clients}, trusting())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := c.Login(ctx, account, password); err != nil {
		t.Fatalf("login as %s at %s: %v", account, n.name, err)
	}
	return c
}

func asking(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), askTime)
}

// until asks again and again until the answer is yes.
func until(t *testing.T, what string, within time.Duration, yes func() bool) {
	t.Helper()
	end := time.Now().Add(within)
	for !yes() {
		if time.Now().After(end) {
			t.Fatalf("after %v still not: %s", within, what)
		}
		time.Sleep(50 * time.Millisecond) // between two questions to another process
	}
}

// kindOf fails the test unless err is of a kind, and says all of words.
func kindOf(t *testing.T, what string, err error, want fax.Kind, words ...string) {
	t.Helper()
	var e *fax.Error
	if !errors.As(err, &e) || e.Kind != want {
		t.Errorf("%s: %v, want an error of kind %s", what, err, want)
		return
	}
	for _, word := range words {
		if !strings.Contains(e.Text, word) {
			t.Errorf("%s: %q does not say %q", what, e.Text, word)
		}
	}
}

// bystander is a clerk who goes on working at a node while others misbehave
// there: requests over one connection, and new logins.
type bystander struct {
	done   chan struct{}
	ended  sync.WaitGroup
	rounds int
	worst  time.Duration
	err    error
}

// patience is how long a request of a bystander may take.
const patience = 5 * time.Second

// standBy starts a bystander whose troubles fail the test. He goes home at its
// end, or when told to: before the node is stopped.
func (n *node) standBy(t *testing.T) (home func()) {
	t.Helper()
	c := n.login(t, "admin", adminPassword)
	b := &bystander{done: make(chan struct{})}
	ctx := context.WithoutCancel(t.Context())
	b.ended.Go(func() { b.work(ctx, c, n.clients) })
	home = sync.OnceFunc(func() {
		close(b.done)
		b.ended.Wait()
		switch {
		case b.err != nil:
			t.Errorf("a clerk at %s could not go on working, after %d rounds: %v", n.name, b.rounds, b.err)
		case b.rounds == 0:
			t.Errorf("a clerk at %s has not come to work at all", n.name)
		default:
			t.Logf("a clerk at %s did %d rounds, the slowest request took %v", n.name, b.rounds, b.worst)
		}
	})
	t.Cleanup(home)
	return home
}

func (b *bystander) work(ctx context.Context, c *clientlib.Client, addr string) {
	pause := time.NewTicker(100 * time.Millisecond)
	defer pause.Stop()
	for b.err == nil {
		b.err = b.timed(ctx, "list the faxes", func(ctx context.Context) error {
			_, err := c.Jobs(ctx, fax.JobFilter{})
			return err
		})
		if b.err == nil && b.rounds%8 == 0 {
			b.err = b.timed(ctx, "open the session anew", func(ctx context.Context) error { return resume(ctx, addr, c.Session().Token) })
		}
		b.rounds++
		select {
		case <-pause.C:
		case <-b.done:
			return
		}
	}
}

func (b *bystander) timed(ctx context.Context, what string, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	begun := time.Now()
	err := do(ctx)
	b.worst = max(b.worst, time.Since(begun))
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// resume opens a session again over a connection of its own.
func resume(ctx context.Context, addr, token string) error {
	c, err := clientlib.Dial(ctx, []string{addr}, trusting())
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Resume(ctx, token)
	return err
}

// sourceFrom is a dialler whose connections come from another address.
func sourceFrom(ip string) *net.Dialer {
	return &net.Dialer{Timeout: 10 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
}
