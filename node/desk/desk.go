// Package desk is what may be asked of a server, by whom.
//
// Every right is checked here, once, against the account as the ledger has it
// now: a front door needs to know nothing about rights. What an account may not
// see does not exist for it: asking for another's fax and asking for none give
// the same answer. Errors for people are *fax.Error; everything else is a fault
// of ours that a door answers as internal and logs.
package desk

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/cluster/presence"
)

// Waits.
const (
	ProposeTimeout = 15 * time.Second // for the majority
	SessionGrace   = time.Minute      // a session without a connection is still told by callback
	Staleness      = time.Second      // this node's ledger may be so far behind what a client has been told
)

// Cluster is the way to change the state, to show who is logged in here, and
// what is known of the servers.
type Cluster interface {
	Propose(ctx context.Context, c ledger.Command) (ledger.Result, error)
	// Keep takes what has happened: it is on this node's disk when Keep returns,
	// and the ledger has it later, once. Kept is what it has not yet.
	Keep(c ledger.Command) error
	Kept() ([]ledger.Command, error)
	// Fresh returns when the ledger here shows all that was agreed on before the
	// call. An error means that it may not: this server is cut off, or alone.
	Fresh(ctx context.Context) error
	PutSession(s presence.Session) error
	DropSession(id string)
	// NewToken makes a join token.
	NewToken(ctx context.Context, by string, uses int, life time.Duration) (string, error)
	Status() ([]fax.NodeStatus, error)
}

// Blobs is the document store. Put returns when the document is durable on as
// many nodes as it has to be; Open fetches from another node if need be.
type Blobs interface {
	Put(ctx context.Context, r io.Reader) (fax.Document, error)
	Open(ctx context.Context, hash string) (io.ReadCloser, error)
}

// Notifier is told whom it can reach over a connection of this node.
type Notifier interface {
	Attach(session, account string, seen uint64, push func([]fax.Event) error) (detach func())
	Ack(session string, seqs []uint64)
}

// Config is what Open needs. All fields must be set.
type Config struct {
	Node       string
	ClusterID  string
	SessionKey []byte // of the cluster; signs session tokens
	// Certificate is the node's now, with the authority behind it; it signs exports.
	Certificate func() tls.Certificate
	Dir         string // for documents that are being handed in
	Ledger      *ledger.Ledger
	Cluster     Cluster
	Blobs       Blobs
	Notifier    Notifier
	// Ready reports whether a document handed in is a fax already, of so many
	// pages.
	Ready func(ctx context.Context, src io.ReaderAt, size int64) (pages int, is bool, err error)
	// Convert makes the TIFF-F of a document handed in and counts its pages.
	Convert func(ctx context.Context, src io.ReaderAt, size int64, name string, out io.Writer) (pages int, err error)
	Log     *slog.Logger
}

// Desk answers requests. Its methods may be called from any goroutine.
type Desk struct {
	cfg     Config
	hashes  hasher
	wrong   *wrongs
	uploads *uploads
	here    *attendance

	departures *departures
	waits      func([]fax.Job) // see WaitsBy

	looking    chan struct{} // a slot for each document that is looked at
	converting chan struct{} // a slot for each conversion
}

// Open opens the desk.
func Open(cfg Config) (*Desk, error) {
	if len(cfg.SessionKey) < 16 {
		return nil, fmt.Errorf("the session key has %d octets; it needs 16 at least", len(cfg.SessionKey))
	}
	hashes, err := newHasher()
	if err != nil {
		return nil, err
	}
	uploads, err := openUploads(filepath.Join(cfg.Dir, "uploads"), cfg.Node)
	if err != nil {
		return nil, fmt.Errorf("open the directory for uploads: %w", err)
	}
	d := &Desk{cfg: cfg, hashes: hashes, wrong: newWrongs(), uploads: uploads, waits: func([]fax.Job) {},
		looking: make(chan struct{}, MaxLooking), converting: make(chan struct{}, MaxConverting)}
	d.here = newAttendance(d.absent)
	kept, err := cfg.Cluster.Kept()
	if err != nil {
		return nil, fmt.Errorf("read which sessions have ended here: %w", err)
	}
	d.departures = newDepartures(cfg.Ledger.SessionEnded, kept)
	return d, nil
}

// Close ends what the desk does by itself. Sessions stay valid at other nodes.
func (d *Desk) Close() {
	d.here.close()
	d.uploads.close()
}

// propose changes the state, or says in words for people why not.
func (d *Desk) propose(ctx context.Context, c ledger.Command) (ledger.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, ProposeTimeout)
	defer cancel()
	r, err := d.cfg.Cluster.Propose(ctx, c)
	var plain *fax.Error
	switch {
	case err != nil && errors.As(err, &plain):
		return r, err
	case err != nil:
		return r, fmt.Errorf("%w (%w)", fax.Errorf(fax.Unavailable, "the majority of the servers cannot be reached from %s; try again later", d.cfg.Node), err)
	case r.Err != nil:
		return r, r.Err
	}
	return r, nil
}

// note puts logins, refusals and views on record without making people wait for
// the majority.
func (d *Desk) note(a fax.Activity) {
	if err := d.cfg.Cluster.Keep(ledger.Note{Activity: a}); err != nil {
		d.cfg.Log.Error("an activity could not be put on record", "what", a.What, "account", a.Who, "fax", a.Object, "detail", a.Detail, "err", err)
	}
}

// who is the account of a session, if the session is still good and the
// account has the rights wanted.
func (d *Desk) who(s fax.Session, want fax.Rights) (fax.Account, error) {
	t, err := parseToken(d.cfg.SessionKey, s.Token)
	if err != nil || t.Session != s.ID || t.Account != fax.Fold(s.Account) {
		return fax.Account{}, errVoid
	}
	if over, err := d.over(s.ID); over || err != nil {
		return fax.Account{}, cmp.Or(err, errVoid)
	}
	a, _, err := d.cfg.Ledger.Account(s.Account)
	if fax.KindOf(err) == fax.NotFound {
		return a, errVoid
	}
	if err != nil {
		return a, err
	}
	if a.Epoch != t.Epoch {
		return a, errVoid
	}
	if !a.Rights.Has(want) {
		return a, fax.Errorf(fax.NotAllowed, "the account %s may not do this; it needs the right %s", a.Name, want)
	}
	return a, nil
}

// await returns when the ledger shows what is waited for, or after Staleness:
// an island answers with what it has.
func (d *Desk) await(ctx context.Context, shown func() bool) { d.awaitFor(ctx, Staleness, shown) }

func (d *Desk) awaitFor(ctx context.Context, most time.Duration, shown func() bool) {
	if shown() {
		return // as nearly always
	}
	bell, stop := d.cfg.Ledger.Watch()
	defer stop()
	timer := time.NewTimer(most)
	defer timer.Stop()
	for !shown() {
		select {
		case <-bell:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// found asks again while there is no such thing: another node may have told of
// a fax that this one has not heard of yet, and not to this client, or Await
// would have waited for it, but to its owner's last command or to a colleague.
func found[T any](ctx context.Context, d *Desk, ask func() (T, error)) (v T, err error) {
	d.await(ctx, func() bool {
		v, err = ask()
		return fax.KindOf(err) != fax.NotFound
	})
	return v, err
}

var errVoid = fax.Errorf(fax.BadLogin, "the session is not valid any more; log in again")

func now() fax.Millis { return fax.At(time.Now()) }
