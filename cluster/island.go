package cluster

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/diary"
	"github.com/faxmesh/faxmesh/cluster/ledger"
	"github.com/faxmesh/faxmesh/cluster/room"
)

// A node that has heard of no leader for IslandAfter is an island. It takes
// alone what must not wait for the majority (ledger.Importable): faxes handed
// in, sent and received, assignments, logouts. Each such command is judged by
// the ledger, written into the node's diary and synced, and then shown by the
// ledger as if it were agreed (ledger.Try): who reads here needs to know
// nothing of it. Everything else is refused at once.
//
// A job that it takes is marked with its name, Job.Alone. It alone dials that
// job, and only such jobs; no lease of the majority is in it. Of a job from
// before it goes on with a call that is on the line, and notes how that ends.
// A job that may have been agreed before the link broke, because an answer was
// lost then or the client has tried at another node, is taken but left to be
// dialled after the merge: the id decides whether it is one with another.
//
// When a leader is heard again, the diary is imported in order, each command
// once (ledger.Import). New ones go behind them until the last is in; then the
// remaining jobs are given free (ledger.Ashore) and the node is an island no
// more. If it dies before that, it is an island from its next start on; if it
// never comes back, an administrator who removes it gives free what was
// imported, and the rest is on its disk (Records). If the ledger was meanwhile
// put back to an earlier day it is told again what it had (mend).
//
// The majority meanwhile dials the jobs it knows. One that was leased to the
// island it tries again only when the lease has run out and the longest call
// has passed; the end that the island has seen goes before the unknown one.

// Limits and times of an island.
const (
	DefaultIslandAfter = 8 * time.Second        // without a leader
	maxDoubts          = 10_000                 // jobs whose submit had no answer that are remembered
	lastStretch        = 32                     // records; they are imported while nobody adds to them
	landTime           = 10 * time.Second       // one try of the last stretch
	landPause          = time.Second            // between tries
	keptAtOnce         = 1 << 20                // octets of records after which their file is cleared
	rebaseLeast        = 250 * time.Millisecond // between two ways of making the tail anew
)

// The files of what this node alone knows.
const (
	islandFile = "island"
	tailFile   = "island.db"
	keptFile   = "kept"
)

// island is what this node knows and does alone.
type island struct {
	diary *diary.Diary // while cut off
	kept  *diary.Diary // see Keep
	bell  chan struct{}
	tail  string
	after time.Duration

	gate  sync.Mutex // held by who adds to the diary, and through the last stretch
	mu    sync.Mutex
	since time.Time // zero if this node is no island
	doubt map[string]bool
}

func (c *Cluster) openIsland(dir string) (err error) {
	n := &island{tail: filepath.Join(dir, tailFile), after: c.opt.IslandAfter, bell: make(chan struct{}, 1), doubt: map[string]bool{}}
	if n.after <= 0 {
		n.after = DefaultIslandAfter
	}
	imported := func(era string) (uint64, error) { return c.ledger.Imported(c.id.Name, era) }
	if n.diary, err = diary.Open(filepath.Join(dir, islandFile), c.id.Name, imported, c.opt.Logger); err != nil {
		return err
	}
	c.life.opened(n.diary.Close)
	if n.kept, err = diary.Open(filepath.Join(dir, keptFile), c.id.Name, imported, c.opt.Logger); err != nil {
		return err
	}
	c.life.opened(n.kept.Close)
	c.island = n
	left, err := c.leftBehind()
	if err != nil || !left {
		return err
	}
	return c.cutOffNow("it stopped before the others knew all that it had done alone")
}

// leftBehind reports whether the others have still to hear of something.
func (c *Cluster) leftBehind() (bool, error) {
	if _, pending := c.island.diary.Pending(); len(pending) > 0 {
		return true, nil
	}
	return c.ledger.Reserved(c.id.Name)
}

// Alone reports whether this node is cut off from the majority, or has been and
// the others do not know yet all that it has done; and since when.
func (c *Cluster) Alone() (since time.Time, alone bool) {
	c.island.mu.Lock()
	defer c.island.mu.Unlock()
	return c.island.since, !c.island.since.IsZero()
}

