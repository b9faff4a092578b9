package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/consensus"
	"github.com/faxmesh/faxmesh/cluster/durable"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/cluster/peer"
)

// foundTime bounds Init: a cluster of one elects itself at once.
const foundTime = 30 * time.Second

// Init makes a new cluster in dir, of which this node is the first: its
// authority, its keys, its ledger with the first administrator. A directory
// that belongs to a cluster is refused and left as it is.
func Init(dir string, opt Options) error {
	if err := unclaimed(dir); err != nil {
		return err
	}
	if err := fax.CheckName("account", opt.Admin); err != nil {
		return err
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	id, err := peer.Found(opt.Name)
	if err != nil {
		return err
	}
	made := filepath.Join(dir, newDir)
	if err := os.RemoveAll(made); err != nil {
		return fmt.Errorf("remove an unfinished cluster: %w", err)
	}
	if err := durable.MkdirAll(filepath.Join(made, identityDir), 0o700); err != nil {
		return err
	}
	if err := id.Save(filepath.Join(made, identityDir)); err != nil {
		return err
	}
	if err := openingEntries(made, id, opt); err != nil {
		return fmt.Errorf("make the ledger: %w", err)
	}
	return durable.Rename(made, filepath.Join(dir, ownDir))
}

// unclaimed refuses a directory that belongs to a cluster.
func unclaimed(dir string) error {
	own := filepath.Join(dir, ownDir)
	if _, err := os.Stat(own); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	id, err := peer.Load(filepath.Join(own, identityDir))
	if err != nil {
		return fax.Errorf(fax.Exists, "%s holds a cluster's data already, which cannot be read: %v", dir, err)
	}
	return fax.Errorf(fax.Exists, "%s is the directory of node %q of cluster %s already; use another one", dir, id.Name, id.Cluster)
}

// openingEntries makes the ledger of a cluster of one: the first
// administrator, the first member.
func openingEntries(dir string, id *peer.Identity, opt Options) (err error) {
	l, err := ledger.Open(filepath.Join(dir, ledgerFile), opt.Logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	n, err := consensus.Open(consensus.Config{
		Name: id.Name, Dir: filepath.Join(dir, raftDir), Machine: consensus.OverLedger(l), Stream: deaf{make(chan struct{})},
		Logger: opt.Logger,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	if err := n.Bootstrap(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), foundTime)
	defer cancel()
	now := fax.At(time.Now())
	for _, cmd := range []ledger.Command{
		ledger.AddAccount{
			Account: fax.Account{Name: opt.Admin, Rights: fax.Administrator, Created: now},
			Hash:    opt.AdminHash, By: opt.Admin, Node: id.Name,
		},
		ledger.PutNode{Node: fax.Node{
			Name: id.Name, PeerAddr: opt.PeerAdvertise, ClientAddr: opt.ClientAddr, Fingerprint: id.Fingerprint(), Joined: now,
			Site: opt.Site, NoVote: opt.NoVote, Knows: ledger.Newest,
		}},
	} {
		if err := applyAlone(ctx, n, cmd); err != nil {
			return err
		}
	}
	return nil
}

// applyAlone applies a command on a node that is about to elect itself.
func applyAlone(ctx context.Context, n *consensus.Node, cmd ledger.Command) error {
	data, err := ledger.Encode(cmd)
	if err != nil {
		return err
	}
	for {
		answer, err := n.Apply(ctx, data)
		var notLeader consensus.ErrNotLeader
		if errors.As(err, &notLeader) && pause(ctx, electionStep) == nil {
			continue
		}
		if err != nil {
			return err
		}
		res, err := ledger.DecodeResult(answer)
		if err != nil {
			return err
		}
		if res.Err != nil {
			return res.Err
		}
		return nil
	}
}

// pause waits, or gives the error of a context that ends before.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
