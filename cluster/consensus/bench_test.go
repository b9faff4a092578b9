package consensus

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/cluster/ledger"
)

// BenchmarkHandOver measures for how long nobody leads when the lead is handed
// over, on this disk and without a network.
func BenchmarkHandOver(b *testing.B) {
	net := newNetwork()
	sites := map[string]*Node{}
	names := []string{"north", "south", "west"}
	for _, name := range names {
		dir := b.TempDir()
		l, err := ledger.Open(filepath.Join(dir, "ledger.db"), slog.New(slog.DiscardHandler))
		if err != nil {
			b.Fatal(err)
		}
		defer l.Close()
		n, err := Open(Config{Name: name, Dir: dir, Machine: OverLedger(l), Stream: net.port(name), Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		defer n.Close()
		sites[name] = n
	}
	first := sites[names[0]]
	if err := first.Bootstrap(); err != nil {
		b.Fatal(err)
	}
	<-first.Leadership()
	for _, name := range names[1:] {
		if err := first.AddVoter(b.Context(), name); err != nil {
			b.Fatal(err)
		}
	}
	leader := func() *Node {
		for {
			for _, n := range sites {
				if n.IsLeader() {
					return n
				}
			}
			time.Sleep(100 * time.Microsecond)
		}
	}
	for b.Loop() {
		if err := leader().Transfer(); err != nil {
			b.Fatal(err)
		}
		leader()
	}
}
