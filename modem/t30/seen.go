package t30

import (
	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/line"
)

// Seen is what a sender has seen of the remote station beyond how the call
// ended: what the next call to it can learn from.
type Seen struct {
	Can     dis.Capabilities // its last DIS or DTC; zero: none came
	Session dis.Session      // the last DCS to it
	Began   line.Rate        // rate of the first DCS; V21: none was said
	Failed  []line.Rate      // rates at which training failed (FTT), as they were tried
	// Waiting is the rate of a DCS that neither CFR nor FTT has answered when the
	// call ended; V21: there is none.
	Waiting   line.Rate
	Trained   line.Rate // highest rate at which training succeeded; V21: none
	Confirmed line.Rate // highest rate at which a page was confirmed; V21: none
	Rejected  int       // times that a page was rejected (RTN, PIN)
	Unheard   int       // times that of a whole block nothing had come (PPR)
}

// said takes down a DCS with its training check.
func (v *Seen) said(s dis.Session, r line.Rate) {
	if v.Began == line.V21 {
		v.Began = r
	}
	v.Session, v.Waiting = s, r
}

// answered takes down CFR or FTT.
func (v *Seen) answered(trained bool) {
	if trained {
		v.Trained = max(v.Trained, v.Waiting)
	} else {
		v.Failed = append(v.Failed, v.Waiting) // no rate twice: the ladder goes down
	}
	v.Waiting = line.V21
}
