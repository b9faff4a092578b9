package station

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/modem/t30"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const minute = time.Minute

var (
	modern = dis.Capabilities{dis.Receive: 1, dis.Rate: dis.V27terV29V17, dis.ECM: 1, dis.MMR: 1, dis.MR: 1}
	mmrs   = dis.Session{dis.ECM: 1, dis.MMR: 1}
	ecms   = dis.Session{dis.ECM: 1}
	mrs    = dis.Session{dis.MR: 1}
	mhs    = dis.Session{}
	v17s   = []line.Rate{line.V17x14400, line.V17x12000, line.V17x9600}
)

const top = line.V17x14400

// calls: the advice after each call in a row, a minute apart. Each rule of
// Learn is one row.
func TestRules(t *testing.T) {
	type call struct {
		end  status.Code
		seen t30.Seen
		want string // advice after it
	}
	good := call{status.OK, t30.Seen{Session: mmrs, Began: top, Trained: top, Confirmed: top}, ""}
	in := func(s dis.Session, end status.Code, rate line.Rate, want string) call {
		return call{end, t30.Seen{Session: s, Began: rate, Trained: rate}, want}
	}
	rejects := func(s dis.Session, rate line.Rate, want string) call {
		return call{status.PageRejected, t30.Seen{Session: s, Began: rate, Trained: rate, Rejected: 3}, want}
	}
	for name, calls := range map[string][]call{
		"a good call": {good},
		"V.17 never trains": {
			{status.OK, t30.Seen{Session: mmrs, Began: top, Failed: v17s, Trained: line.V29x9600, Confirmed: line.V29x9600}, "V.29 9600 at most"},
		},
		"nor V.29 at its best": {
			{status.OK, t30.Seen{Session: mmrs, Began: top, Failed: append(slices.Clone(v17s), line.V29x9600), Trained: line.V29x7200, Confirmed: line.V29x7200}, "V.29 7200 at most"},
		},
		"V.17 does not train, and the page fails": {
			{status.Disconnected, t30.Seen{Session: mhs, Began: top, Failed: v17s, Trained: line.V29x9600}, "V.29 7200 at most"},
		},
		"no rate trains": {
			{status.TrainingFailed, t30.Seen{Session: mmrs, Began: top, Failed: v17s}, "V.29 9600 at most"},
			{status.TrainingFailed, t30.Seen{Session: mmrs, Began: line.V29x9600, Failed: []line.Rate{line.V29x9600}}, "V.29 7200 at most"},
			{status.TrainingFailed, t30.Seen{Session: mmrs, Began: line.V29x7200}, "V.27ter 4800 at most"},
			{status.TrainingFailed, t30.Seen{Session: mmrs, Began: line.V27ter4800}, "V.27ter 2400 at most"},
			{status.TrainingFailed, t30.Seen{Session: mmrs, Began: line.V27ter2400}, "V.27ter 2400 at most"},
		},
		"it leaves at the first DCS": {
			{status.Disconnected, t30.Seen{Session: mmrs, Began: top, Waiting: top}, "V.29 9600 at most"},
			{status.Disconnected, t30.Seen{Session: mmrs, Began: line.V29x9600, Waiting: line.V29x9600}, "V.29 7200 at most"},
		},
		"it leaves after three failures": {
			{status.Disconnected, t30.Seen{Session: mmrs, Began: top, Failed: v17s, Waiting: line.V29x9600}, "V.29 9600 at most"},
		},
		"silent at V.17":      {{status.NoTrainResponse, t30.Seen{Session: mmrs, Began: top, Waiting: top}, "V.29 9600 at most"}},
		"cut off in training": {{status.LineDropped, t30.Seen{Session: mmrs, Began: top, Waiting: top}, "V.29 9600 at most"}},
		"a slow line": {
			{status.OK, t30.Seen{Session: mmrs, Began: top, Failed: v17s[:1], Trained: line.V17x12000, Confirmed: line.V17x12000}, "V.17 12000 at most"},
			{status.OK, t30.Seen{Session: mmrs, Began: line.V17x12000, Trained: line.V17x12000, Confirmed: line.V17x12000}, "V.17 12000 at most"},
			{status.OK, t30.Seen{Session: mmrs, Began: line.V17x12000, Trained: line.V17x12000, Confirmed: line.V17x9600}, "V.17 9600 at most"},
		},
		"MMR, then ECM cannot be taken": {
			in(mmrs, status.Disconnected, top, "no MMR"),
			in(ecms, status.NoResponse, top, "no ECM, no MMR"),
			in(mrs, status.BadResponse, top, "no ECM, no MMR, no MR"),
			in(mhs, status.Disconnected, top, "V.17 12000 at most, no ECM, no MMR, no MR"),
			in(mhs, status.Disconnected, line.V17x12000, "V.17 9600 at most, no ECM, no MMR, no MR"),
		},
		"MR cannot be taken": {
			in(mrs, status.NoResponse, top, "no MR"),
			{status.OK, t30.Seen{Session: mhs, Began: top, Trained: top, Confirmed: top}, "no MR"},
		},
		"beyond correction": {
			in(mmrs, status.ECMFailed, top, "V.17 12000 at most"),
			in(mmrs, status.ECMFailed, line.V17x12000, "V.17 12000 at most, no ECM"),
			{status.OK, t30.Seen{Session: mhs, Began: line.V17x12000, Trained: line.V17x12000, Confirmed: line.V17x12000}, "V.17 12000 at most, no ECM"},
		},
		"it trains and loses the image": {
			{status.ECMFailed, t30.Seen{Session: mmrs, Began: top, Trained: top, Unheard: 8}, "V.29 9600 at most"},
			{status.ECMFailed, t30.Seen{Session: mmrs, Began: line.V29x9600, Trained: line.V29x9600, Unheard: 8}, "V.29 7200 at most"},
		},
		"noise, once a whole block of it": {{status.ECMFailed, t30.Seen{Session: mmrs, Began: top, Trained: top, Unheard: 1}, "V.17 12000 at most"}},
		"it rejects MR": {
			rejects(mrs, top, "no MR"),
			{status.OK, t30.Seen{Session: mhs, Began: top, Trained: top, Confirmed: top}, "no MR"},
		},
		"it rejects everything": {
			rejects(mrs, top, "no MR"),
			rejects(mhs, top, "V.17 12000 at most, no MR"),
			rejects(mhs, line.V17x12000, "V.17 12000 at most, no MR, no repetition of rejected pages"),
			rejects(mhs, line.V17x12000, "V.17 9600 at most, no MR, no repetition of rejected pages"),
			{status.OK, t30.Seen{Session: mhs, Began: line.V17x9600, Trained: line.V17x9600, Confirmed: line.V17x9600}, "V.17 9600 at most, no MR"},
		},
		"it rejects a later page": {
			{status.PageRejected, t30.Seen{Session: mrs, Began: top, Trained: top, Confirmed: top, Rejected: 3}, "V.17 12000 at most"},
		},
		"a rate that has worked": {
			{status.OK, t30.Seen{Session: mmrs, Began: line.V29x9600, Trained: line.V29x9600, Confirmed: line.V29x9600}, ""},
			in(mmrs, status.ECMFailed, top, "V.29 9600 at most"),
		},
		"what works is cleared": {
			in(mmrs, status.Disconnected, top, "no MMR"),
			{status.Disconnected, t30.Seen{Session: mhs, Began: top, Waiting: top}, "V.29 9600 at most, no MMR"},
			good,
		},
		// What says nothing about the station.
		"stopped by a person":     {in(mmrs, status.Aborted, top, "")},
		"stopped in training":     {{status.Aborted, t30.Seen{Session: mmrs, Began: top, Waiting: top}, ""}},
		"cut off in a page":       {in(mmrs, status.LineDropped, top, "")},
		"own modem":               {in(mmrs, status.ModemFailure, top, "")},
		"own disk":                {in(mmrs, status.NotRecorded, top, "")},
		"not a fax machine":       {{status.NoIdentification, t30.Seen{}, ""}},
		"out of paper":            {in(mmrs, status.RemoteBusy, top, "")},
		"gone after some pages":   {{status.Disconnected, t30.Seen{Session: mmrs, Began: top, Trained: top, Confirmed: top}, ""}},
		"it cannot receive now":   {{status.CannotReceive, t30.Seen{}, ""}},
		"one page sent again":     {{status.OK, t30.Seen{Session: mhs, Began: top, Trained: top, Confirmed: top, Rejected: 1}, ""}},
		"corrected at last":       {{status.OK, t30.Seen{Session: mmrs, Began: top, Trained: top, Confirmed: top}, ""}},
		"nothing to be fetched":   {{status.NothingToPoll, t30.Seen{}, ""}},
		"V.29 is all that it has": {{status.OK, t30.Seen{Session: mmrs, Began: line.V29x9600, Trained: line.V29x9600, Confirmed: line.V29x9600}, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			var k Known
			for i, c := range calls {
				c.seen.Can = modern
				now := noon.Add(time.Duration(i) * minute)
				k = k.Learn(c.end, c.seen, now)
				if got := k.Advise(now.Add(minute)).String(); got != c.want {
					t.Errorf("after call %d: %q, want %q\n%+v", i+1, got, c.want, k)
				}
			}
			if k.Capabilities() != modern {
				t.Errorf("capabilities are kept as %v", k.Capabilities())
			}
		})
	}
}

