package consensus

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// sickDisk is a log whose disk falls ill when the test says so.
type sickDisk struct {
	logStore

	mu     sync.Mutex
	append error         // of StoreLogs
	all    error         // of every write
	hang   chan struct{} // until it is closed, writes of entries wait
	calls  int           // writes that have reached the disk since it fell ill
}

func (d *sickDisk) fallIll(set func(*sickDisk)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	set(d)
}

// write says how a write ends; entries says what is written.
func (d *sickDisk) write(entries bool) error {
	d.mu.Lock()
	hang, err := d.hang, d.all
	if entries && err == nil {
		err = d.append
	}
	if hang != nil || err != nil {
		d.calls++
	}
	d.mu.Unlock()
	if hang != nil && entries {
		<-hang
	}
	return err
}

func (d *sickDisk) StoreLogs(entries []*raft.Log) error {
	if err := d.write(true); err != nil {
		return err
	}
	return d.logStore.StoreLogs(entries)
}

func (d *sickDisk) Set(key, value []byte) error {
	if err := d.write(false); err != nil {
		return err
	}
	return d.logStore.Set(key, value)
}

func (d *sickDisk) SetUint64(key []byte, value uint64) error {
	if err := d.write(false); err != nil {
		return err
	}
	return d.logStore.SetUint64(key, value)
}

// sickCluster is three nodes on disks that can fall ill.
func sickCluster(t *testing.T, net *network) (map[string]*site, map[string]*sickDisk) {
	t.Helper()
	sites, disks := map[string]*site{}, map[string]*sickDisk{}
	names := []string{"north", "south", "west"}
	for _, name := range names {
		sites[name] = start(t, net, name, t.TempDir(), func(cfg *Config) {
			cfg.openLog = func(path string) (logStore, error) {
				store, err := openStore(path)
				disks[name] = &sickDisk{logStore: store}
				return disks[name], err
			}
		})
	}
	join(t, sites, names...)
	agree(t, sites, 0)
	return sites, disks
}

// A leader whose disk fails or hangs gives the lead up and does not win it
// again; the others go on within five seconds.
func TestLeaderWithSickDisk(t *testing.T) {
	full := &fs.PathError{Op: "write", Path: "raft.db", Err: syscall.ENOSPC}
	broken := &fs.PathError{Op: "sync", Path: "raft.db", Err: syscall.EIO}
	for _, c := range []struct {
		name  string
		ill   func(*sickDisk)
		cause error
		open  bool // the log cannot be closed
	}{
		{name: "full, but there is room for votes", ill: func(d *sickDisk) { d.append = full }, cause: syscall.ENOSPC},
		{name: "full", ill: func(d *sickDisk) { d.all = full }, cause: syscall.ENOSPC},
		{name: "fsync fails", ill: func(d *sickDisk) { d.all = broken }, cause: syscall.EIO},
		{name: "hangs", ill: func(d *sickDisk) { d.hang = make(chan struct{}) }, cause: errHung, open: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := newNetwork()
				sites, disks := sickCluster(t, net)
				old := leaderOf(t, sites)
				old.apply(t, "one")
				agree(t, sites, 1)
				sick := disks[old.name]
				sick.fallIll(c.ill)
				begun := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				if _, err := old.Apply(ctx, note(t, "lost")); !errors.Is(err, ErrUnknown) {
					t.Errorf("a command on a sick disk ended with %v", err)
				}
				delete(sites, old.name)
				next := leaderOf(t, sites)
				next.apply(t, "two")
				if gap := time.Since(begun); gap > 5*time.Second {
					t.Errorf("the cluster took no command for %v", gap)
				}
				<-old.Failed()
				if !old.transport.streams.isCut() {
					t.Error("the node has failed and can still speak to the others")
				}
				if err := old.Err(); !errors.Is(err, c.cause) {
					t.Errorf("the node failed with %v", err)
				}
				time.Sleep(time.Minute)
				if old.IsLeader() || leaderOf(t, sites) != next {
					t.Error("the sick node has troubled the others again")
				}
				agree(t, sites, 2)
				sick.fallIll(func(d *sickDisk) {
					if d.calls != 1 {
						t.Errorf("%d writes reached the sick disk", d.calls)
					}
				})
				if err := old.Close(); (err != nil) != c.open {
					t.Errorf("closing a node with a sick disk: %v", err)
				}
				sick.fallIll(func(d *sickDisk) {
					if d.hang != nil {
						close(d.hang)
					}
				})
				synctest.Wait()
				if err := errors.Join(old.disk.Close(), old.ledger.Close()); err != nil {
					t.Error(err)
				}
				stopAll(t, sites)
			})
		})
	}
}