// cutOffNow makes this node an island.
func (c *Cluster) cutOffNow(why string) error {
	n := c.island
	n.gate.Lock()
	defer n.gate.Unlock()
	if err := c.ledger.OpenTail(n.tail, c.id.Name, n.diary.Era()); err != nil {
		return err
	}
	first, pending := n.diary.Pending()
	if err := c.ledger.Rebase(first, pending); err != nil {
		return err
	}
	n.mu.Lock()
	n.since = time.Now()
	n.mu.Unlock()
	c.opt.Logger.Warn("this node is cut off from the majority of the nodes and goes on alone", "why", why, "records", len(pending))
	c.bells.ring()
	return nil
}

// mindIsland finds out whether this node is an island, and ends it when it is
// none any more.
func (c *Cluster) mindIsland() {
	heard, again := time.Now(), time.Time{}
	for pause(c.life.ctx, attendEvery) == nil {
		now := time.Now()
		leader := c.Leader() != ""
		if leader {
			heard = now
		}
		_, alone := c.Alone()
		switch {
		case !alone && now.Sub(heard) >= c.island.after:
			if err := c.cutOffNow(fmt.Sprintf("no leader for %v", c.island.after)); err != nil {
				c.opt.Logger.Error("this node is cut off and cannot go on alone", "err", err)
				heard = now
			}
		case alone && leader && now.After(again):
			if err := c.land(); err != nil {
				c.opt.Logger.Warn("the others cannot be told yet what this node has done alone; it is tried again", "err", err)
				again = time.Now().Add(landPause)
			}
		}
	}
}

// land tells the others everything, and ends the island.
func (c *Cluster) land() error {
	n := c.island
	var rebased time.Time
	var took time.Duration
	for {
		_, pending := n.diary.Pending()
		if len(pending) <= lastStretch {
			break
		}
		if err := c.importNext(c.life.ctx, n.diary); err != nil {
			return err
		}
		if time.Since(rebased) > max(rebaseLeast, 4*took) {
			begun := time.Now()
			if err := c.rebase(); err != nil {
				return err
			}
			rebased, took = time.Now(), time.Since(begun)
		}
	}
	n.gate.Lock()
	defer n.gate.Unlock()
	ctx, cancel := context.WithTimeout(c.life.ctx, landTime)
	defer cancel()
	for {
		if _, pending := n.diary.Pending(); len(pending) == 0 {
			break
		}
		if err := c.importNext(ctx, n.diary); err != nil {
			return err
		}
	}
	if err := c.ashore(ctx); err != nil {
		return err
	}
	return c.landed()
}

// rebase makes what this node shows anew from what is agreed and what is not.
func (c *Cluster) rebase() error {
	c.island.gate.Lock()
	defer c.island.gate.Unlock()
	return c.ledger.Rebase(c.island.diary.Pending())
}

// ashore gives this node's jobs free for all.
func (c *Cluster) ashore(ctx context.Context) error {
	for first := true; ; first = false {
		reserved, err := c.ledger.Reserved(c.id.Name)
		if err != nil || !reserved && (!first || c.island.diary.Next() == 1) {
			return err
		}
		if _, err := c.agree(ctx, ledger.Ashore{Node: c.id.Name, Era: c.island.diary.Era(), At: fax.At(time.Now())}); err != nil {
			return err
		}
	}
}

// landed ends the island; the gate is held.
func (c *Cluster) landed() error {
	n := c.island
	records := n.diary.Next() - 1
	if _, err := n.diary.Clear(); err != nil {
		return err
	}
	if err := c.ledger.CloseTail(); err != nil {
		return err
	}
	n.mu.Lock()
	since := n.since
	n.since = time.Time{}
	n.mu.Unlock()
	c.opt.Logger.Info("the link is back, and the others know what this node has done alone", "records", records, "after", time.Since(since).Round(time.Second))
	c.bells.ring()
	return nil
}

// importNext has the ledger take the next commands of a diary.
func (c *Cluster) importNext(ctx context.Context, d *diary.Diary) error {
	batch, ok := d.Batch(fax.At(time.Now()))
	if !ok {
		return nil
	}
	if _, err := c.agree(ctx, batch); err != nil {
		return c.mend(d, batch, err)
	}
	d.Taken(batch)
	return nil
}

// errAshore means that this node is no island, so that the majority decides.
var errAshore = errors.New("this node is not cut off")

