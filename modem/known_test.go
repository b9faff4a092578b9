package modem_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
	lt "github.com/faxmesh/faxmesh/modem/line/linetest"
	"github.com/faxmesh/faxmesh/modem/station"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/modem/t30"
	"github.com/faxmesh/faxmesh/modem/t4"
)

// fault is a station that answers f instead of what it should, if the DCS in
// force is as told.
func fault(in func(dis.Session) bool, instead t30.FCF, of ...t30.FCF) lt.Damage {
	var s dis.Session
	return func(tr *lt.Transmission) {
		if lt.Command(lt.Caller, byte(t30.DCS))(tr) {
			s = dis.ParseDCS(hdlc.FIF(tr.Signal.Frames[len(tr.Signal.Frames)-1]))
		}
		for _, f := range of {
			if in(s) && lt.Command(lt.Called, byte(f))(tr) {
				lt.Replace(hdlc.Append(nil, true, byte(instead)))(tr)
			}
		}
	}
}

// summary is how a call went, as "ok at V.17 14400, ECM, MMR".
func summary(r modem.Report) string {
	s := r.Status.String()
	if r.Pages > 0 {
		s += " at " + r.Rate.String()
		if r.ECM {
			s += ", ECM"
		}
		s += ", " + r.Coding
	}
	return s
}

// What goes wrong in one call is not repeated in the next.
func TestCallsLearn(t *testing.T) {
	doc := document{drawing(1, 1728, 60, t4.Standard), drawing(2, 1728, 60, t4.Standard)}
	v17 := func(s dis.Session) bool { r, _ := s.LineRate(); return r.V17() }
	coded := func(c string) func(dis.Session) bool { return func(s dis.Session) bool { return s.Coding() == c } }
	ecm := func(s dis.Session) bool { return s[dis.ECM] != 0 }
	any := func(dis.Session) bool { return true }
	for name, c := range map[string]struct {
		from   modem.Options
		damage lt.Damage
		want   []string // of the calls in a row
	}{
		"V.17 never trains": {modem.Options{}, lt.BadTraining(line.V29x9600),
			[]string{"ok at V.29 9600, ECM, MMR", "ok at V.29 9600, ECM, MMR"}},
		"it leaves when it sees V.17": {modem.Options{}, fault(v17, t30.DCN, t30.CFR, t30.FTT),
			[]string{"disconnected", "ok at V.29 9600, ECM, MMR"}},
		"it cannot take MMR": {modem.Options{}, fault(coded("MMR"), t30.DCN, t30.MCF),
			[]string{"disconnected", "ok at V.17 14400, ECM, MR"}},
		"it fumbles ECM": {modem.Options{}, fault(ecm, t30.DCN, t30.MCF),
			[]string{"disconnected", "disconnected", "ok at V.17 14400, MR"}},
		"it rejects MR": {modem.Options{NoECM: true}, fault(coded("MR"), t30.RTN, t30.MCF),
			[]string{"page-rejected", "ok at V.17 14400, MH"}},
	} {
		t.Run(name, func(t *testing.T) {
			var known station.Known
			for i, want := range c.want {
				x := ring(t, t.Context(), modem.Outgoing{Pages: doc, Known: known}, c.from, modem.Options{}, c.damage)
				if got := summary(x.sent); got != want {
					t.Fatalf("call %d: %s, want %s\n%s", i+1, got, want, x.sent.Transcript)
				}
				failed := strings.Count(x.sent.Transcript, "FTT")
				if i > 0 && failed > 0 {
					t.Errorf("call %d tries %d rates that fail", i+1, failed)
				}
				known = kept(t, x.sent.Known)
			}
		})
	}

	t.Run("it rejects whatever comes", func(t *testing.T) {
		var known station.Known
		var sent []int
		for range 4 {
			n := 0
			count := lt.When(lt.Kind(lt.Caller, line.Page), func(*lt.Transmission) { n++ })
			x := ring(t, t.Context(), modem.Outgoing{Pages: doc, Known: known}, modem.Options{NoECM: true}, modem.Options{}, lt.Each(count, fault(any, t30.RTN, t30.MCF)))
			if x.sent.Status != status.PageRejected || x.sent.Pages != 0 || len(x.confirmed) != 0 {
				t.Fatalf("ended %v with %v confirmed", x.sent.Status, x.confirmed)
			}
			sent, known = append(sent, n), kept(t, x.sent.Known)
		}
		if got := fmt.Sprint(sent); got != "[3 3 3 1]" {
			t.Errorf("the page was sent %s times: the last call is to give up at once", got)
		}
	})
}

// kept is what is known after it has been in a file.
func kept(t *testing.T, k station.Known) (back station.Known) {
	t.Helper()
	data, err := json.Marshal(k)
	if err == nil {
		err = json.Unmarshal(data, &back)
	}
	if err != nil || back != k {
		t.Fatalf("%s is read back as %+v, %v", data, back, err)
	}
	return back
}

// A station that does not train at V.17 costs the ladder in the first call, not
// in the second; when what is known is old it is tried again.
func TestLadderIsPaidOnce(t *testing.T) {
	doc := document{drawing(1, 1728, 60, t4.Standard)}
	call := func(k station.Known) modem.Report {
		return ring(t, t.Context(), modem.Outgoing{Pages: doc, Known: k}, modem.Options{}, modem.Options{}, lt.BadTraining(line.V29x9600)).sent
	}
	first := call(station.Known{})
	second := call(first.Known)
	old := second.Known
	old.V17.Last = old.V17.Last.Add(-station.FirstBelief)
	third := call(old)
	for i, c := range []struct {
		r      modem.Report
		failed int
		count  int
	}{{first, 3, 1}, {second, 0, 1}, {third, 3, 2}} {
		if failed := strings.Count(c.r.Transcript, "FTT"); failed != c.failed || c.r.Status != status.OK || c.r.Known.V17.Count != c.count {
			t.Errorf("call %d: %v, %d rates failed, want %d; V.17 %+v\n%s", i+1, c.r.Status, failed, c.failed, c.r.Known.V17, c.r.Transcript)
		}
	}
	if saved := first.Duration - second.Duration; saved < 15*time.Second {
		t.Errorf("the second call is only %v shorter than %v", saved, first.Duration)
	}
}

// A call that does not come about teaches nothing.
func TestNothingLearnt(t *testing.T) {
	p := &phone{fail: &status.Error{Code: status.Busy}}
	known := station.Known{Can: "00ae8044"}
	r := modem.New(p, modem.Options{}).Send(t.Context(), modem.Outgoing{Pages: document{drawing(1, 1728, 10, t4.Fine)}, Known: known})
	if r.Status != status.Busy || r.Known != (station.Known{}) {
		t.Errorf("%v with %+v", r.Status, r.Known)
	}
}
