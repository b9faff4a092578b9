package t30

import "github.com/faxmesh/faxmesh/modem/line"

// Copy quality without ECM. T.30 leaves it to the receiver; these are the
// limits of the field (TSB-85: 4.9 % is accepted, 15.1 % rejected).
const (
	goodPercent   = 5  // fewer bad rows are MCF
	usablePercent = 15 // fewer bad rows are RTP
	maxRunOfBad   = 10 // longer runs of bad rows make RTP of MCF
)

// rateCopy answers a page received without ECM: MCF, RTP or RTN. A page without
// its RTC whose command has come late is only a part: the carrier was lost, and
// the sender has gone on.
func rateCopy(q Quality, late bool) FCF {
	switch {
	case q.Cut && late, q.BadRows*100 >= q.Rows*usablePercent:
		return RTN
	case q.BadRows*100 >= q.Rows*goodPercent || q.ConsecutiveBad > maxRunOfBad:
		return RTP
	}
	return MCF
}

// goodTraining judges a training check: at most one octet in ten is not zero
// and there is an unbroken second of zeros, half of it if ECM will mend the
// rest. Residue of the training at the start, and a late end, are no fault.
func goodTraining(data []byte, rate line.Rate, ecm bool) bool {
	need := rate.BitsPerSecond() / 8
	if ecm {
		need /= 2
	}
	run, longest, other := 0, 0, 0
	for _, b := range data {
		if b != 0 {
			run = 0
			other++
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest >= need && other*10 <= len(data)
}

// lower is the order in which rates are tried (T.30 leaves it open): where V.17
// fails down to 9600 its slowest rate is hardly better, so V.29 is next; never
// back up.
var lower = map[line.Rate]line.Rate{
	line.V17x14400:  line.V17x12000,
	line.V17x12000:  line.V17x9600,
	line.V17x9600:   line.V29x9600,
	line.V17x7200:   line.V29x7200,
	line.V29x9600:   line.V29x7200,
	line.V29x7200:   line.V27ter4800,
	line.V27ter4800: line.V27ter2400,
}

// Slower is the rate that is tried when r has failed; false if there is none.
func Slower(r line.Rate) (line.Rate, bool) {
	s, ok := lower[r]
	return s, ok
}