// A node that has failed neither asks nor answers, whatever raft still does.
func TestFenceCutsBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		south := peer(t, net, "south")
		n := newTransport(Config{Name: "north", Stream: net.port("north"), Timeouts: defaults}, &logger{log: slog.New(slog.DiscardHandler)})
		asked := func(from transport, to raft.ServerAddress) error {
			return from.RequestVote("", to, &raft.RequestVoteRequest{}, &raft.RequestVoteResponse{})
		}
		go func() { answer(<-n.Consumer()) }()
		if err := errors.Join(asked(n, "south"), asked(south, "north")); err != nil {
			t.Fatal(err)
		}
		waiting := make(chan error)
		go func() { waiting <- asked(south, "north") }()
		rpc := <-n.Consumer()
		begun := time.Now()
		n.streams.cut()
		answer(rpc) // raft does not know yet
		if err := <-waiting; err == nil {
			t.Error("a node that is cut off has answered")
		}
		if err := asked(n, "south"); err == nil {
			t.Error("a node that is cut off has asked")
		}
		if err := asked(south, "north"); err == nil {
			t.Error("a node that is cut off can be asked")
		}
		if took := time.Since(begun); took > time.Second {
			t.Errorf("it took %v to say so", took)
		}
		if err := n.shut(); err != nil {
			t.Error(err)
		}
	})
}

// A call that takes longer than the node's patience fails it, and the caller
// does not wait for its end.
func TestPatience(t *testing.T) {
	for _, c := range []struct {
		name     string
		patience time.Duration
		takes    time.Duration
		failed   bool
	}{
		{"leading, slow", hangLeading, hangLeading - hangStep, false},
		{"leading, hangs", hangLeading, hangLeading + hangStep, true},
		{"following, slow", hangFollowing, hangFollowing - hangStep, false},
		{"following, hangs", hangFollowing, hangFollowing + hangStep, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFence()
			cut := false
			f.cut = func() { cut = true }
			g := &guard{fence: f, patience: func() time.Duration { return c.patience }}
			begun := time.Now()
			err := g.do("write", never, func() error {
				time.Sleep(c.takes)
				return nil
			})
			if errors.Is(err, errHung) != c.failed || cut != c.failed || errors.Is(f.err(), errHung) != c.failed {
				t.Errorf("%s: %v, cut off: %v", c.name, err, cut)
			}
			if took := time.Since(begun); took > c.patience {
				t.Errorf("%s: the caller waited %v", c.name, took)
			}
			time.Sleep(time.Minute)
			if g.left.Load() != 0 {
				t.Errorf("%s: a call that has ended counts as one that hangs", c.name)
			}
			called := false
			if err := g.do("write", never, func() error { called = true; return nil }); called == c.failed {
				t.Errorf("%s: another call was made: %v, %v", c.name, called, err)
			}
		})
	}
}

// A single node waits longer for its disk, since nobody else could go on.
func TestSingleNodeWaitsForItsDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		sick := &sickDisk{}
		s := start(t, newNetwork(), "north", t.TempDir(), func(cfg *Config) {
			cfg.openLog = func(path string) (_ logStore, err error) {
				sick.logStore, err = openStore(path)
				return sick, err
			}
		})
		join(t, map[string]*site{"north": s}, "north")
		sick.fallIll(func(d *sickDisk) { d.hang = hang })
		time.AfterFunc(4*hangLeading, func() { close(hang) })
		s.apply(t, "slow")
		if err := s.Err(); err != nil {
			t.Errorf("it failed with %v", err)
		}
		s.stop(t)
		time.Sleep(time.Minute)
	})
}

// The state machine's disk is watched like the log's.
func TestStateThatHangsFailsNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counter{hang: make(chan struct{})}
		s := start(t, newNetwork(), "north", t.TempDir(), func(cfg *Config) { cfg.Machine = c })
		join(t, map[string]*site{"north": s}, "north")
		if _, err := s.Apply(t.Context(), []byte("hang")); !errors.Is(err, ErrUnknown) {
			t.Errorf("the command ended with %v", err)
		}
		<-s.Failed()
		if !errors.Is(s.Err(), errHung) {
			t.Errorf("the node failed with %v", s.Err())
		}
		close(c.hang)
		synctest.Wait() // until the call that hung has ended: the log can be closed then
		s.stop(t)
		time.Sleep(time.Minute)
	})
}