// A bad day is not for ever, a bad machine nearly so.
func TestBelief(t *testing.T) {
	leaves := t30.Seen{Session: mmrs, Began: top, Waiting: top, Can: modern}
	now := noon
	var k Known
	believed := func(after time.Duration) bool { return k.Advise(now.Add(after)).MaxRate != line.V21 }
	learn := func() { k = k.Learn(status.Disconnected, leaves, now) }

	want := FirstBelief
	for bout := 1; bout <= 12; bout++ {
		learn()
		if k.V17.Count != bout || !believed(want-minute) || believed(want+minute) {
			t.Fatalf("bout %d: %+v is not believed for %v", bout, k.V17, want)
		}
		now = now.Add(want + minute)
		want = min(2*want, LongestBelief)
	}

	// The retries of one bad hour are one bout.
	k = Known{}
	for range 20 {
		learn()
		now = now.Add(minute)
	}
	if k.V17.Count != 1 || believed(FirstBelief+minute) {
		t.Errorf("one hour counts %d", k.V17.Count)
	}

	k.V17.Count = 5
	now = now.Add(Forget + minute)
	if learn(); k.V17.Count != 1 {
		t.Errorf("what should be forgotten counts %d", k.V17.Count)
	}

	// A call with V.17 clears it, however often it was wrong.
	k.V17.Count = 5
	k = k.Learn(status.OK, t30.Seen{Session: mmrs, Began: top, Trained: top, Confirmed: top}, now)
	if k.V17 != (Trouble{}) || believed(minute) {
		t.Errorf("V.17 works, and is believed not to: %+v", k.V17)
	}

	// A clock that was years ahead.
	k.V17 = Trouble{Count: 1, Last: now.AddDate(30, 0, 0)}
	if believed(0) {
		t.Error("what will happen in years is believed")
	}
	if learn(); k.V17.Count != 1 || !k.V17.Last.Equal(now) {
		t.Errorf("a clock that was ahead is not set right: %+v", k.V17)
	}
}

