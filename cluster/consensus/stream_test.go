package consensus

import (
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/hashicorp/raft"
)

// peer is a voter that the test plays: it grants every vote, takes every
// entry, and says only what the test lets it say.
func peer(t *testing.T, net *network, name string) transport {
	t.Helper()
	cfg := Config{Name: name, Stream: net.port(name), Timeouts: Timeouts{}.orDefaults()}
	tr := newTransport(cfg, &logger{log: slog.New(slog.DiscardHandler)})
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case rpc := <-tr.Consumer():
				answer(rpc)
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-done
		if err := tr.shut(); err != nil {
			t.Error(err)
		}
	})
	return tr
}

func answer(rpc raft.RPC) {
	switch r := rpc.Command.(type) {
	case *raft.RequestPreVoteRequest:
		rpc.Respond(&raft.RequestPreVoteResponse{RPCHeader: r.RPCHeader, Term: r.Term, Granted: true}, nil)
	case *raft.RequestVoteRequest:
		rpc.Respond(&raft.RequestVoteResponse{RPCHeader: r.RPCHeader, Term: r.Term, Granted: true}, nil)
	case *raft.AppendEntriesRequest:
		last := r.PrevLogEntry
		if n := len(r.Entries); n > 0 {
			last = r.Entries[n-1].Index
		}
		rpc.Respond(&raft.AppendEntriesResponse{RPCHeader: r.RPCHeader, Term: r.Term, LastLog: last, Success: true}, nil)
	default:
		rpc.Respond(nil, errors.New("not played"))
	}
}

// A heartbeat of a new leader reaches a leader that was cut off, and a command
// comes at that moment. It must not get the new leader's term: that leader has
// another command at the same index and term, and raft would take the two for
// the same (hashicorp/raft#695).
func TestHeartbeatOfNewLeaderBesideCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		south, _ := peer(t, net, "south"), peer(t, net, "west")
		l, err := ledger.Open(filepath.Join(t.TempDir(), "ledger.db"), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		n, err := Open(Config{Name: "north", Dir: dir, Machine: OverLedger(l), Stream: net.port("north"), Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		var servers []raft.Server
		for _, name := range []string{"north", "south", "west"} {
			servers = append(servers, raft.Server{ID: raft.ServerID(name), Address: raft.ServerAddress(name)})
		}
		if err := n.raft().BootstrapCluster(raft.Configuration{Servers: servers}).Error(); err != nil {
			t.Fatal(err)
		}
		if !<-n.Leadership() {
			t.Fatal("north does not lead")
		}
		term := n.raft().CurrentTerm()
		header := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte("south"), Addr: []byte("south")}
		var resp raft.AppendEntriesResponse
		if err := south.AppendEntries("north", "north", &raft.AppendEntriesRequest{RPCHeader: header, Term: term + 1}, &resp); err != nil {
			t.Fatal(err)
		}
		if resp.Term != term+1 {
			t.Fatalf("the heartbeat of term %d was answered with term %d", term+1, resp.Term)
		}
		if err := n.raft().Apply(note(t, "stale"), time.Second).Error(); !errors.Is(err, raft.ErrNotLeader) {
			t.Errorf("the command ended with %v", err)
		}
		if err := errors.Join(n.Close(), l.Close()); err != nil {
			t.Fatal(err)
		}
		store, err := openStore(filepath.Join(dir, "raft.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		last, err := store.LastIndex()
		if err != nil {
			t.Fatal(err)
		}
		for i := uint64(1); i <= last; i++ {
			var entry raft.Log
			if err := store.GetLog(i, &entry); err != nil {
				t.Fatal(err)
			}
			if entry.Term > term {
				t.Errorf("entry %d has term %d, in which south leads; its data is %q", i, entry.Term, entry.Data)
			}
		}
		time.Sleep(time.Minute)
	})
}

// Whatever comes in over a stream, the node goes on, and Close ends the
// readers of streams that say nothing.
func TestStreamsFromStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork()
		sites := cluster(t, net, "north")
		stranger := net.port("stranger")
		for _, data := range []string{"", "\x00", "\xff\xff\xff", "\x00\xdd\xff\xff\xff\xff", "\x02\x80", "\x01\x81\xa4Term\xcf"} {
			conn, err := stranger.Dial("north", time.Second)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
				t.Fatal(err)
			}
			_, _ = conn.Write([]byte(data)) // it may be cut off before the end
		}
		sites["north"].apply(t, "still here")
		agree(t, sites, 1)
		stopAll(t, sites)
	})
}
