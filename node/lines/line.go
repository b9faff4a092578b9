package lines

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/status"
)

// line is one modem and the goroutine that alone uses it.
type line struct {
	Line
	owner *Lines
	log   *slog.Logger
	dial  chan dialling

	mu    sync.Mutex
	state string
	job   string
	since fax.Millis
}

// dialling is a call to make. The line answers on report, which has room.
type dialling struct {
	ctx    context.Context
	job    string
	out    modem.Outgoing
	report chan modem.Report
}

var errModem = errors.New("the modem does not respond")

func (l *line) run(ctx context.Context) {
	defer func() {
		if err := l.Modem.Close(); err != nil {
			l.log.Warn("the modem did not close properly", "err", err)
		}
		l.enter(Down, "")
	}()
	faults := 0 // of the modem, in a row
	for ctx.Err() == nil {
		l.enter(Free, "")
		err := l.serve(ctx)
		switch {
		case err == nil:
			faults = 0
		case ctx.Err() == nil:
			faults++
			l.revive(ctx, faults, err)
		}
	}
}

// serve waits for one call, in or out, and carries it through. An error means
// that the modem needs a reset.
func (l *line) serve(ctx context.Context) error {
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	type result struct {
		ring modem.Ring
		err  error
	}
	rung := make(chan result, 1)
	go func() {
		ring, err := l.Modem.WaitRing(waiting)
		rung <- result{ring, err}
	}()
	select {
	case r := <-rung:
		if r.err != nil {
			return fmt.Errorf("wait for a ring: %w", r.err)
		}
		return l.answer(ctx, r.ring)
	case d := <-l.dial:
		stop()
		r := <-rung
		switch {
		case r.err == nil: // it rang in this very moment: the caller was first
			d.report <- modem.Report{Status: status.Glare}
			return l.answer(ctx, r.ring)
		case !errors.Is(r.err, context.Canceled):
			d.report <- modem.Report{Status: status.ModemFailure, Err: r.err}
			return fmt.Errorf("stop waiting for a ring: %w", r.err)
		}
		return l.call(ctx, d)
	case <-ctx.Done():
		stop()
		<-rung
		return nil
	}
}

// call makes the call d. It ends when d's context or the line's own does.
func (l *line) call(ctx context.Context, d dialling) error {
	l.enter(Sending, d.job)
	calling, cancel := context.WithCancel(d.ctx)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	rep := l.Modem.Send(calling, d.out)
	l.owner.past.write(d.job, rep.Transcript, l.log)
	d.report <- rep
	if rep.Status == status.ModemFailure {
		return errors.Join(errModem, rep.Err)
	}
	return nil
}

// answer takes the ringing call. Pages go to the spool as they come.
func (l *line) answer(ctx context.Context, ring modem.Ring) error {
	l.enter(Ringing, "")
	f := fax.ReceivedFax{
		ID: l.owner.cfg.NewID(), Node: l.owner.cfg.Node, Line: l.Name,
		Called: ring.Called, Caller: ring.Caller, Name: ring.Name, Ring: ring.Pattern, At: fax.At(time.Now()),
	}
	if f.Called == "" {
		f.Called = l.Number
	}
	log := l.log.With("call", f.ID)
	log.Info("ringing", "caller", f.Caller, "name", ring.Name, "called", f.Called, "ring", ring.Pattern)
	if err := l.owner.spool.reserve.hold(); err != nil {
		log.Error("the call is not answered, because the disk has no room for its pages; make room", "err", err)
		return nil
	}
	in := l.owner.spool.intake(f)
	receiving, cancel := context.WithTimeout(ctx, LongestReceive)
	defer cancel()
	l.enter(Receiving, f.ID)
	rep := l.Modem.Receive(receiving, modem.Incoming{
		Station: l.owner.cfg.Station,
		Store: func(ctx context.Context, p modem.ReceivedPage) error {
			if err := in.store(ctx, p); err != nil {
				log.Error("a received page could not be stored; it is not confirmed to the sender", "page", p.Index+1, "err", err)
				return err
			}
			log.Info("page stored", "page", p.Index+1, "bad_rows", p.BadRows)
			return nil
		},
		Stage: func(s modem.Stage) { log.Debug("stage", "stage", s.Name, "detail", s.Detail) },
	})
	l.owner.past.write(f.ID, rep.Transcript, log)
	pages, err := in.end(rep)
	if err != nil {
		log.Error("the end of the call could not be noted; the pages are delivered as of a call that nobody saw end", "err", err)
	}
	log.Info("call ended", "status", rep.Status.String(), "pages", pages, "remote", rep.Remote, "err", rep.Err)
	if pages > 0 {
		l.owner.ring()
	}
	if rep.Status == status.ModemFailure {
		return errors.Join(errModem, rep.Err)
	}
	return nil
}

func (l *line) enter(state, job string) {
	l.mu.Lock()
	l.state, l.job, l.since = state, job, fax.At(time.Now())
	l.mu.Unlock()
	l.owner.cfg.Publish(l.snapshot())
}

func (l *line) snapshot() fax.LineState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fax.LineState{Node: l.owner.cfg.Node, Name: l.Name, Number: l.Number,
		State: l.state, Job: l.job, Kind: l.Kind, Since: l.since}
}