// alone takes a command without the majority. unsure: an earlier try had no
// answer, so that the majority may have taken it.
func (c *Cluster) alone(cmd ledger.Command, unsure bool) (ledger.Result, error) {
	n := c.island
	n.gate.Lock()
	defer n.gate.Unlock()
	since, alone := c.Alone()
	if !alone {
		return ledger.Result{}, errAshore
	}
	if !ledger.Importable(cmd) {
		if c.Leader() != "" {
			return ledger.Result{}, errAshore
		}
		return ledger.Result{}, fax.Errorf(fax.Unavailable, "node %s is cut off from the majority of the servers since %s; accounts, rights, rules and members can be changed when the link is back",
			c.id.Name, since.UTC().Format("2006-01-02 15:04 MST"))
	}
	if s, ok := cmd.(ledger.Submit); ok {
		s.Job.Alone = c.id.Name
		if unsure || c.doubted(s.Job.ID) || s.Again {
			s.Job.Alone = ""
		}
		cmd = s
	}
	data, err := ledger.Encode(cmd)
	if err != nil {
		return ledger.Result{}, err
	}
	r, _, err := c.ledger.Try(n.diary.Next(), cmd, func() error { return n.diary.Append(data, happened(cmd)) })
	switch {
	case errors.Is(err, diary.ErrFull):
		return r, fax.Errorf(fax.Busy, "node %s: %v; restore the link to the other servers", c.id.Name, err)
	case err != nil:
		return r, room.Explain(c.id.Name, err)
	case r.Err != nil:
		return r, r.Err
	}
	return r, nil
}

// happened tells what is true already from what somebody wants.
func happened(cmd ledger.Command) bool {
	switch cmd.(type) {
	case ledger.Progress, ledger.Finish, ledger.Receive, ledger.EndSession:
		return true
	}
	return false
}

// doubted reports whether an earlier submit of a job had no answer.
func (c *Cluster) doubted(job string) bool {
	c.island.mu.Lock()
	defer c.island.mu.Unlock()
	return c.island.doubt[job]
}

// remember notes that the majority may have taken a command.
func (c *Cluster) remember(cmd ledger.Command) {
	s, ok := cmd.(ledger.Submit)
	if !ok {
		return
	}
	c.island.mu.Lock()
	defer c.island.mu.Unlock()
	if len(c.island.doubt) >= maxDoubts {
		clear(c.island.doubt) // their clients have long gone
	}
	c.island.doubt[s.Job.ID] = true
}

// Keep takes what has happened and only needs to be known in the end: when it
// returns nil the command is on this node's disk, and the ledger will have it,
// once. Nothing here shows it before.
func (c *Cluster) Keep(cmd ledger.Command) error {
	data, err := ledger.Encode(cmd)
	if err != nil {
		return err
	}
	if err := c.island.kept.Append(data, happened(cmd)); err != nil {
		return room.Explain(c.id.Name, err)
	}
	select {
	case c.island.bell <- struct{}{}:
	default:
	}
	return nil
}

// Kept is what Keep has kept and the ledger has not, as far as this node knows.
func (c *Cluster) Kept() ([]ledger.Command, error) {
	_, pending := c.island.kept.Pending()
	commands := make([]ledger.Command, len(pending))
	for i, data := range pending {
		var err error
		if commands[i], err = ledger.Decode(data); err != nil {
			return nil, err
		}
	}
	return commands, nil
}

// tellKept has the ledger take what Keep has kept.
func (c *Cluster) tellKept() {
	n := c.island
	for wait := electionStep; ; {
		for {
			if _, pending := n.kept.Pending(); len(pending) == 0 {
				break
			}
			if err := c.importNext(c.life.ctx, n.kept); err != nil {
				c.opt.Logger.Debug("what this node has noted is known to it alone for now", "err", err)
				if pause(c.life.ctx, wait) != nil {
					return
				}
				wait = min(2*wait, landTime)
				continue
			}
			wait = electionStep
		}
		if n.kept.Size() > keptAtOnce {
			if _, err := n.kept.Clear(); err != nil {
				c.opt.Logger.Error("what the ledger has stays on this node too", "err", err)
			}
		}
		select {
		case <-n.bell:
		case <-c.life.ctx.Done():
			return
		}
	}
}
