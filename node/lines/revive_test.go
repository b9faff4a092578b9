package lines

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/status"
)

// record is where a test's alarms go.
type record struct {
	mu   sync.Mutex
	all  []Alarm
	fail int // calls that are to fail
}

func (r *record) put(_ context.Context, a Alarm) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail--; r.fail >= 0 {
		return errors.New("no leader")
	}
	r.all = append(r.all, a)
	return nil
}

func (r *record) seen() []Alarm {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// logged is a log that may be read while it is written.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// ill opens a line whose modem is m, with a record of its alarms and its log.
func ill(t *testing.T, m *fakeModem) (*Lines, *record, *logged) {
	t.Helper()
	log := &logged{}
	r := &record{}
	cfg := config(t.TempDir(), m, newDelivered(), &states{})
	cfg.Alarm, cfg.Log = r.put, slog.New(slog.NewTextHandler(log, nil))
	l, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l, r, log
}

func state(l *Lines) string {
	synctest.Wait()
	return l.States()[0].State
}

// A modem that answers its reset at once is back before anybody is told.
func TestModemHiccups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newFake()
		m.reset = func() error { return nil }
		l, r, log := ill(t, m)
		m.send = func(context.Context, modem.Outgoing) modem.Report { return modem.Report{Status: status.ModemFailure} }
		for range maxFaults {
			if rep := l.Dial(t.Context(), "w1", "j", modem.Outgoing{}); rep.Status != status.ModemFailure {
				t.Errorf("report %+v", rep)
			}
			if got := state(l); got != Free {
				t.Errorf("state %q, want %q", got, Free)
			}
		}
		if len(r.seen()) != 0 || strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("alarms %v, log\n%s", r.seen(), log)
		}
	})
}

func TestModemDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newFake()
		var resets atomic.Int32
		m.reset = func() error {
			if resets.Add(1) < 10 {
				return errors.New("no answer to ATZ")
			}
			return nil
		}
		l, r, log := ill(t, m)
		r.fail = 3 // there is no majority for a while
		begun := time.Now()
		m.wedged <- errors.New("nonsense")
		if got := state(l); got != Down || !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "check its modem's power") {
			t.Errorf("state %q, log\n%s", got, log)
		}
		if rep := l.Dial(t.Context(), "w1", "j", modem.Outgoing{}); rep.Status != status.ModemFailure || time.Since(begun) > 0 {
			t.Errorf("a line that is down: %+v after %v", rep, time.Since(begun))
		}
		time.Sleep(time.Hour)
		if got := state(l); got != Free || resets.Load() != 10 {
			t.Errorf("state %q after %d resets", got, resets.Load())
		}
		alarms := r.seen()
		if len(alarms) != 2 || !alarms[0].Down || alarms[1].Down || alarms[0].Line != "w1" ||
			!strings.Contains(alarms[0].Cause, "nonsense") || !strings.Contains(alarms[0].Cause, "no answer to ATZ") || !strings.HasPrefix(alarms[1].Cause, "down for ") {
			t.Errorf("alarms %+v", alarms)
		}
		if down := alarms[1].At - alarms[0].At; down < 5*60*1000 || down > 15*60*1000 {
			t.Errorf("nine resets in %d ms", down)
		}
		if m.fault != "" {
			t.Error(m.fault)
		}
	})
}

// A modem that answers every reset and then fails again does not keep the line
// busy with itself, and comes back for good when it works.
func TestModemFlaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newFake()
		var resets atomic.Int32
		m.reset = func() error { resets.Add(1); return nil }
		l, r, _ := ill(t, m)
		stop := make(chan bool)
		go func() {
			for {
				select {
				case m.wedged <- errors.New("nonsense"):
				case <-stop:
					return
				}
			}
		}()
		time.Sleep(time.Hour)
		seen := resets.Load()
		if seen < maxFaults || seen > 30 {
			t.Errorf("%d resets in an hour", seen)
		}
		close(stop)
		time.Sleep(time.Hour)
		if got := state(l); got != Free || resets.Load() > seen+2 {
			t.Errorf("state %q, want %q; %d resets, %d while it failed", got, Free, resets.Load(), seen)
		}
		alarms := r.seen()
		if n := len(alarms); n == 0 || n%2 != 0 || alarms[n-1].Down {
			t.Errorf("alarms %+v", alarms)
		}
	})
}

// Close does not wait for a modem that is down, nor for a record that fails.
func TestCloseWhileDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newFake()
		m.reset = func() error { return errors.New("no answer to ATZ") }
		l, r, _ := ill(t, m)
		r.fail = 1 << 30
		m.wedged <- errors.New("nonsense")
		time.Sleep(time.Hour)
		begun := time.Now()
		l.Close()
		if took := time.Since(begun); took > 0 || !m.closed || m.fault != "" {
			t.Errorf("took %v, closed %v, %s", took, m.closed, m.fault)
		}
	})
}
