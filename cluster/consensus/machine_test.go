package consensus

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// counter is a state machine in memory that counts commands, fails on "break"
// and waits for the test on "hang".
type counter struct {
	hang chan struct{}

	mu      sync.Mutex
	applied uint64
	batches int
}

var errBroken = errors.New("the disk is gone")

func (c *counter) Check(data []byte) error {
	if len(data) == 0 {
		return errors.New("empty")
	}
	return nil
}

func (c *counter) ApplyBatch(entries []Entry) ([][]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	results := make([][]byte, len(entries))
	for i, e := range entries {
		switch string(e.Data) {
		case "break":
			return nil, errBroken
		case "hang":
			<-c.hang
		}
		c.applied = e.Index
		results[i] = append([]byte("did "), e.Data...)
	}
	c.batches++
	return results, nil
}

func (c *counter) Applied() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.applied
}

func (c *counter) Sync() (uint64, [32]byte, error) { return c.Applied(), [32]byte{}, nil }

type still struct{ *bytes.Buffer }

func (s still) Size() int64   { return int64(s.Len()) }
func (still) Applied() uint64 { return 0 }
func (still) Release()        {}

func (c *counter) Snapshot() (Snapshot, error) { return still{new(bytes.Buffer)}, nil }
func (c *counter) Restore(io.Reader) error     { return nil }

func TestFailedMachineStopsNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		c := &counter{}
		n, err := Open(Config{Name: "north", Dir: t.TempDir(), Machine: c, Stream: net.port("north"), Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Bootstrap(); err != nil {
			t.Fatal(err)
		}
		<-n.Leadership()
		if got, err := n.Apply(t.Context(), []byte("a")); err != nil || string(got) != "did a" {
			t.Fatalf("result %q, %v", got, err)
		}
		if _, err := n.Apply(t.Context(), nil); err == nil || errors.Is(err, ErrUnknown) {
			t.Errorf("a command that cannot be applied ended with %v", err)
		}
		if _, err := n.Apply(t.Context(), make([]byte, MaxCommand+1)); err == nil || errors.Is(err, ErrUnknown) {
			t.Errorf("a command that is too long ended with %v", err)
		}
		before := c.Applied()
		if _, err := n.Apply(t.Context(), []byte("break")); !errors.Is(err, ErrUnknown) {
			t.Errorf("the command that broke the state ended with %v", err)
		}
		<-n.Failed()
		if !errors.Is(n.Err(), errBroken) {
			t.Errorf("the node failed with %v", n.Err())
		}
		synctest.Wait()
		if _, err := n.Apply(t.Context(), []byte("b")); err == nil || n.IsLeader() {
			t.Errorf("a failed node goes on: %v", err)
		}
		if c.Applied() != before {
			t.Errorf("applied %d after the failure, %d before", c.Applied(), before)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
	})
}

func TestCommandsAreBatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		c := &counter{}
		n, err := Open(Config{Name: "north", Dir: t.TempDir(), Machine: c, Stream: net.port("north"), Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Bootstrap(); err != nil {
			t.Fatal(err)
		}
		<-n.Leadership()
		const commands = 200
		var all sync.WaitGroup
		for range commands {
			all.Go(func() {
				if _, err := n.Apply(t.Context(), []byte("a")); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if c.batches > commands/2 {
			t.Errorf("%d commands took %d batches", commands, c.batches)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
	})
}
