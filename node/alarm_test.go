package node

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster"
	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/node/lines"
)

// dying is a modem that answers nothing until it is mended.
type dying struct {
	modem.Modem
	mended atomic.Bool
}

func (m *dying) WaitRing(ctx context.Context) (modem.Ring, error) {
	if !m.mended.Load() {
		return modem.Ring{}, errors.New("no answer")
	}
	<-ctx.Done()
	return modem.Ring{}, ctx.Err()
}

func (m *dying) Reset(context.Context) error {
	if !m.mended.Load() {
		return errors.New("no answer to ATZ")
	}
	return nil
}

func (m *dying) Close() error { return nil }

// A line that goes out of service, and comes back, is on the activity record.
func TestLineDownIsOnRecord(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := cluster.Init(dir, cluster.Options{Name: "north", Admin: "admin", AdminHash: "x"}); err != nil {
		t.Fatal(err)
	}
	m := &dying{}
	n, err := Open(patience(t), Config{
		Cluster:      cluster.Options{Dir: dir, Name: "north", PeerListen: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)},
		ClientListen: "127.0.0.1:0",
		Lines:        []Line{{Name: "line1", Number: "0101", Kind: "class1", Modem: m}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	recorded := func(what string) func() bool {
		return func() bool {
			all, err := n.Cluster().Ledger().Activity(0, 100)
			return err == nil && slices.ContainsFunc(all, func(a fax.Activity) bool {
				return a.What == what && a.Object == "line1" && a.Node == "north" && a.Detail != ""
			})
		}
	}
	waitFor(t, "the alarm is on record", recorded("line-down"))
	waitFor(t, "the cluster sees the line down", func() bool {
		seen := n.Cluster().Presence().Lines()
		return len(seen) == 1 && seen[0].State == lines.Down
	})
	m.mended.Store(true)
	waitFor(t, "its end is on record", recorded("line-up"))
}
