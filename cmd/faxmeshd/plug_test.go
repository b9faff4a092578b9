package main

import (
	"context"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/settings"
	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/class1"
	"github.com/faxmesh/faxmesh/modem/exchange"
	"github.com/faxmesh/faxmesh/modem/plug"
	"github.com/faxmesh/faxmesh/node"
)

func TestRetriesKeepLineTime(t *testing.T) {
	line := func(speed float64) node.Line { return node.Line{Modem: &plugged{speed: speed}} }
	for _, c := range []struct {
		lines []node.Line
		want  time.Duration
	}{
		{nil, time.Minute},
		{[]node.Line{line(1)}, time.Minute},
		{[]node.Line{line(20), line(20)}, 3 * time.Second},
		{[]node.Line{line(20), line(1)}, time.Minute},
		{[]node.Line{line(20), line(0)}, time.Minute}, // never open: nobody knows
	} {
		if got := retryPolicy(c.lines).Minute; got != c.want {
			t.Errorf("%d lines: a minute of %v, want %v", len(c.lines), got, c.want)
		}
	}
}

// A simulated line is known by its speed as soon as it is there.
func TestPlugIn(t *testing.T) {
	x := exchange.New(exchange.Config{Speed: 50})
	defer x.Close()
	l := settings.Line{Name: "line1", Device: serveExchange(t, x), Type: settings.TypeSimulated, Number: "03-01", Class: "1"}
	p := plugIn(t.Context(), l, slog.New(slog.DiscardHandler))
	defer p.Close()
	if p.pace() != 50 {
		t.Errorf("pace %v", p.pace())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.WaitRing(ctx); err != context.Canceled {
		t.Errorf("waiting for a ring: %v", err)
	}
}

// station tells the identification with which it is used.
type station struct {
	modem.Modem
	seen []string
}

func (s *station) Send(_ context.Context, out modem.Outgoing) modem.Report {
	s.seen = append(s.seen, out.Station)
	return modem.Report{}
}

func (s *station) Receive(_ context.Context, in modem.Incoming) modem.Report {
	s.seen = append(s.seen, in.Station)
	return modem.Report{}
}

func (s *station) Close() error { return nil }

func TestStationOfTheLine(t *testing.T) {
	for own, want := range map[string]string{"+45 10": "+45 10", "": "NORTH"} {
		var s station
		p := &plugged{station: own, Plug: plug.New(func(context.Context) (modem.Modem, error) { return &s, nil })}
		if err := p.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.Send(t.Context(), modem.Outgoing{Station: "NORTH"})
		p.Receive(t.Context(), modem.Incoming{Station: "NORTH"})
		if !reflect.DeepEqual(s.seen, []string{want, want}) {
			t.Errorf("the line of %q is used as %q", own, s.seen)
		}
	}
}

func TestDriving(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	got := driving(settings.Line{Class: "1.0", Init: "m0l1", DialPrefix: "0,",
		Bugs: settings.LineBugs{NoAdaptive: true, NoFCS: true, RHConnect: true, DLE: true, TMDelay: 400}}, log)
	want := class1.Config{Class: "1.0", Init: []string{"ATM0L1"}, Dial: "T0,", Log: log,
		Bugs: class1.Bugs{NoAdaptive: true, NoFCS: true, RHConnect: true, BareDLE: true, SayDelay: 400 * time.Millisecond}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	for prefix, want := range map[string]string{"": "T", "9w": "T9W", "p": "P", "t0,": "T0,"} {
		if got := dialPrefix(prefix); got != want {
			t.Errorf("DIALPREFIX=%s dials %q, want %q", prefix, got, want)
		}
	}
}
