package dis

import (
	"fmt"
	"strings"
	"time"

	"github.com/faxmesh/faxmesh/modem/line"
)

// Values of the Rate field in DIS (bits 11 to 14, bit 11 lowest).
const (
	V27terFallback uint8 = 0b0000 // V.27ter at 2400 alone
	V27ter         uint8 = 0b0010
	V29            uint8 = 0b0001
	V27terV29      uint8 = 0b0011
	V27terV29V17   uint8 = 0b1011
)

// dcsRates maps the Rate field of a DCS. V.33 and reserved values are absent.
var dcsRates = map[uint8]line.Rate{
	0b0000: line.V27ter2400,
	0b0010: line.V27ter4800,
	0b0001: line.V29x9600,
	0b0011: line.V29x7200,
	0b1011: line.V17x7200,
	0b1001: line.V17x9600,
	0b1010: line.V17x12000,
	0b1000: line.V17x14400,
}

// Values of the Width and Length fields.
const (
	Width215  uint8 = 0
	Width255  uint8 = 1
	Width303  uint8 = 2
	Unlimited uint8 = 2
)

// widths are the lengths of a scan line in mm.
var widths = [...]int{215, 255, 303}

// widthIndex reads the invalid value 11 as the widest.
func widthIndex(v uint8) int { return min(int(v), len(widths)-1) }

// ScanTimeNone is the ScanTime of a station that needs no fill.
const ScanTimeNone uint8 = 7

// scanTimes are the milliseconds of the ScanTime field at 3.85 and at 7.7
// lines/mm. A DCS uses the values with both columns equal.
var scanTimes = [8]struct{ standard, fine int }{
	{20, 20}, {5, 5}, {10, 10}, {20, 10}, {40, 40}, {40, 20}, {10, 5}, {0, 0},
}

// Rates lists the rates c offers, best first: V.17, V.29, V.27ter.
func (c Capabilities) Rates() []line.Rate {
	var out []line.Rate
	v := c[Rate]
	if v == V27terV29V17 {
		out = append(out, line.V17x14400, line.V17x12000, line.V17x9600, line.V17x7200)
	}
	if v&V29 != 0 {
		out = append(out, line.V29x9600, line.V29x7200)
	}
	if v&V27ter != 0 {
		out = append(out, line.V27ter4800)
	}
	if v&V27ter != 0 || v == V27terFallback {
		out = append(out, line.V27ter2400)
	}
	return out
}

// LineRate is the rate of the session; false if the value is unknown.
func (s Session) LineRate() (line.Rate, bool) {
	r, ok := dcsRates[s[Rate]]
	return r, ok
}

// SetRate puts r into the Rate field. It panics for V.21, which has no value.
func (s *Session) SetRate(r line.Rate) {
	for v, known := range dcsRates {
		if known == r {
			s[Rate] = v
			return
		}
	}
	panic("dis: no DCS value for " + r.String())
}

// CTC is the FIF of a CTC: bits 1 to 16 of a DCS, of which those of the rate
// alone mean something (T.30 Annex A.4.2).
func (s Session) CTC() []byte { return Session{Rate: s[Rate]}.Append(nil)[:2] }

// Coding names how pages are coded: "MH", "MR" or "MMR".
func (s Session) Coding() string {
	switch {
	case s[MMR] != 0:
		return "MMR"
	case s[MR] != 0:
		return "MR"
	}
	return "MH"
}

// FrameSize is the number of page octets in an ECM frame (T.30 Annex A).
func (s Session) FrameSize() int {
	if s[Frame64] != 0 {
		return 64
	}
	return 256
}

// MinScanTime is the least time a coded line must take without ECM.
func (s Session) MinScanTime() time.Duration {
	return time.Duration(scanTimes[s[ScanTime]&7].standard) * time.Millisecond
}

func modulationNames(v uint8) string {
	switch v {
	case V27terFallback:
		return "V.27ter 2400"
	case V27ter:
		return "V.27ter"
	case V29:
		return "V.29"
	case V27terV29:
		return "V.27ter V.29"
	case V27terV29V17:
		return "V.27ter V.29 V.17"
	}
	return fmt.Sprintf("modulations %04b", v)
}

func rateName(v uint8) string {
	if r, ok := dcsRates[v]; ok {
		return r.String()
	}
	return fmt.Sprintf("rate %04b", v)
}

func widthName(v uint8) string { return fmt.Sprintf("%d mm", widths[widthIndex(v)]) }

func lengthName(v uint8) string {
	return [...]string{"A4", "B4", "unlimited"}[lengthRank(v)]
}

func scanTimeName(v uint8) string { return fmt.Sprintf("%d ms", scanTimes[v&7].standard) }

func scanTimeNames(v uint8) string {
	t := scanTimes[v&7]
	return fmt.Sprintf("%d/%d ms", t.standard, t.fine)
}

// String prints the capabilities, as in a transcript.
func (c Capabilities) String() string {
	return values(c).print(func(r row) func(uint8) string { return r.dis })
}

// String prints the session, as in a transcript.
func (s Session) String() string {
	return values(s).print(func(r row) func(uint8) string { return r.dcs })
}

func (v values) print(how func(row) func(uint8) string) string {
	var parts []string
	for f, r := range table {
		if name := how(r); name != nil {
			parts = append(parts, name(v[f]))
		} else if v[f] != 0 {
			parts = append(parts, r.name)
		}
	}
	return strings.Join(parts, ", ")
}
