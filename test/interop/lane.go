package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/faxmesh/faxmesh/test/interop/lab"
)

// furniture is what all lanes share.
type furniture struct {
	dir      string
	exchange string // the program
	hylafax  *lab.HylaFAX
	pages    lab.Document
}

// furnish prepares for the rows.
func furnish(ctx context.Context, rows []row) (_ *furniture, err error) {
	uses := func(name string) bool {
		return slices.ContainsFunc(rows, func(r row) bool { return r.from == name || r.to == name })
	}
	programs := []string{"gs"}
	if uses(efax) {
		programs = append(programs, "efax")
	}
	if missing := lab.Missing(programs...); missing != nil {
		return nil, fmt.Errorf("not installed: %v", missing)
	}
	f := &furniture{}
	if f.dir, err = os.MkdirTemp("", "interop-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	if err := os.Chmod(f.dir, 0o755); err != nil { // HylaFAX is another user
		return nil, err
	}
	if f.exchange, err = lab.Build(f.dir); err != nil {
		return nil, err
	}
	if f.pages, err = lab.StandardPages(ctx, f.dir, mostPages(rows)); err != nil {
		return nil, err
	}
	if uses(hylafax) {
		if f.hylafax, err = lab.StartHylaFAX(ctx); err != nil {
			return nil, fmt.Errorf("%w (-peers efax does without it)", err)
		}
	}
	return f, nil
}

func mostPages(rows []row) int {
	return slices.MaxFunc(rows, func(a, b row) int { return a.pages - b.pages }).pages
}

func (f *furniture) close() {
	if f.hylafax != nil {
		if err := f.hylafax.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "interop: HylaFAX could not be put back as it was:", err)
		}
	}
	os.RemoveAll(f.dir)
}

// lane is an exchange with the stations on it.
type lane struct {
	*lab.Exchange
	dir      string
	furnish  *furniture
	stations map[int]lab.Station // by line
}

// The lines of a lane. HylaFAX keeps lines of its own, for its daemon is slow to
// take one.
const (
	callerLine = iota + 1
	calledLine
	hylafaxCaller
	hylafaxCalled
	laneLines = hylafaxCalled
)

func (f *furniture) open(b batch, prefix string) (*lane, error) {
	dir, err := os.MkdirTemp(f.dir, "lane-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	plan := lab.Plan{Program: f.exchange, Dir: dir, Lines: laneLines, Prefix: prefix, Speed: b.speed, Weather: b.rows[0].weather.Weather}
	if f.hylafax != nil {
		plan.Owner = "uucp"
	}
	x, err := lab.StartExchange(plan)
	if err != nil {
		return nil, err
	}
	return &lane{Exchange: x, dir: dir, furnish: f, stations: map[int]lab.Station{}}, nil
}

func (l *lane) close() {
	for _, s := range l.stations {
		s.Close()
	}
	l.Close()
	os.RemoveAll(l.dir)
}

// station is the program at one end of a call, with its line.
func (l *lane) station(name string, calls bool) (lab.Station, int, error) {
	n := calledLine
	if calls {
		n = callerLine
	}
	switch name {
	case faxmesh:
		return &lab.Faxmesh{Terminal: l.Terminal(n), Speed: l.Speed}, n, nil
	case efax:
		return &lab.Efax{Terminal: l.Terminal(n), Dir: filepath.Join(l.dir, "efax")}, n, nil
	}
	n += hylafaxCaller - callerLine
	if l.stations[n] == nil {
		s, err := l.furnish.hylafax.Line(l.Terminal(n), l.dir)
		if err != nil {
			return nil, 0, err
		}
		l.stations[n] = s
	}
	return l.stations[n], n, nil
}

// try makes the calls of a batch on an exchange of its own.
func (f *furniture) try(ctx context.Context, b batch, prefix string, t *table) {
	l, err := f.open(b, prefix)
	if err == nil {
		defer l.close()
	}
	for _, r := range b.rows {
		v := verdict{wrong: fmt.Sprint(err)}
		if err == nil {
			v = l.call(ctx, r)
		}
		if ctx.Err() != nil {
			return
		}
		t.add(r, v, b.speed)
	}
}

// call makes one call and judges it.
func (l *lane) call(ctx context.Context, r row) verdict {
	ctx, cancel := context.WithTimeout(ctx, wallTime(r.lineTime(), l.Speed))
	defer cancel()
	v, err := l.meet(ctx, r)
	if err != nil {
		v.wrong = err.Error()
		return v
	}
	v.judge(r, l.furnish.pages[:r.pages])
	return v
}

// meet brings the two ends together.
func (l *lane) meet(ctx context.Context, r row) (v verdict, err error) {
	from, _, err := l.station(r.from, true)
	if err != nil {
		return v, err
	}
	to, called, err := l.station(r.to, false)
	if err != nil {
		return v, err
	}
	reception, err := to.Listen(ctx)
	if err != nil {
		return v, fmt.Errorf("%s is not ready: %w", r.to, err)
	}
	defer reception.Cancel()
	l.Forget()
	v.sent, err = from.Send(ctx, l.Number(called), l.furnish.pages[:r.pages], r.mode)
	if err != nil {
		return v, fmt.Errorf("%s as sender: %w", r.from, err)
	}
	// What the receiver still waits for when the sender has gone is bounded by
	// T.30's timers.
	const leaving = 120 * time.Second
	ctx, cancel := context.WithTimeout(ctx, wallTime(leaving, l.Speed))
	defer cancel()
	v.received, err = reception.Wait(ctx)
	if err != nil {
		err = fmt.Errorf("%s as receiver: %w; the sender said: %s", r.to, err, v.sent.Why)
	}
	call, callErr := l.Call(ctx)
	v.offHook = call.OffHook
	return v, errors.Join(err, callErr)
}
