package main

import (
	"time"

	"github.com/faxmesh/faxmesh/modem/t4"
	"github.com/faxmesh/faxmesh/test/interop/lab"
)

// The nominal times of T.30 and V.17, in seconds.
const (
	dialling  = 1.0               // the exchange's own
	answering = 2.0 + 3.0 + 0.075 // silence, CED
	gap       = 0.075             // when the line turns round or the modulation changes
	csiDIS    = 2.13              // with the preamble of 1 s
	tsiDCS    = 2.04
	training  = 1.393 + 1.5 // V.17 long, TCF
	shortWay  = 0.1425      // V.17 short
	response  = 1.17        // CFR, MCF and commands without a field
	pps       = 1.27
	dcn       = response
	setUp     = dialling + answering + csiDIS + gap + tsiDCS + gap + training + gap + response + gap
	ecmFlags  = 0.2 // before the first frame
)

// Frames of ECM.
const (
	frameOctets = 256
	frameRest   = 6 // address, control, FCF, number, check sequence
	stuffing    = 1 + 1.0/62
	rcpBits     = 158
	blockOctets = 256 * frameOctets
)

// floor is the time off hook that a call takes if both ends are as quick as
// T.30's nominal times have them, V.17 at 14400 bit/s.
func floor(d lab.Document, m lab.Mode) time.Duration {
	s := setUp
	for _, p := range d {
		if m.ECM {
			s += ecmPage(len(t4.AppendMMR(nil, p.Image)), m)
		} else {
			s += plainPage(len(t4.AppendMR(nil, p.Image, t4.MROptions{K: t4.Fine.K(), RTC: true})), m)
		}
	}
	return time.Duration((s + dcn) * float64(time.Second))
}

// plainPage is a page of so many octets, its command and the confirmation.
func plainPage(octets int, m lab.Mode) float64 {
	return shortWay + float64(octets*8)/float64(m.Rate.BitsPerSecond()) + gap + response + gap + response + gap
}

// ecmPage is a page of so many octets with its confirmation.
func ecmPage(octets int, m lab.Mode) float64 {
	var s float64
	for ; octets > 0; octets -= blockOctets {
		frames := (min(octets, blockOctets) + frameOctets - 1) / frameOctets
		bits := float64(frames)*((frameOctets+frameRest)*8*stuffing+8) + rcpBits
		s += shortWay + ecmFlags + bits/float64(m.Rate.BitsPerSecond()) + gap + pps + gap + response + gap
	}
	return s
}
