package replica

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/blob"
)

// Limits and times of the search for damage.
const (
	scrubEvery = 6 * time.Hour // between the beginnings of two rounds, at least
	scrubRate  = 4 << 20       // octets a second, read
	maxDamaged = 1024          // damaged documents that wait to be replaced
)

// noteDamage hears from the store that it has set a document aside.
func (r *Replica) noteDamage(hash string) {
	select {
	case r.damaged <- hash:
	default: // the nodes that have it see that a copy is lacking
	}
}

// replaceLoop fetches what the disk has damaged.
func (r *Replica) replaceLoop() {
	for {
		select {
		case hash := <-r.damaged:
			r.replace(hash)
		case <-r.ctx.Done():
			return
		}
	}
}

func (r *Replica) replace(hash string) {
	r.cfg.Alarm("document-damaged", hash, "the disk has damaged it; it was set aside")
	if named, err := r.cfg.Records.Named(hash); err == nil && !named {
		return // nobody wants it
	}
	err := r.fetchOnce(r.ctx, hash)
	switch {
	case r.ctx.Err() != nil:
	case err == nil:
		r.cfg.Logger.Info("a damaged document was replaced by another node's copy", "hash", hash)
	case fax.KindOf(err) == fax.NotFound:
		r.cfg.Alarm("document-lost", hash, "no node that can be reached has a copy of this damaged document")
	default:
		r.cfg.Logger.Warn("a damaged document could not be replaced yet", "hash", hash, "err", err)
	}
}

// scrubLoop reads all documents now and then, slowly, to find damage while
// there is a copy elsewhere.
func (r *Replica) scrubLoop() {
	if err := r.cfg.Store.Measure(); err != nil {
		r.cfg.Logger.Warn("the room that documents take is not known", "err", err)
	}
	// A node that is often started again must come to each document some time.
	from := randomHash()
	for {
		begun := time.Now()
		if err := r.scrub(r.ctx, from); err != nil && r.ctx.Err() == nil {
			r.cfg.Logger.Warn("the documents could not be searched for damage", "err", err)
		}
		from = ""
		if !pause(r.ctx, max(scrubEvery-time.Since(begun), time.Minute)) {
			return
		}
	}
}

func randomHash() string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[rand.N(16)], digits[rand.N(16)]})
}

// scrub reads the documents from a hash on. What is damaged the store sets
// aside and tells.
func (r *Replica) scrub(ctx context.Context, from string) error {
	for doc, err := range r.cfg.Store.List() {
		if err != nil {
			return err
		}
		if doc.Hash < from {
			continue
		}
		err = r.cfg.Store.Verify(doc.Hash, func(octets int) error { return r.rounds.scrub.WaitN(ctx, octets) })
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil, errors.Is(err, blob.ErrDamaged), errors.Is(err, blob.ErrNotFound), errors.Is(err, fs.ErrClosed):
		default:
			r.cfg.Logger.Warn("a document could not be read", "hash", doc.Hash, "err", err)
		}
	}
	return nil
}
