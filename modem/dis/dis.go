// Package dis is the table of facilities behind DIS, DTC and DCS.
//
// One row of the table stands for one field of T.30 table 2; building, parsing,
// negotiating and printing are loops over it. What a station could do is
// Capabilities (DIS, DTC), what it does in this call is a Session (DCS). FIFs
// are in DTE order: bit n of table 2 is bit (n-1)%8 of octet (n-1)/8.
package dis

// Field is a row of the table.
type Field int

// The fields that this system names; others are read and ignored.
const (
	T37       Field = iota
	T38             // T.38 capable
	V8              // V.8 capable
	Prefer64        // prefers ECM frames of 64 octets
	Transmit        // has a document to be polled
	Receive         // can receive now; in DCS: is to receive
	Rate            // modulations; in DCS: the rate
	Fine            // R8 x 7.7 lines/mm
	MR              // two-dimensional coding
	Width           // scan line length
	Length          // page length
	ScanTime        // minimum scan line time
	ECM             // error correction
	Frame64         // DCS: ECM frames of 64 octets instead of 256
	MMR             // T.6 coding
	FNV             // field not valid
	PSA             // polled sub-address
	Superfine       // R8 x 15.4 lines/mm
	R300            // 300 x 300
	R16             // R16 x 15.4 lines/mm
	Inch            // inch-based resolutions
	Metric          // metric resolutions
	HalfTime        // at 15.4 lines/mm half the scan line time of 7.7
	SEP             // selective polling
	SUB             // sub-address
	PWD             // password, sender identification
	Letter          // North American Letter
	Legal           // North American Legal
	JBIG            // T.85
	JBIGL0          // T.85 with optional L0
	R600            // 600 x 600
	R1200           // 1200 x 1200
	R300x600        // 300 x 600
	R400x800        // 400 x 800
	R600x1200       // 600 x 1200
	IAF             // Internet aware
	fields
)

// row describes one field. Its value is the number made of its bits, the lowest
// numbered bit the least significant.
type row struct {
	name  string
	first int // bit number in T.30 table 2
	bits  int
	// dis and dcs print a value; nil prints the name if the value is not 0.
	dis, dcs func(v uint8) string
	// choose picks the value for DCS from what both stations can do; nil means
	// that the field is not a matter of plain agreement.
	choose func(remote, own uint8) uint8
}

var table = [fields]row{
	T37:       {name: "T.37", first: 1, bits: 1},
	T38:       {name: "T.38", first: 3, bits: 1},
	V8:        {name: "V.8", first: 6, bits: 1},
	Prefer64:  {name: "prefers 64-octet frames", first: 7, bits: 1},
	Transmit:  {name: "can be polled", first: 9, bits: 1},
	Receive:   {name: "receive", first: 10, bits: 1, choose: receiving},
	Rate:      {name: "rate", first: 11, bits: 4, dis: modulationNames, dcs: rateName},
	Fine:      {name: "fine", first: 15, bits: 1},
	MR:        {name: "MR", first: 16, bits: 1, choose: both},
	Width:     {name: "width", first: 17, bits: 2, dis: widthName, dcs: widthName},
	Length:    {name: "length", first: 19, bits: 2, dis: lengthName, dcs: lengthName, choose: longer},
	ScanTime:  {name: "scan line time", first: 21, bits: 3, dis: scanTimeNames, dcs: scanTimeName},
	ECM:       {name: "ECM", first: 27, bits: 1, choose: both},
	Frame64:   {name: "64-octet frames", first: 28, bits: 1},
	MMR:       {name: "MMR", first: 31, bits: 1, choose: both},
	FNV:       {name: "FNV", first: 33, bits: 1},
	PSA:       {name: "PSA", first: 35, bits: 1},
	Superfine: {name: "superfine", first: 41, bits: 1},
	R300:      {name: "300x300", first: 42, bits: 1},
	R16:       {name: "R16x15.4", first: 43, bits: 1},
	Inch:      {name: "inch", first: 44, bits: 1},
	Metric:    {name: "metric", first: 45, bits: 1},
	HalfTime:  {name: "half time at 15.4", first: 46, bits: 1},
	SEP:       {name: "SEP", first: 47, bits: 1},
	SUB:       {name: "SUB", first: 49, bits: 1},
	PWD:       {name: "PWD", first: 50, bits: 1},
	Letter:    {name: "Letter", first: 76, bits: 1},
	Legal:     {name: "Legal", first: 77, bits: 1},
	JBIG:      {name: "JBIG", first: 78, bits: 1},
	JBIGL0:    {name: "JBIG L0", first: 79, bits: 1},
	R600:      {name: "600x600", first: 105, bits: 1},
	R1200:     {name: "1200x1200", first: 106, bits: 1},
	R300x600:  {name: "300x600", first: 107, bits: 1},
	R400x800:  {name: "400x800", first: 108, bits: 1},
	R600x1200: {name: "600x1200", first: 109, bits: 1},
	IAF:       {name: "Internet aware", first: 123, bits: 1},
}

func both(remote, own uint8) uint8 { return remote & own }

// receiving: DCS bit 10 tells the other side to receive.
func receiving(_, _ uint8) uint8 { return 1 }

// longer announces the longest page both agree on: pages are not cut to fit.
func longer(remote, own uint8) uint8 { return min(lengthRank(remote), lengthRank(own)) }

// lengthRank reads the invalid value 11 as unlimited. The values 0 A4, 1 B4,
// 2 unlimited happen to be in order.
func lengthRank(v uint8) uint8 { return min(v, 2) }

type values [fields]uint8

// minOctets is the shortest DIS or DCS to send; maxOctets holds every field of
// the table.
const (
	minOctets = 3
	maxOctets = 16
)

// parse reads whatever octets there are and takes missing ones for 0. Extend
// bits are not believed: stations set them without an octet following, and
// clear them with octets following.
func parse(fif []byte) (v values) {
	for f, r := range table {
		for i := range r.bits {
			n := r.first + i - 1
			if n/8 < len(fif) {
				v[f] |= fif[n/8] >> (n % 8) & 1 << i
			}
		}
	}
	return v
}

// build appends no more octets than the highest field in use needs, joined by
// extend bits (24, 32, 40 ...).
func (v values) build(dst []byte) []byte {
	var fif [maxOctets]byte
	used := minOctets
	for f, r := range table {
		for i := range r.bits {
			n := r.first + i - 1
			if v[f]>>i&1 != 0 {
				fif[n/8] |= 1 << (n % 8)
				used = max(used, n/8+1)
			}
		}
	}
	for i := minOctets - 1; i < used-1; i++ {
		fif[i] |= 0x80
	}
	return append(dst, fif[:used]...)
}

// Capabilities is what a station can do, indexed by Field.
type Capabilities values

// Parse reads the FIF of a DIS or DTC of any length.
func Parse(fif []byte) Capabilities { return Capabilities(parse(fif)) }

// Append appends the FIF of a DIS to dst.
func (c Capabilities) Append(dst []byte) []byte { return values(c).build(dst) }

// Session is what is in force in a call, indexed by Field.
type Session values

// ParseDCS reads the FIF of a DCS of any length.
func ParseDCS(fif []byte) Session { return Session(parse(fif)) }

// Append appends the FIF of a DCS to dst.
func (s Session) Append(dst []byte) []byte { return values(s).build(dst) }
