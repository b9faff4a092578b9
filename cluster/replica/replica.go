// Package replica spreads documents: each is on as many nodes as configured
// before it counts as safe, is fetched from another node where it is wanted,
// gets new copies when nodes are lost.
package replica

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/blob"
	"github.com/faxmesh/faxmesh/cluster/room"
	"golang.org/x/time/rate"
)

// Limits and times.
const (
	opTime     = 10 * time.Minute // one document's way to one node
	stallTime  = 30 * time.Second // without an octet moved
	maxServing = 64               // connections that other nodes have dialled
	maxAsk     = 1024             // hashes in one question
)

// Config says where documents are and who else keeps some.
type Config struct {
	Name     string
	Store    *blob.Store
	Copies   int // wanted in all, this node's included
	Listener net.Listener
	Dial     func(ctx context.Context, node string) (net.Conn, error)
	// Others gives the live nodes but this one; Members all but this one, those
	// that do not answer included.
	Others  func() []string
	Members func() []string
	Records Records
	// Admit says why this node takes no copy of so many octets for another.
	Admit func(octets int64) error
	// Alarm puts on record what an administrator should know; it does not block.
	Alarm  func(what, hash, detail string)
	Ages   string // file in which the collection keeps how long documents were without a record
	Logger *slog.Logger
}

// Records is what the cluster knows of documents.
type Records interface {
	// Needed goes through the hashes of all documents that records name, in
	// their order; those of records that this node alone has yet included.
	Needed() iter.Seq2[string, error]
	// Named reports whether a record names a document.
	Named(hash string) (bool, error)
	// Confirm puts on record that documents are about to be removed. When it has
	// returned nil this node knows all records that were made before.
	Confirm(ctx context.Context, detail string) error
}

// Replica is one node's share of the documents. It is safe for concurrent use.
type Replica struct {
	cfg    Config
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
	wake   chan struct{}

	links links

	damaged chan string // hashes of documents that were set aside

	mu      sync.Mutex
	closed  bool
	serving map[net.Conn]bool // whether it waits for its next operation
	fetches map[string]*fetch
	owed    map[string]struct{} // documents put here that have got too few copies
	rounds  rounds
}

// fetch is a document on its way here; those who want it wait for done.
type fetch struct {
	done chan struct{}
	err  error
}

// Open serves this node's documents to the others and looks after the number
// of copies until Close.
func Open(cfg Config) *Replica {
	r := &Replica{cfg: cfg, wake: make(chan struct{}, 1), damaged: make(chan string, maxDamaged),
		links: links{idle: map[string][]*link{}}, serving: map[net.Conn]bool{}, fetches: map[string]*fetch{}, owed: map[string]struct{}{}, rounds: newRounds()}
	cfg.Store.OnDamage(r.noteDamage)
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.work.Go(r.accept)
	r.work.Go(r.repairLoop)
	r.work.Go(r.replaceLoop)
	r.work.Go(r.scrubLoop)
	r.work.Go(r.collectLoop)
	return r
}

// Close stops serving and repairing.
func (r *Replica) Close() error {
	r.cancel()
	r.cfg.Listener.Close()
	r.mu.Lock()
	r.closed = true
	for c := range r.serving {
		c.Close()
	}
	r.mu.Unlock()
	r.links.close()
	r.work.Wait()
	return nil
}

// Put stores a document here and on Copies-1 other nodes, and returns on how
// many nodes it is on disk. That may be fewer than Copies when nodes are
// missing: the caller decides whether that will do. Repair makes up for it
// once a record names the document.
func (r *Replica) Put(ctx context.Context, content io.Reader) (doc fax.Document, copies int, err error) {
	doc, err = r.cfg.Store.Put(content)
	if errors.Is(err, blob.ErrTooLarge) {
		return doc, 0, fax.Errorf(fax.TooLarge, "the document is too large; at most %d MiB are allowed", blob.MaxSize>>20)
	}
	if err != nil {
		return doc, 0, room.Explain(r.cfg.Name, err)
	}
	copies = 1 + r.spread(ctx, doc, r.cfg.Copies-1, r.cfg.Others(), nil)
	r.owe(doc.Hash, copies < r.cfg.Copies)
	return doc, copies, nil
}

