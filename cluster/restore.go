package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/blob"
	"github.com/faxmesh/faxmesh/cluster/consensus"
	"github.com/faxmesh/faxmesh/cluster/durable"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/cluster/peer"
	"github.com/faxmesh/faxmesh/cluster/roaming"
)

// restoreTime bounds one command of a restore.
const restoreTime = time.Minute

// Restored is what a restore has brought back.
type Restored struct {
	Contents    Contents
	Documents   int            // in the store now
	Missing     int            // named by records, but not there
	Jobs        ledger.Tally   // as they are now
	Rules       []fax.DialRule // that were removed: they name nodes that are none any more
	Fingerprint string         // of the cluster's authority
}

// Restore makes a cluster of one node out of a backup, decrypted: see
// CheckBackup, which is to be run first. The authority, the accounts, faxes and
// records are those of the backup; the node's key and the members' secrets are
// new. Nothing is in opt.Dir before all of it is on disk, and nothing after an
// error.
func Restore(ctx context.Context, backup io.Reader, opt Options, resume bool) (r Restored, err error) {
	if err := unclaimed(opt.Dir); err != nil {
		return r, err
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	made := filepath.Join(opt.Dir, newDir)
	if err := os.RemoveAll(made); err != nil {
		return r, fmt.Errorf("remove an unfinished cluster: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(made))
		}
	}()
	if err := durable.MkdirAll(filepath.Join(made, identityDir), 0o700); err != nil {
		return r, err
	}
	if err := restoreInto(ctx, backup, made, opt, resume, &r); err != nil {
		return r, err
	}
	return r, durable.Rename(made, filepath.Join(opt.Dir, ownDir))
}

// restoring takes what a backup holds.
type restoring struct {
	ctx   context.Context
	state *ledger.Ledger
	store *blob.Store
	kept  int
	pages roamingPages
}

func (r *restoring) roaming() *roamingPages { return &r.pages }

func (r *restoring) ledger(in io.Reader) error { return r.state.Restore(in) }

// document stores a document that a record names. Others have come after the
// state was taken.
func (r *restoring) document(in io.Reader, hash string, size int64) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	named, err := r.state.NamesDocument(hash)
	if err != nil || !named {
		return err
	}
	r.kept++
	return r.store.PutAs(in, hash, size)
}

func restoreInto(ctx context.Context, backup io.Reader, dir string, opt Options, resume bool, r *Restored) (err error) {
	l, err := ledger.Open(filepath.Join(dir, ledgerFile), opt.Logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	documents := filepath.Join(dir, blobDir)
	key, err := blob.LoadKey(filepath.Join(dir, blobKey), documents, !opt.Plain)
	if err != nil {
		return err
	}
	store, err := blob.Open(blob.Config{Dir: documents, Key: key, Seal: !opt.Plain, Logger: opt.Logger})
	if err != nil {
		return err
	}
	books, err := roaming.Open(filepath.Join(dir, roamingFile), opt.Name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, books.Close()) }()
	to := &restoring{ctx: ctx, state: l, store: store, pages: roamingPages{store: books}}
	if r.Contents, err = readBackup(backup, to); err != nil {
		return err
	}
	r.Documents = to.kept
	id, err := peer.Refound(r.Contents.root, opt.Name)
	if err != nil {
		return err
	}
	authority := id.Authority()
	r.Fingerprint = fmt.Sprintf("%x", authority)
	if err := id.Save(filepath.Join(dir, identityDir)); err != nil {
		return err
	}
	for hash, err := range l.DocumentHashes() {
		if err != nil {
			return err
		}
		if !store.Has(hash) {
			r.Missing++
		}
	}
	if err := rebuild(ctx, l, id, dir, opt, resume, r); err != nil {
		return fmt.Errorf("begin anew with what was restored: %w", err)
	}
	r.Jobs, err = l.Tally()
	return err
}

// rebuild makes this node the only member, and settles the jobs.
func rebuild(ctx context.Context, l *ledger.Ledger, id *peer.Identity, dir string, opt Options, resume bool, r *Restored) (err error) {
	rules, err := l.DialRules()
	if err != nil {
		return err
	}
	for _, rule := range rules {
		if rule.Node != id.Name {
			r.Rules = append(r.Rules, rule)
		}
	}
	cfg := consensus.Config{Name: id.Name, Dir: filepath.Join(dir, raftDir), Machine: consensus.OverLedger(l), Stream: deaf{make(chan struct{})}, Logger: opt.Logger}
	if err := consensus.Recover(cfg); err != nil {
		return err
	}
	n, err := consensus.Open(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	now := fax.At(time.Now())
	c := ledger.Rebuild{Made: r.Contents.Manifest.Made, Resume: resume, At: now, Node: fax.Node{
		Name: id.Name, PeerAddr: opt.PeerAdvertise, ClientAddr: opt.ClientAddr, Fingerprint: id.Fingerprint(), Joined: now,
		Site: opt.Site, NoVote: opt.NoVote, Knows: ledger.Newest,
	}}
	for left := true; left && err == nil; {
		step, cancel := context.WithTimeout(ctx, restoreTime)
		err = applyAlone(step, n, c)
		cancel()
		if err == nil {
			left, err = l.Unsettled(c)
		}
	}
	return err
}
