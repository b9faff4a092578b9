package replica

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"golang.org/x/time/rate"
)

// Limits and times of repair.
const (
	repairEvery = time.Minute            // a quarter more or less
	repairSoon  = 500 * time.Millisecond // after a node has come or gone, at most
	maxScan     = 4096                   // documents looked after in one round; the next goes on there
	maxOwed     = 100_000                // documents known to lack copies
	repairRate  = 16 << 20               // octets a second, sent
	rateBurst   = 1 << 20                // octets

	// AwayTime is how long a member may be away before what it had is copied
	// anew: a restart must not set the whole store in motion.
	AwayTime = 10 * time.Minute
)

// rounds is what repair and collection remember from one round to the next.
type rounds struct {
	cursor string               // repair goes on behind this hash
	away   map[string]time.Time // since when a member has not answered
	pace   *rate.Limiter        // of repair
	scrub  *rate.Limiter
}

func newRounds() rounds {
	return rounds{away: map[string]time.Time{}, pace: rate.NewLimiter(repairRate, rateBurst), scrub: rate.NewLimiter(scrubRate, rateBurst)}
}

// Repair begins a round of repair soon, as when a node has come or gone.
func (r *Replica) Repair() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *Replica) repairLoop() {
	for {
		if err := r.repair(r.ctx, time.Now()); err != nil && r.ctx.Err() == nil {
			r.cfg.Logger.Warn("copies of documents could not be checked", "err", err)
		}
		select {
		case <-r.wake:
			if !pause(r.ctx, rand.N(repairSoon)) {
				return
			}
		case <-time.After(repairEvery*3/4 + rand.N(repairEvery/2)):
		case <-r.ctx.Done():
			return
		}
	}
}

// pause waits, and reports false if ctx ended before.
func pause(ctx context.Context, wait time.Duration) bool {
	select {
	case <-time.After(wait):
		return true
	case <-ctx.Done():
		return false
	}
}

// repair looks after the next maxScan documents that records name and this
// node has: of those who have a document the first in rank gives copies to
// those who lack it.
func (r *Replica) repair(ctx context.Context, now time.Time) error {
	others := r.cfg.Others()
	away := r.absent(others, now)
	if len(others) == 0 || r.cfg.Copies < 2 {
		return nil
	}
	hashes, err := r.scan()
	if err != nil {
		return err
	}
	for part := range slices.Chunk(hashes, maxAsk) {
		holders := map[string][]string{}
		silent := away
		var asked []string
		for _, node := range others {
			has, err := r.ask(ctx, opHas, node, part)
			if err != nil {
				silent++
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
			r.mend(ctx, hash, holders[hash], asked, silent)
		}
	}
	return ctx.Err()
}

// absent counts the members that are away, but not for so long yet that they
// count as lost.
func (r *Replica) absent(others []string, now time.Time) (away int) {
	members := r.cfg.Members()
	for node := range r.rounds.away {
		if slices.Contains(others, node) || !slices.Contains(members, node) {
			delete(r.rounds.away, node)
		}
	}
	for _, node := range members {
		if slices.Contains(others, node) {
			continue
		}
		since, known := r.rounds.away[node]
		if !known {
			since = now
			r.rounds.away[node] = now
		}
		if now.Sub(since) < AwayTime {
			away++
		}
	}
	return away
}

// lacking is how many copies a document is to get now, which as many other
// nodes have. Nodes that are away for a while may have one too, unless it is
// known that the document has never got its copies.
func lacking(copies, holders, away int, owed bool) int {
	missing := copies - 1 - holders
	if !owed {
		missing -= away
	}
	return max(missing, 0)
}

// mend gives a document the copies it lacks, if that is this node's part.
func (r *Replica) mend(ctx context.Context, hash string, holders, asked []string, away int) {
	r.mu.Lock()
	_, owed := r.owed[hash]
	r.mu.Unlock()
	want := lacking(r.cfg.Copies, len(holders), away, owed)
	if want == 0 || rank(hash, append(slices.Clone(holders), r.cfg.Name))[0] != r.cfg.Name {
		r.owe(hash, owed && want > 0)
		return
	}
	size, err := r.cfg.Store.Size(hash)
	if err != nil {
		return // set aside meanwhile
	}
	lacks := slices.DeleteFunc(slices.Clone(asked), func(n string) bool { return slices.Contains(holders, n) })
	if n := r.spread(ctx, fax.Document{Hash: hash, Size: size}, want, lacks, r.rounds.pace); n > 0 {
		r.owe(hash, owed && n < want)
		r.cfg.Logger.Info("a document has got the copies it lacked", "hash", hash, "copies", 1+len(holders)+n)
	}
}

// scan gives the next documents to look after, and goes round. Those that are
// known to lack copies come first.
func (r *Replica) scan() ([]string, error) {
	hashes, err := r.overdue()
	if err != nil {
		return nil, err
	}
	last := ""
	for hash, err := range r.cfg.Records.Needed() {
		if err != nil {
			return nil, fmt.Errorf("list the documents that records name: %w", err)
		}
		if hash <= r.rounds.cursor || !r.cfg.Store.Has(hash) {
			continue
		}
		if hashes = append(hashes, hash); len(hashes) >= maxScan {
			last = hash
			break
		}
	}
	r.rounds.cursor = last
	return hashes, nil
}

// overdue are documents that lack copies and that a record names by now.
func (r *Replica) overdue() (hashes []string, err error) {
	r.mu.Lock()
	var owed []string
	for hash := range r.owed {
		if owed = append(owed, hash); len(owed) == maxScan/2 {
			break
		}
	}
	r.mu.Unlock()
	for _, hash := range owed {
		named, err := r.cfg.Records.Named(hash)
		switch {
		case err != nil:
			return nil, fmt.Errorf("look whether a record names a document: %w", err)
		case !r.cfg.Store.Has(hash):
			r.owe(hash, false)
		case named:
			hashes = append(hashes, hash)
		}
	}
	return hashes, nil
}
