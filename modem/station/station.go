// Package station is what is known of a remote fax machine.
//
// A Known goes into a call to the machine, which keeps to its Advise, and what
// the call has shown goes into it by Learn. So a call that is repeated is not
// repeated in the way that failed. It is a value: it may be kept anywhere, and
// the time is an argument.
//
// What went wrong is believed for a time, for the machine may be repaired or the
// line may have had a bad day. Then the call is tried as if nothing had been;
// what goes wrong again is believed for twice as long.
package station

import (
	"encoding/hex"
	"strings"
	"time"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/line"
)

// How long trouble is believed.
const (
	FirstBelief   = 24 * time.Hour
	LongestBelief = 60 * 24 * time.Hour
	// Forget: trouble so long ago says nothing about trouble now.
	Forget = 180 * 24 * time.Hour
	// maxCount is far more bouts of trouble than make a difference.
	maxCount = 100
)

// Known is what is known of a station. The zero value is a station of which
// nothing is known. Fields may be added, never renamed: it is kept as JSON.
type Known struct {
	// Can is the FIF of its last DIS or DTC in hexadecimal digits.
	Can string `json:"can,omitempty"`
	// Rate is the highest rate at which it has confirmed a page in the last call
	// that had one.
	Rate line.Rate `json:"rate,omitzero"`

	Slow  Trouble   `json:"slow,omitzero"`  // calls have to begin slower than both can
	Start line.Rate `json:"start,omitzero"` // with this rate

	V17 Trouble `json:"v17,omitzero"` // does not train at V.17
	ECM Trouble `json:"ecm,omitzero"` // fumbles error correction
	MMR Trouble `json:"mmr,omitzero"` // offers codings that it cannot take
	MR  Trouble `json:"mr,omitzero"`
	RTN Trouble `json:"rtn,omitzero"` // rejects whatever is sent
}

// Trouble is what went wrong, how often and when.
type Trouble struct {
	Count int       `json:"count,omitzero"` // bouts: calls that had it while it was not believed
	Last  time.Time `json:"last,omitzero"`  // UTC, in whole seconds
}

// believed reports whether calls are made with t in mind. Nodes' clocks differ
// and may be set: what happened in the future is as good as what happened as
// long ago.
func (t Trouble) believed(now time.Time) bool {
	return t.Count > 0 && now.Sub(t.Last).Abs() < t.belief()
}

func (t Trouble) belief() time.Duration {
	d := FirstBelief
	for n := 1; n < t.Count && d < LongestBelief; n++ {
		d *= 2
	}
	return min(d, LongestBelief)
}

// again is t after it has been there once more. Calls that had it while it was
// believed are the same bout, or the retries of a bad hour would count for years.
func (t Trouble) again(now time.Time) Trouble {
	switch {
	case t.believed(now):
	case now.Sub(t.Last).Abs() > Forget:
		t.Count = 1
	default:
		t.Count = min(max(t.Count, 0)+1, maxCount)
	}
	t.Last = now.UTC().Truncate(time.Second)
	return t
}

// Advice is how to call a station.
type Advice struct {
	MaxRate line.Rate // V21: no limit
	NoECM   bool
	NoMMR   bool
	NoMR    bool
	// GiveUp: the call is ended at the first page that is rejected, for the
	// station rejects what it has printed, and would print it again.
	GiveUp bool
}

// Advise says how to call the station now.
func (k Known) Advise(now time.Time) Advice {
	a := Advice{
		NoECM:  k.ECM.believed(now),
		NoMMR:  k.MMR.believed(now),
		NoMR:   k.MR.believed(now),
		GiveUp: k.RTN.believed(now),
	}
	if k.V17.believed(now) {
		a.MaxRate = line.V29x9600
	}
	if k.Slow.believed(now) && k.Start.BitsPerSecond() > 0 && (a.MaxRate == line.V21 || k.Start < a.MaxRate) {
		a.MaxRate = k.Start
	}
	// A limit that leaves no rate would end the call.
	if rates := k.Capabilities().Rates(); a.MaxRate != line.V21 && k.Can != "" && len(rates) > 0 {
		a.MaxRate = max(a.MaxRate, rates[len(rates)-1])
	}
	return a
}

// Capabilities are those of its last DIS or DTC.
func (k Known) Capabilities() dis.Capabilities {
	fif, _ := hex.DecodeString(k.Can) // what is damaged ends where the damage is
	return dis.Parse(fif)
}

// String is as "V.29 9600 at most, no MMR"; empty if there is nothing to heed.
func (a Advice) String() string {
	var parts []string
	if a.MaxRate != line.V21 {
		parts = append(parts, a.MaxRate.String()+" at most")
	}
	for _, p := range []struct {
		heed bool
		what string
	}{{a.NoECM, "no ECM"}, {a.NoMMR, "no MMR"}, {a.NoMR, "no MR"}, {a.GiveUp, "no repetition of rejected pages"}} {
		if p.heed {
			parts = append(parts, p.what)
		}
	}
	return strings.Join(parts, ", ")
}