// owe notes that a document lacks copies that no node can have, or that it has
// got them.
func (r *Replica) owe(hash string, lacks bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !lacks {
		delete(r.owed, hash)
	} else if len(r.owed) < maxOwed { // more are found in their turn
		r.owed[hash] = struct{}{}
	}
}

// spread copies a document to want of the nodes and returns how many have it.
// The pace, if any, is in octets.
func (r *Replica) spread(ctx context.Context, doc fax.Document, want int, nodes []string, pace *rate.Limiter) (copies int) {
	for _, node := range rank(doc.Hash, nodes) {
		if copies >= want || ctx.Err() != nil {
			break
		}
		if err := r.send(ctx, node, doc, pace); err != nil {
			r.cfg.Logger.Warn("a document could not be copied to another node", "peer", node, "hash", doc.Hash, "err", err)
			continue
		}
		copies++
	}
	return copies
}

// rank is the order in which nodes are asked to keep a document, and asked for
// it: the same on every node, another for every document.
func rank(hash string, nodes []string) []string {
	weight := func(node string) string {
		sum := sha256.Sum256([]byte(hash + "/" + node))
		return string(sum[:])
	}
	ranked := slices.Clone(nodes)
	slices.SortFunc(ranked, func(a, b string) int { return cmp.Compare(weight(a), weight(b)) })
	return ranked
}

// Open reads a document, fetching it from another node first if this one does
// not have it. Only a reader that has given io.EOF has vouched for the octets.
func (r *Replica) Open(ctx context.Context, hash string) (*blob.Reader, error) {
	reader, err := r.cfg.Store.Open(hash)
	if !errors.Is(err, blob.ErrNotFound) {
		if errors.Is(err, blob.ErrBadHash) {
			return nil, fax.Errorf(fax.Invalid, "%v", err)
		}
		return reader, err
	}
	if err := r.fetchOnce(ctx, hash); err != nil {
		return nil, err
	}
	return r.cfg.Store.Open(hash)
}

// fetchOnce fetches a document, or waits for one who is fetching it.
func (r *Replica) fetchOnce(ctx context.Context, hash string) error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return net.ErrClosed
	}
	f := r.fetches[hash]
	if f == nil {
		f = &fetch{done: make(chan struct{})}
		r.fetches[hash] = f
		r.work.Go(func() {
			// Not under ctx: others may be waiting for it too, and it is kept.
			fetching, cancel := context.WithTimeout(r.ctx, opTime)
			defer cancel()
			f.err = r.fetch(fetching, hash)
			r.mu.Lock()
			delete(r.fetches, hash)
			r.mu.Unlock()
			close(f.done)
		})
	}
	r.mu.Unlock()
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return fmt.Errorf("wait for document %s: %w", hash, ctx.Err())
	}
}

// fetch asks the live nodes, the likeliest first.
func (r *Replica) fetch(ctx context.Context, hash string) error {
	var failure error
	for _, node := range rank(hash, r.cfg.Others()) {
		err := r.receive(ctx, node, hash)
		if err == nil {
			return nil
		}
		if !errors.Is(err, blob.ErrNotFound) {
			failure = err
			r.cfg.Logger.Warn("a document could not be fetched from another node", "peer", node, "hash", hash, "err", err)
		}
	}
	if failure != nil {
		return fax.Errorf(fax.Unavailable, "document %.12s could not be fetched from the node that has it; try again", hash)
	}
	return fax.Errorf(fax.NotFound, "document %.12s is on none of the nodes that can be reached now", hash)
}
