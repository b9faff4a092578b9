package lines

import (
	"context"
	"fmt"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/status"
)

// Alarm is a line that goes out of service, or comes back into it.
type Alarm struct {
	At    fax.Millis
	Line  string
	Down  bool
	Cause string // why it is down; how long it was, if it is back
}

// revive brings a modem back that has failed, faults times in a row. One that
// answers a reset at once goes on. Any other, and one that fails whenever it is
// used, is taken out of service with an alarm and tried with growing pauses.
func (l *line) revive(ctx context.Context, faults int, cause error) {
	l.enter(Down, "")
	if faults <= maxFaults {
		l.log.Warn("the modem has failed and is reset", "err", cause)
		err := l.reset(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		cause = fmt.Errorf("%w; and then: %w", cause, err)
	}
	begun := time.Now()
	l.log.Error("the line is out of service: check its modem's power, cable and settings; the modem is tried again by itself", "err", cause)
	l.owner.raise(Alarm{At: fax.At(begun), Line: l.Name, Down: true, Cause: cause.Error()})
	for pause := firstPause(faults); ; pause = min(2*pause, reviveMost) {
		if !l.refuse(ctx, pause) {
			return
		}
		err := l.reset(ctx)
		if err == nil {
			break
		}
		if ctx.Err() == nil {
			l.log.Warn("the modem does not answer yet", "err", err)
		}
	}
	lasted := time.Since(begun).Round(time.Second)
	l.log.Info("the line is in service again", "after", lasted)
	l.owner.raise(Alarm{At: fax.At(time.Now()), Line: l.Name, Cause: fmt.Sprintf("down for %v", lasted)})
}

// firstPause is longer for a modem that answers every reset and then fails again.
func firstPause(faults int) time.Duration {
	pause := reviveFirst
	for range faults - 1 {
		pause = min(2*pause, reviveMost)
	}
	return pause
}

func (l *line) reset(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, ResetTimeout)
	defer cancel()
	return l.Modem.Reset(ctx)
}

// refuse answers calls asked for with status.ModemFailure for so long. It
// reports false when ctx is done.
func (l *line) refuse(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case asked := <-l.dial:
			asked.report <- modem.Report{Status: status.ModemFailure, Err: errModem}
		case <-timer.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// raise queues an alarm for the record; the line does not wait for that.
func (s *Lines) raise(a Alarm) {
	select {
	case s.alarms <- a:
	default:
		s.cfg.Log.Warn("an alarm is not put on record: too many wait", "line", a.Line, "down", a.Down)
	}
}

// record puts alarms on record, in order, with growing pauses while it fails.
func (s *Lines) record(ctx context.Context) {
	for {
		var a Alarm
		select {
		case a = <-s.alarms:
		case <-ctx.Done():
			return
		}
		for pause := deliverFirst; ; pause = min(2*pause, deliverMost) {
			err := s.cfg.Alarm(ctx, a)
			if err == nil {
				break
			}
			if ctx.Err() == nil {
				s.cfg.Log.Warn("an alarm could not be put on record and is tried again", "line", a.Line, "after", pause, "err", err)
			}
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return
			}
		}
	}
}
