// Package lines runs the telephone lines of one node: a goroutine for each
// modem, which waits for a ring or a call to make.
//
// A received page is a file in the spool, on disk, before the sender hears that
// it is confirmed. When the call is over the pages are handed to Deliver; the
// spool forgets them only when Deliver has said that the fax is safe. What a
// crash leaves in the spool is delivered at the next start.
package lines

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/status"
)

// Limits and waits.
const (
	MaxLines       = 64               // modems of one node
	MaxSpooled     = 10_000           // received faxes that wait to be delivered
	MaxTranscripts = 2000             // kept dialogues of past calls
	MaxTranscript  = 1 << 20          // octets of one dialogue
	LongestReceive = 4 * time.Hour    // an incoming call is ended then
	Patience       = 3 * time.Second  // Dial waits so long for a line to get free
	ResetTimeout   = 30 * time.Second // one try to revive a modem
	reviveFirst    = time.Second      // pause before the first try of a line that is down
	reviveMost     = 5 * time.Minute  // and before a later one
	maxFaults      = 3                // of a modem in a row that need no more than a reset
	maxAlarms      = 64               // that wait to be put on record
	deliverFirst   = 200 * time.Millisecond
	deliverMost    = time.Minute
)

// The states of a line, as fax.LineState names them.
const (
	Free      = "free"
	Ringing   = "ringing"
	Receiving = "receiving"
	Sending   = "sending"
	Down      = "down"
)

// Line is a modem with what it is called.
type Line struct {
	Name   string
	Number string // telephone number, for people and routes
	Kind   string // "class1", "simulated"
	Modem  modem.Modem
}

// Config is what Open needs. All fields must be set, but for Alarm.
type Config struct {
	Node    string
	Station string // own identification (TSI, CSI)
	Dir     string // spool and transcripts lie in it
	Lines   []Line
	NewID   func() string // for received faxes
	Publish func(fax.LineState)
	// Alarm puts a on record. It is called again, after a pause, until it
	// returns nil. May be nil.
	Alarm func(ctx context.Context, a Alarm) error
	// Deliver makes a received fax part of the cluster. f has everything but
	// the document. It is called again, after a pause, until it returns nil,
	// also with a fax that it has taken before.
	Deliver func(ctx context.Context, f fax.ReceivedFax, pages modem.Pages) error
	Log     *slog.Logger
}

// Lines is a node's lines, running.
type Lines struct {
	cfg    Config
	spool  *spool
	past   *transcripts
	lines  map[string]*line
	cancel context.CancelFunc
	done   sync.WaitGroup
	bell   chan struct{} // rung when the spool has something to deliver
	alarms chan Alarm
}

// Open takes over the modems of cfg, which Close closes, and begins to answer
// calls. Pages that a crash left behind are delivered first.
func Open(cfg Config) (*Lines, error) {
	if len(cfg.Lines) > MaxLines {
		return nil, fmt.Errorf("%d lines are configured; a node may have %d", len(cfg.Lines), MaxLines)
	}
	spool, err := openSpool(filepath.Join(cfg.Dir, "spool"))
	if err != nil {
		return nil, fmt.Errorf("open the spool of received pages: %w", err)
	}
	past, err := openTranscripts(filepath.Join(cfg.Dir, "calls"))
	if err != nil {
		return nil, fmt.Errorf("open the transcripts of calls: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Lines{cfg: cfg, spool: spool, past: past, cancel: cancel,
		lines: make(map[string]*line), bell: make(chan struct{}, 1), alarms: make(chan Alarm, maxAlarms)}
	if s.cfg.Alarm == nil {
		s.cfg.Alarm = func(context.Context, Alarm) error { return nil }
	}
	for _, l := range cfg.Lines {
		if s.lines[l.Name] != nil {
			cancel()
			return nil, fmt.Errorf("two lines are called %q; give each its own name", l.Name)
		}
		s.lines[l.Name] = &line{Line: l, owner: s, dial: make(chan dialling),
			log: cfg.Log.With("line", l.Name), state: Down, since: fax.At(time.Now())}
	}
	for _, l := range s.lines {
		s.done.Go(func() { l.run(ctx) })
	}
	s.done.Go(func() { s.deliver(ctx) })
	s.done.Go(func() { s.record(ctx) })
	return s, nil
}

// Close ends calls under way, waits for the lines and closes the modems.
func (s *Lines) Close() {
	s.cancel()
	s.done.Wait()
}

// Undelivered is how many received faxes are on this node alone: those that
// Deliver has not taken, and those that are coming in.
func (s *Lines) Undelivered() int { return s.spool.held() }

// States is what each line does now.
func (s *Lines) States() []fax.LineState {
	var out []fax.LineState
	for _, l := range s.lines {
		out = append(out, l.snapshot())
	}
	return out
}

// Dial makes a call for job on the named line. A line that does not get free
// at once reports status.Glare: a call came in first. Cancelling ctx ends the
// call and reports status.Aborted, as Close does.
func (s *Lines) Dial(ctx context.Context, name, job string, out modem.Outgoing) modem.Report {
	l := s.lines[name]
	if l == nil {
		return modem.Report{Status: status.ModemFailure, Err: fmt.Errorf("this node has no line %q", name)}
	}
	out.Station = s.cfg.Station
	d := dialling{ctx: ctx, job: job, out: out, report: make(chan modem.Report, 1)}
	patience := time.NewTimer(Patience)
	defer patience.Stop()
	select {
	case l.dial <- d:
		return <-d.report
	case <-patience.C:
		return modem.Report{Status: status.Glare, Err: fmt.Errorf("line %s is %s", name, l.snapshot().State)}
	case <-ctx.Done():
		return modem.Report{Status: status.Aborted, Err: context.Cause(ctx)}
	}
}

// Transcript is the T.30 dialogue of a call, by the id of the received fax or,
// for a call made, of the job; of a job's calls the last. It reports false if
// there is none, or none any more.
func (s *Lines) Transcript(id string) (string, bool) { return s.past.read(id) }

func (s *Lines) ring() {
	select {
	case s.bell <- struct{}{}:
	default:
	}
}

// deliver hands over what is in the spool, oldest first, with growing pauses
// while it fails.
func (s *Lines) deliver(ctx context.Context) {
	pause := deliverFirst
	for {
		wait := time.Duration(-1)
		for _, id := range s.spool.ready() {
			if err := s.deliverOne(ctx, id); err != nil && ctx.Err() == nil {
				s.cfg.Log.Warn("a received fax waits in the spool and is tried again", "fax", id, "after", pause, "err", err)
				wait = pause
			}
		}
		var again <-chan time.Time
		if wait >= 0 {
			again, pause = time.After(wait), min(2*pause, deliverMost)
		} else {
			pause = deliverFirst
		}
		select {
		case <-ctx.Done():
			return
		case <-s.bell:
		case <-again:
		}
	}
}

func (s *Lines) deliverOne(ctx context.Context, id string) error {
	f, pages, err := s.spool.load(id)
	switch {
	case errors.Is(err, errEmpty):
		return s.spool.remove(id)
	case errors.Is(err, errDamaged):
		s.cfg.Log.Error("a received fax in the spool is damaged; it is set aside for an administrator", "fax", id, "err", err)
		return s.spool.setAside(id)
	case err != nil:
		return err
	}
	if err := s.cfg.Deliver(ctx, f, pages); err != nil {
		return fmt.Errorf("deliver: %w", err)
	}
	return s.spool.remove(id)
}