// A limit never leaves less than the station has.
func TestAdviceLeavesARate(t *testing.T) {
	k := Known{Slow: Trouble{1, noon}, Start: line.V27ter2400}
	for rate, want := range map[uint8]line.Rate{
		dis.V29:            line.V29x7200,
		dis.V27ter:         line.V27ter2400,
		dis.V27terFallback: line.V27ter2400,
		dis.V27terV29V17:   line.V27ter2400,
	} {
		k := k.Learn(status.CannotReceive, t30.Seen{Can: dis.Capabilities{dis.Receive: 1, dis.Rate: rate}}, noon)
		if got := k.Advise(noon).MaxRate; got != want {
			t.Errorf("modulations %04b: %v at most, want %v", rate, got, want)
		}
	}
}

// It is kept as JSON, by programs of other ages.
func TestJSON(t *testing.T) {
	k := Known{}.Learn(status.ECMFailed, t30.Seen{Can: modern, Session: mmrs, Began: top, Trained: top}, noon.In(time.FixedZone("", 7200)))
	data, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"can":"00ae8044","slow":{"count":1,"last":"2026-11-23T12:00:00Z"},"start":7}`
	var back Known
	if err := json.Unmarshal(data, &back); err != nil || back != k || string(data) != want {
		t.Errorf("%s is read back as %+v, %v", data, back, err)
	}
	if data, _ := json.Marshal(Known{}); string(data) != "{}" {
		t.Errorf("nothing is written as %s", data)
	}
	if err := json.Unmarshal([]byte(`{"later":{"count":3},"rtn":{"count":1,"last":"2026-11-23T12:00:00Z","why":7}}`), &back); err != nil || !back.Advise(noon).GiveUp {
		t.Errorf("a later program's record: %+v, %v", back, err)
	}
}

// Whatever the record says, and whatever a call has shown, there is advice that
// leaves a rate, and what is learnt can be kept.
func FuzzLearn(f *testing.F) {
	f.Add([]byte(`{"can":"00ae8044","slow":{"count":1,"last":"2026-11-23T12:00:00Z"},"start":7}`), uint16(37), []byte{0, 0x4e, 0x14}, uint8(8), uint8(0), uint8(8), uint8(0), uint8(1))
	f.Add([]byte(`{"can":"x","rate":250,"start":99,"v17":{"count":-1},"rtn":{"count":1000000000000}}`), uint16(35), []byte{}, uint8(9), uint8(3), uint8(0), uint8(200), uint8(0))
	f.Fuzz(func(t *testing.T, record []byte, end uint16, dcs []byte, began, waiting, trained, confirmed, rejected uint8) {
		var k Known
		if json.Unmarshal(record, &k) != nil {
			return
		}
		seen := t30.Seen{Can: modern, Session: dis.ParseDCS(dcs), Began: line.Rate(began), Waiting: line.Rate(waiting),
			Trained: line.Rate(trained), Confirmed: line.Rate(confirmed), Rejected: int(rejected)}
		k = k.Learn(status.Code(end), seen, noon)
		if a := k.Advise(noon); a.MaxRate != line.V21 && a.MaxRate < line.V27ter2400 {
			t.Fatalf("%+v advises %v", k, a.MaxRate)
		}
		data, err := json.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		var back Known
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		if again, err := json.Marshal(back); err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%s is read back as %s, %v", data, again, err)
		}
	})
}
