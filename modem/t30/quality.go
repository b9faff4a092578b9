package t30

import (
	"fmt"
	"time"

	"github.com/faxmesh/faxmesh/modem/line"
)

// Copy quality without ECM. T.30 leaves it to the receiver; the percentages are
// the limits of the field (TSB-85: 4.9 % is accepted, 15.1 % rejected). Rows that
// have vanished count as bad ones do: a page is confirmed if what is missing from
// it can be concealed, and no line of text can have gone without a trace.
const (
	goodPercent   = 5  // fewer bad rows are MCF
	usablePercent = 15 // fewer bad rows are RTP
	maxRunOfBad   = 10 // longer runs of bad rows make RTP of MCF
	textLines     = 6  // of print to an inch: a run as high as one of them is RTN
	minPerInch    = 98 // rows of T.4's coarsest resolution
)

// rateCopy answers a page received without ECM: MCF, RTP or RTN. PerInch are the
// rows of an inch. A page without its RTC whose command has come late is only a
// part: the carrier was lost, and the sender has gone on. If the command came at
// once, either the sender makes no RTC or the line has spoilt it: damage tells.
func rateCopy(q Quality, perInch int, late bool) FCF {
	bad, all := q.BadRows+q.LostRows, q.Rows+q.LostRows
	switch {
	case q.Cut && late, bad*100 >= all*usablePercent, q.ConsecutiveBad*textLines >= max(perInch, minPerInch):
		return RTN
	case bad*100 >= all*goodPercent, q.ConsecutiveBad > maxRunOfBad, q.Cut && bad > 0:
		return RTP
	}
	return MCF
}

// longestRow is how long a coded row may take (T.4 clause 4.1.3); who sends none in
// that time is disconnected.
const longestRow = 5 * time.Second

// tooSlow reports whether a page was held up by fill for longer than a row may
// take. Damage is not fill.
func tooSlow(data []byte, rate line.Rate) bool {
	most := int(longestRow.Seconds()) * rate.BitsPerSecond() / 8
	run := 0
	for _, b := range data {
		if b != 0 {
			run = 0
		} else if run++; run > most {
			return true
		}
	}
	return false
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

// flaws is what a transcript says of a page beyond its damaged rows.
func (q Quality) flaws() string {
	text := ""
	if q.LostRows > 0 {
		text += fmt.Sprintf(", about %d lost", q.LostRows)
	}
	if q.Cut {
		text += ", its end is missing"
	}
	return text
}
