package line

// Rate is a modulation with its bit rate. The numbers are kept in records:
// append, never renumber.
type Rate uint8

// The modulations of Group 3 (T.30 table 2, bits 11-14).
const (
	V21 Rate = iota // 300 bit/s, HDLC control signals
	V27ter2400
	V27ter4800
	V29x7200
	V29x9600
	V17x7200
	V17x9600
	V17x12000
	V17x14400
)

var rates = [...]struct {
	name string
	bps  int
}{
	V21:        {"V.21 300", 300},
	V27ter2400: {"V.27ter 2400", 2400},
	V27ter4800: {"V.27ter 4800", 4800},
	V29x7200:   {"V.29 7200", 7200},
	V29x9600:   {"V.29 9600", 9600},
	V17x7200:   {"V.17 7200", 7200},
	V17x9600:   {"V.17 9600", 9600},
	V17x12000:  {"V.17 12000", 12000},
	V17x14400:  {"V.17 14400", 14400},
}

// String names the modulation and its rate, as "V.17 14400".
func (r Rate) String() string {
	if int(r) >= len(rates) {
		return "unknown modulation"
	}
	return rates[r].name
}

// BitsPerSecond is the bit rate on the line.
func (r Rate) BitsPerSecond() int {
	if int(r) >= len(rates) {
		return 0
	}
	return rates[r].bps
}

// V17 reports whether the rate is one of V.17's, the only modulation with a
// short training.
func (r Rate) V17() bool { return r >= V17x7200 && r <= V17x14400 }
