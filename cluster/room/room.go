// Package room says how much a node may still write to its disk.
//
// It looks at two things: how much the documents take of their quota, and how
// much is free on the disk. New work is refused before either is used up, so
// that calls under way can end; an alarm comes well before that.
package room

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Level is how full it is.
type Level int

// The levels.
const (
	Ample  Level = iota
	Tight        // 80 % of the quota are used, or less than four times the minimum is free
	Scarce       // 90 %, or less than twice the minimum
	Full         // new work is refused
)

var levelNames = [...]string{"ample", "tight", "scarce", "full"}

func (l Level) String() string { return levelNames[l] }

// Limits are what may be used. A minimum over a twentieth of the disk counts as
// a twentieth.
type Limits struct {
	Quota   int64 // octets of documents; 0: as the disk has room
	MinFree int64 // octets that new work leaves free on the disk
}

const minFreePart = 20

// The parts of the quota in hundredths, and how often the minimum must be free.
const (
	tightPart, scarcePart = 80, 90
	tightFree, scarceFree = 4, 2
)

// Usage is what is used, in octets. A Total of 0 says that the disk cannot be
// asked.
type Usage struct {
	Used        int64 // by documents
	Free, Total int64 // of the disk
}

// Level says how full it is.
func (l Limits) Level(u Usage) Level {
	level := Ample
	if l.Quota > 0 {
		switch part := float64(u.Used) / float64(l.Quota) * 100; {
		case part >= 100:
			level = Full
		case part >= scarcePart:
			level = Scarce
		case part >= tightPart:
			level = Tight
		}
	}
	if least := l.leastFree(u); u.Total > 0 {
		switch {
		case u.Free < least:
			level = Full
		case u.Free < scarceFree*least:
			level = max(level, Scarce)
		case u.Free < tightFree*least:
			level = max(level, Tight)
		}
	}
	return level
}

func (l Limits) leastFree(u Usage) int64 { return min(l.MinFree, u.Total/minFreePart) }

// Next is the level after another one. It falls only when the usage is well
// below the mark: one that wavers about it is one crossing, not many.
func (l Limits) Next(before Level, u Usage) Level {
	level := l.Level(u)
	if level >= before {
		return level
	}
	u.Used += l.Quota / 50
	u.Free -= u.Free / 10
	return min(before, l.Level(u))
}

// IsFull says whether an error comes from a full disk.
func IsFull(err error) bool { return isFull(err) }

// Explain makes of an error that comes from a node's full disk one for people,
// of the kind fax.Full. Others stay as they are.
func Explain(node string, err error) error {
	if !IsFull(err) {
		return err
	}
	return fmt.Errorf("%w (%w)", full(node), err)
}

func full(node string) error {
	return fax.Errorf(fax.Full, "the disk of node %s is full; log in at another node, or ask the administrator to make room on it", node)
}

// watchEvery is how often the disk is looked at.
const watchEvery = 10 * time.Second

// Config is what a Room is made of.
type Config struct {
	Node   string // for people
	Dir    string // on the disk in question
	Limits Limits
	Used   func() int64 // octets of documents
	// Crossed is told of each change of the level; it does not block.
	Crossed func(from, to Level, u Usage)
	Logger  *slog.Logger

	free func(dir string) (free, total uint64, err error) // Free, but in tests
}

// Room watches a disk until Close. It is safe for concurrent use.
type Room struct {
	cfg    Config
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu     sync.Mutex
	level  Level
	failed bool // the disk does not say how much is free, and that was logged
}

// Open begins to watch.
func Open(cfg Config) *Room {
	if cfg.free == nil {
		cfg.free = Free
	}
	if cfg.Crossed == nil {
		cfg.Crossed = func(Level, Level, Usage) {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Room{cfg: cfg, cancel: cancel}
	r.done.Go(func() { r.watch(ctx) })
	return r
}

// Close ends the watch. Admit goes on to answer.
func (r *Room) Close() error {
	r.cancel()
	r.done.Wait()
	return nil
}

func (r *Room) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		r.look()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// look takes note of the level and tells of a crossing.
func (r *Room) look() {
	u := r.usage()
	r.mu.Lock()
	from := r.level
	r.level = r.cfg.Limits.Next(from, u)
	to := r.level
	r.mu.Unlock()
	if from != to {
		r.cfg.Crossed(from, to, u)
	}
}

// Now is how full it is.
func (r *Room) Now() (Level, Usage) {
	u := r.usage()
	return r.cfg.Limits.Level(u), u
}

// Part is how much of the disk, or of the quota if that is nearer to its end,
// is used, in hundredths; 0 if it is not known.
func (l Limits) Part(u Usage) int {
	part := 0.0
	if u.Total > 0 {
		part = float64(u.Total-u.Free) / float64(u.Total)
	}
	if l.Quota > 0 {
		part = max(part, float64(u.Used)/float64(l.Quota))
	}
	return int(min(max(part, 0), 1) * 100)
}

// usage asks the disk. One that does not say counts as having room: then a full
// disk is noticed by the write that fails.
func (r *Room) usage() Usage {
	u := Usage{Used: r.cfg.Used()}
	free, total, err := r.cfg.free(r.cfg.Dir)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.failed = false
		u.Free, u.Total = int64(free), int64(total)
	} else if !r.failed {
		r.failed = true
		if !errors.Is(err, errors.ErrUnsupported) {
			r.cfg.Logger.Warn("the free space cannot be read", "dir", r.cfg.Dir, "err", err)
		}
	}
	return u
}

// Admit says whether new work of that many octets may begin: nil, or an error
// for people of the kind fax.Full.
func (r *Room) Admit(octets int64) error {
	u := r.usage()
	u.Used, u.Free = u.Used+octets, u.Free-octets
	if r.cfg.Limits.Level(u) < Full {
		return nil
	}
	return full(r.cfg.Node)
}
