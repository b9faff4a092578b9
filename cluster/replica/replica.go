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
)

// Limits and times.
const (
	opTime      = 10 * time.Minute // one document's way to one node
	stallTime   = 30 * time.Second // without an octet moved
	maxServing  = 64               // documents on their way to or from other nodes, asked for by them
	repairEvery = time.Minute
	maxScan     = 4096 // documents looked after in one round of repair; the next goes on there
	maxAsk      = 1024 // hashes in one question
)

// Config says where documents are and who else keeps some.
type Config struct {
	Name     string
	Store    *blob.Store
	Copies   int // wanted in all, this node's included
	Listener net.Listener
	Dial     func(ctx context.Context, node string) (net.Conn, error)
	// Others gives the live nodes but this one.
	Others func() []string
	// Needed goes through the hashes of all documents that records name.
	Needed func() iter.Seq2[string, error]
	Logger *slog.Logger
}

// Replica is one node's share of the documents. It is safe for concurrent use.
type Replica struct {
	cfg    Config
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
	wake   chan struct{}

	mu      sync.Mutex
	closed  bool
	serving map[net.Conn]struct{}
	fetches map[string]*fetch
	cursor  string // repair goes on behind this hash
}

// fetch is a document on its way here; those who want it wait for done.
type fetch struct {
	done chan struct{}
	err  error
}

// Open serves this node's documents to the others and looks after the number
// of copies until Close.
func Open(cfg Config) *Replica {
	r := &Replica{cfg: cfg, wake: make(chan struct{}, 1), serving: map[net.Conn]struct{}{}, fetches: map[string]*fetch{}}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.work.Go(r.accept)
	r.work.Go(r.repairLoop)
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
		return doc, 0, err
	}
	return doc, 1 + r.spread(ctx, doc, r.cfg.Copies-1, r.cfg.Others()), nil
}

// spread copies a document to want of the nodes and returns how many have it.
func (r *Replica) spread(ctx context.Context, doc fax.Document, want int, nodes []string) (copies int) {
	for _, node := range rank(doc.Hash, nodes) {
		if copies >= want || ctx.Err() != nil {
			break
		}
		if err := r.send(ctx, node, doc); err != nil {
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

// Repair begins a round of repair now, as when a node has come or gone.
func (r *Replica) Repair() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *Replica) repairLoop() {
	for {
		if err := r.repair(r.ctx); err != nil && r.ctx.Err() == nil {
			r.cfg.Logger.Warn("copies of documents could not be checked", "err", err)
		}
		select {
		case <-r.wake:
		case <-time.After(repairEvery):
		case <-r.ctx.Done():
			return
		}
	}
}

// repair looks after the next maxScan documents that records name and this
// node has: of those who have a document the first in rank gives copies to
// those who lack it.
func (r *Replica) repair(ctx context.Context) error {
	others := r.cfg.Others()
	if len(others) == 0 || r.cfg.Copies < 2 {
		return nil
	}
	hashes, err := r.scan()
	if err != nil {
		return err
	}
	for part := range slices.Chunk(hashes, maxAsk) {
		holders := map[string][]string{}
		var asked []string
		for _, node := range others {
			has, err := r.ask(ctx, node, part)
			if err != nil {
				r.cfg.Logger.Debug("a node does not say which documents it has", "peer", node, "err", err)
				continue
			}
			asked = append(asked, node)
			for i, hash := range part {
				if has[i] {
					holders[hash] = append(holders[hash], node)
				}
			}
		}
		for _, hash := range part {
			r.mend(ctx, hash, holders[hash], asked)
		}
	}
	return ctx.Err()
}

// mend gives a document the copies it lacks, if that is this node's part.
func (r *Replica) mend(ctx context.Context, hash string, holders, asked []string) {
	want := r.cfg.Copies - 1 - len(holders)
	if want <= 0 || rank(hash, append(slices.Clone(holders), r.cfg.Name))[0] != r.cfg.Name {
		return
	}
	size, err := r.cfg.Store.Size(hash)
	if err != nil {
		return // set aside meanwhile
	}
	lacking := slices.DeleteFunc(slices.Clone(asked), func(n string) bool { return slices.Contains(holders, n) })
	if n := r.spread(ctx, fax.Document{Hash: hash, Size: size}, want, lacking); n > 0 {
		r.cfg.Logger.Info("a document has got the copies it lacked", "hash", hash, "copies", 1+len(holders)+n)
	}
}

// scan gives the next documents to look after, and goes round.
func (r *Replica) scan() ([]string, error) {
	r.mu.Lock()
	from := r.cursor
	r.mu.Unlock()
	var hashes []string
	last := ""
	for hash, err := range r.cfg.Needed() {
		if err != nil {
			return nil, fmt.Errorf("list the documents that records name: %w", err)
		}
		if hash <= from || !r.cfg.Store.Has(hash) {
			continue
		}
		if hashes = append(hashes, hash); len(hashes) == maxScan {
			last = hash
			break
		}
	}
	r.mu.Lock()
	r.cursor = last
	r.mu.Unlock()
	return hashes, nil
}
