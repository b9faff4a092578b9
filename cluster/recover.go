package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/blob"
	"github.com/faxmesh/faxmesh/cluster/consensus"
	"github.com/faxmesh/faxmesh/cluster/durable"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/cluster/peer"
)

// halfRecovered is why a node is not started whose recovery broke off.
const halfRecovered = "a recovery of this node has begun and not ended; run faxmeshd recover again"

// Recovery is what a recovery finds, or has done.
type Recovery struct {
	Node      string       `json:"node"`
	Index     uint64       `json:"index"`     // last entry of this node's ledger
	Last      fax.Millis   `json:"last"`      // time of the last activity that it knows of
	Others    []Survivor   `json:"others"`    // who will be members no more
	Jobs      ledger.Tally `json:"jobs"`      // that are known here
	Documents int          `json:"documents"` // that records name and this node does not have
}

// Survivor is another member, as it was found before a recovery.
type Survivor struct {
	Name     string `json:"name"`
	Answers  bool   `json:"answers"`
	Index    uint64 `json:"index"`  // last entry of its ledger, if it answers
	Logged   uint64 `json:"logged"` // last entry of its log
	Leader   string `json:"leader"` // that it follows
	PeerAddr string `json:"peer_addr"`
}

// Recover goes on with one node alone when the majority is lost for good. The
// node must not run. Unless it is carried out it only says what it finds. It is
// refused while another node follows a leader, and where another knows more.
// The other members are removed and their certificates revoked: they must join
// again with new directories.
func Recover(ctx context.Context, opt Options, carryOut bool) (r Recovery, err error) {
	dir := filepath.Join(opt.Dir, ownDir)
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	id, err := identifyHalf(opt, dir)
	if err != nil {
		return r, err
	}
	l, err := ledger.Open(filepath.Join(dir, ledgerFile), opt.Logger)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if r, err = examine(ctx, l, id, opt, dir); err != nil {
		return r, err
	}
	for _, o := range r.Others {
		switch {
		case o.Leader != "":
			return r, fax.Errorf(fax.Conflict, "node %s is up and follows the leader %s: there is a majority; start this node with faxmeshd run, or take it out with faxmeshd remove there", o.Name, o.Leader)
		case o.Index > r.Index:
			return r, fax.Errorf(fax.Conflict, "node %s knows more than this one (entry %d, here %d): recover there, and let this one join again", o.Name, o.Index, r.Index)
		}
	}
	if !carryOut {
		return r, nil
	}
	return r, recoverAlone(ctx, l, id, opt, dir)
}

// identifyHalf is identify, also after a recovery that broke off.
func identifyHalf(opt Options, dir string) (*peer.Identity, error) {
	data, err := os.ReadFile(filepath.Join(dir, stoppedFile))
	var s stopped
	if err == nil && json.Unmarshal(data, &s) == nil && s.Reason == halfRecovered {
		return peer.Load(filepath.Join(dir, identityDir))
	}
	return identify(opt, dir)
}

// examine looks at what this node has, and asks the other members how they are.
func examine(ctx context.Context, l *ledger.Ledger, id *peer.Identity, opt Options, dir string) (r Recovery, err error) {
	r.Node = id.Name
	r.Index, _ = l.Applied()
	if r.Jobs, err = l.Tally(); err != nil {
		return r, err
	}
	for a, err := range l.WholeActivity() {
		if err != nil {
			return r, err
		}
		r.Last = max(r.Last, a.At)
	}
	key, err := blob.LoadKey(filepath.Join(dir, blobKey), filepath.Join(dir, blobDir), !opt.Plain)
	if err != nil {
		return r, err
	}
	store, err := blob.Open(blob.Config{Dir: filepath.Join(dir, blobDir), Key: key, Seal: !opt.Plain, Logger: opt.Logger})
	if err != nil {
		return r, err
	}
	for hash, err := range l.DocumentHashes() {
		if err != nil {
			return r, err
		}
		if !store.Has(hash) {
			r.Documents++
		}
	}
	nodes, err := l.Nodes()
	if err != nil {
		return r, err
	}
	var asking sync.WaitGroup
	for _, n := range nodes {
		if n.Name != id.Name {
			r.Others = append(r.Others, Survivor{Name: n.Name, PeerAddr: n.PeerAddr})
		}
	}
	for i := range r.Others {
		asking.Go(func() { r.Others[i].find(ctx, id, nodes) })
	}
	asking.Wait()
	return r, ctx.Err()
}

// find asks another member how it is.
func (s *Survivor) find(ctx context.Context, id *peer.Identity, nodes []fax.Node) {
	ctx, cancel := context.WithTimeout(ctx, tellWait)
	defer cancel()
	client := peer.NewClient(func(ctx context.Context, node string) (net.Conn, error) {
		for _, n := range nodes {
			if n.Name == node {
				return peer.DialNode(ctx, id, n.PeerAddr, node, n.Fingerprint, peer.Request)
			}
		}
		return nil, net.ErrClosed
	})
	defer client.Close()
	answer, err := client.CallOnce(ctx, s.Name, methodPosition, nil)
	var p Position
	if err != nil || json.Unmarshal(answer, &p) != nil {
		return // it is not there
	}
	s.Answers, s.Index, s.Logged, s.Leader = true, p.Index, p.Logged, p.Leader
}

// recoverAlone carries the recovery out. Until it has ended the node is not
// started.
func recoverAlone(ctx context.Context, l *ledger.Ledger, id *peer.Identity, opt Options, dir string) (err error) {
	mark, err := json.Marshal(stopped{At: fax.At(time.Now()), Reason: halfRecovered})
	if err != nil {
		return err
	}
	path := filepath.Join(dir, stoppedFile)
	if err := durable.WriteFile(path, mark, 0o600); err != nil {
		return err
	}
	cfg := consensus.Config{Name: id.Name, Dir: filepath.Join(dir, raftDir), Machine: consensus.OverLedger(l), Stream: deaf{make(chan struct{})}, Logger: opt.Logger}
	if err := consensus.Recover(cfg); err != nil {
		return err
	}
	n, err := consensus.Open(cfg)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, n.Close()); err == nil {
			err = errors.Join(os.Remove(path), durable.SyncDir(dir))
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, foundTime)
	defer cancel()
	if err := applyAlone(ctx, n, ledger.Recover{Survivor: id.Name, At: fax.At(time.Now())}); err != nil {
		return fmt.Errorf("begin a new era: %w", err)
	}
	return nil
}
