package replica

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/blob"
	"github.com/faxmesh/faxmesh/cluster/durable"
)

// Limits and times of the collection of documents that no record names, as
// those of orders that were refused after their document was stored.
const (
	collectEvery = time.Hour
	maxOrphans   = 65536   // looked after at a time; others come later
	maxAgesFile  = 8 << 20 // octets
	maxRemove    = maxAsk  // documents in one round

	// Grace is how long a document must have been without a record before it is
	// removed, while all members can be asked whether they know of one.
	Grace = 24 * time.Hour
	// AwayGrace is as long while a member is away: it may come back with records
	// of its own.
	AwayGrace = 30 * 24 * time.Hour
)

// ages is for how long each document has been without a record. It is the sum
// of what passed between rounds: a clock that jumps removes nothing, and a node
// that does not run grows no older.
type ages map[string]time.Duration

// grown is the ages a step later. What was touched meanwhile begins anew; what
// is gone or has a record is left out.
func (a ages) grown(orphans iter.Seq[string], touched []string, step time.Duration) ages {
	anew := make(map[string]bool, len(touched))
	for _, hash := range touched {
		anew[hash] = true
	}
	next := ages{}
	for hash := range orphans {
		if len(next) == maxOrphans {
			break
		}
		if age, known := a[hash]; known && !anew[hash] {
			next[hash] = age + step
		} else {
			next[hash] = 0
		}
	}
	return next
}

// ripe are the hashes, at most maxRemove, whose grace is over.
func (a ages) ripe(grace time.Duration) (hashes []string) {
	for hash, age := range a {
		if age >= grace {
			hashes = append(hashes, hash)
		}
	}
	slices.Sort(hashes)
	return hashes[:min(len(hashes), maxRemove)]
}

// without goes through what is in the first of two ordered sequences and not in
// the second. It ends early, after setting failed, when one of them gives an
// error.
func without(have iter.Seq2[fax.Document, error], named iter.Seq2[string, error], failed *error) iter.Seq[string] {
	return func(yield func(string) bool) {
		next, stop := iter.Pull2(named)
		defer stop()
		name, err, more := next()
		for doc, fault := range have {
			for more && err == nil && name < doc.Hash {
				name, err, more = next()
			}
			if *failed = errors.Join(fault, err); *failed != nil {
				return
			}
			if more && name == doc.Hash {
				continue
			}
			if !yield(doc.Hash) {
				return
			}
		}
	}
}

// collectLoop removes documents that no record names.
func (r *Replica) collectLoop() {
	last := time.Time{}
	for pause(r.ctx, collectEvery*3/4+rand.N(collectEvery/2)) {
		now, step := time.Now(), time.Duration(0)
		if !last.IsZero() {
			step = min(max(now.Sub(last), 0), 2*collectEvery)
		}
		last = now
		if err := r.collect(r.ctx, step); err != nil && r.ctx.Err() == nil {
			r.cfg.Logger.Info("documents without a record were left where they are", "err", err)
		}
	}
}

// collect goes through the documents once, so much later than the last time,
// and removes those whose grace is over.
func (r *Replica) collect(ctx context.Context, step time.Duration) error {
	if err := r.cfg.Store.Measure(); err != nil {
		return err
	}
	before, err := loadAges(r.cfg.Ages)
	if err != nil {
		return err
	}
	touched := r.cfg.Store.Touched() // first: what comes later Remove leaves
	var failed error
	after := before.grown(without(r.cfg.Store.List(), r.cfg.Records.Needed(), &failed), touched, step)
	if failed != nil {
		return failed
	}
	if err := r.removeRipe(ctx, after); err != nil {
		return errors.Join(err, saveAges(r.cfg.Ages, after))
	}
	return saveAges(r.cfg.Ages, after)
}

// removeRipe removes the documents whose grace is over and that nobody claims.
func (r *Replica) removeRipe(ctx context.Context, orphans ages) error {
	others, grace := r.cfg.Others(), Grace
	if len(others) < len(r.cfg.Members()) {
		grace = AwayGrace
	}
	hashes := orphans.ripe(grace)
	if len(hashes) == 0 {
		return nil
	}
	if err := r.cfg.Records.Confirm(ctx, fmt.Sprintf("%d documents that no record names, as %.12s", len(hashes), hashes[0])); err != nil {
		return fmt.Errorf("put the removal on record: %w", err)
	}
	claimed := make([]bool, len(hashes))
	for _, node := range others {
		claims, err := r.ask(ctx, opNamed, node, hashes)
		if err != nil {
			return fmt.Errorf("ask %s which documents its records name: %w", node, err)
		}
		for i := range claims {
			claimed[i] = claimed[i] || claims[i]
		}
	}
	removed := 0
	for i, hash := range hashes {
		named, err := r.cfg.Records.Named(hash)
		if err != nil {
			return err
		}
		if named || claimed[i] {
			orphans[hash] = 0
			continue
		}
		done, err := r.cfg.Store.Remove(hash)
		if err != nil {
			return err
		}
		if done {
			removed++
			delete(orphans, hash)
		}
	}
	r.cfg.Logger.Info("documents that no record names were removed", "documents", removed)
	return nil
}

// loadAges reads the ages of the last round. A file that is damaged costs no
// more than time.
func loadAges(path string) (ages, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ages{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the ages of documents without a record: %w", err)
	}
	a := ages{}
	if info.Size() > maxAgesFile {
		return a, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the ages of documents without a record: %w", err)
	}
	if json.Unmarshal(data, &a) != nil || a == nil {
		return ages{}, nil
	}
	for hash, age := range a {
		if age < 0 || age > 2*AwayGrace || blob.CheckHash(hash) != nil {
			return ages{}, nil
		}
	}
	return a, nil
}

func saveAges(path string, a ages) error {
	for hash, age := range a {
		a[hash] = min(age, 2*AwayGrace)
	}
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return durable.WriteFile(path, data, 0o600)
}
