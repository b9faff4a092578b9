package t30

import (
	"fmt"
	"slices"
	"strings"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
)

// FCF is a facsimile control field in DTE order, with the X bit 0 where X only
// tells who has received a DIS (T.30 5.3.6.1).
type FCF byte

// The facsimile control fields of T.30 table 1 that a G3 session can meet.
const (
	DIS FCF = 0x80
	CSI FCF = 0x40
	NSF FCF = 0x20
	DTC FCF = 0x81
	CIG FCF = 0x41
	NSC FCF = 0x21
	PWD FCF = 0xC1
	SEP FCF = 0xA1
	PSA FCF = 0x61
	DCS FCF = 0x82
	TSI FCF = 0x42
	NSS FCF = 0x22
	SUB FCF = 0xC2
	SID FCF = 0xA2
	CTC FCF = 0x12
	CFR FCF = 0x84
	FTT FCF = 0x44
	CTR FCF = 0xC4
	CSA FCF = 0x24
	EOM FCF = 0x8E
	MPS FCF = 0x4E
	EOR FCF = 0xCE
	EOP FCF = 0x2E
	RR  FCF = 0x6E
	PIM FCF = 0x9E // PRI-EOM
	PIS FCF = 0x5E // PRI-MPS
	PRE FCF = 0x3E // PRI-EOP
	PPS FCF = 0xBE
	MCF FCF = 0x8C
	RTP FCF = 0xCC
	RTN FCF = 0x4C
	PIP FCF = 0xAC
	PIN FCF = 0x2C
	RNR FCF = 0xEC
	ERR FCF = 0x1C
	PPR FCF = 0xBC
	DCN FCF = 0xFA
	CRP FCF = 0x1A
	FNV FCF = 0xCA
	FCD FCF = 0x06
	RCP FCF = 0x86
	// NULL stands in PPS for a partial page that does not end the page.
	NULL FCF = 0x00
)

const xBit = 0x01

var names = map[FCF]string{
	DIS: "DIS", CSI: "CSI", NSF: "NSF", DTC: "DTC", CIG: "CIG", NSC: "NSC", PWD: "PWD", SEP: "SEP", PSA: "PSA",
	DCS: "DCS", TSI: "TSI", NSS: "NSS", SUB: "SUB", SID: "SID", CTC: "CTC",
	CFR: "CFR", FTT: "FTT", CTR: "CTR", CSA: "CSA",
	EOM: "EOM", MPS: "MPS", EOR: "EOR", EOP: "EOP", RR: "RR", PIM: "PRI-EOM", PIS: "PRI-MPS", PRE: "PRI-EOP",
	PPS: "PPS", MCF: "MCF", RTP: "RTP", RTN: "RTN", PIP: "PIP", PIN: "PIN", RNR: "RNR", ERR: "ERR", PPR: "PPR",
	DCN: "DCN", CRP: "CRP", FNV: "FNV", FCD: "FCD", RCP: "RCP", NULL: "NULL",
}

// String is the name in T.30, or the octet.
func (f FCF) String() string {
	if n, ok := names[f]; ok {
		return n
	}
	return fmt.Sprintf("FCF %02X", byte(f))
}

// known reports whether f is a control field that a session can meet.
func (f FCF) known() bool {
	_, ok := names[f]
	return ok && f != NULL
}

// classify takes the X bit off, except where it tells a command from another:
// in the initial identifications (first four bits on the line 0 or 1000).
func classify(b byte) FCF {
	if b&0x0E == 0 {
		return FCF(b)
	}
	return FCF(b &^ xBit)
}

// fcfOf is the control field of a frame.
func fcfOf(frame []byte) FCF { return classify(hdlc.FCF(frame)) }

const stationLen = 20 // characters of an identification (T.30 5.3.6.2.4)

// appendStation appends an identification: the last character first, then
// spaces.
func appendStation(dst []byte, id string) []byte {
	fif := slices.Repeat([]byte{' '}, stationLen)
	n := 0
	for i := len(id) - 1; i >= 0 && n < stationLen; i-- {
		if id[i] >= ' ' && id[i] <= '~' {
			fif[n] = id[i]
			n++
		}
	}
	return append(dst, fif...)
}

// parseStation reads an identification: whatever is printable of it, however
// long it is.
func parseStation(fif []byte) string {
	b := slices.Clone(fif[:min(len(fif), 2*stationLen)])
	slices.Reverse(b)
	for i, c := range b {
		switch {
		case c == 0:
			b[i] = ' '
		case c < ' ' || c > '~':
			b[i] = '?'
		}
	}
	return strings.TrimSpace(string(b))
}

// pps is the FIF of PPS (T.30 Annex A.4.3).
type pps struct {
	then   FCF  // NULL, MPS, EOM, EOP or their PRI- forms
	page   byte // modulo 256
	block  byte
	frames int // frames of the burst; 0 is sent, read as 1
}

func (p pps) fif(x byte) []byte {
	then := byte(p.then)
	if p.then != NULL {
		then |= x
	}
	return []byte{then, p.page, p.block, byte(max(p.frames, 1) - 1)}
}

func parsePPS(fif []byte) (pps, bool) {
	if len(fif) < 4 {
		return pps{}, false
	}
	return pps{FCF(fif[0] &^ xBit), fif[1], fif[2], int(fif[3]) + 1}, true
}

// frameMap is the FIF of PPR: bit i set asks for frame i again.
type frameMap [line.MaxBlock / 8]byte

func (m *frameMap) set(i int)      { m[i/8] |= 1 << (i % 8) }
func (m *frameMap) has(i int) bool { return m[i/8]>>(i%8)&1 != 0 }
func (m *frameMap) first() (i int) {
	for i < line.MaxBlock && !m.has(i) {
		i++
	}
	return i
}
func (m *frameMap) String() string {
	var b strings.Builder
	n := 0
	for i := 0; i < line.MaxBlock; i++ {
		if !m.has(i) {
			continue
		}
		first := i
		for i+1 < line.MaxBlock && m.has(i+1) {
			i++
		}
		if n++; n > 8 {
			b.WriteString(" ...")
			break
		}
		if first == i {
			fmt.Fprintf(&b, " %d", i)
		} else {
			fmt.Fprintf(&b, " %d-%d", first, i)
		}
	}
	if n == 0 {
		return " none"
	}
	return b.String()
}

// shownOctets of non-standard facilities are printed.
const shownOctets = 8

func more(octets int) string {
	if octets <= 0 {
		return ""
	}
	return fmt.Sprintf(" and %d octets more", octets)
}

// Describe prints a frame with its fields decoded, as a transcript does.
func Describe(frame []byte) string {
	f, fif := fcfOf(frame), hdlc.FIF(frame)
	switch f {
	case DIS, DTC:
		return f.String() + " " + dis.Parse(fif).String()
	case DCS:
		return f.String() + " " + dis.ParseDCS(fif).String()
	case CTC:
		s := dis.ParseDCS(fif)
		if r, ok := s.LineRate(); ok {
			return "CTC " + r.String()
		}
	case CSI, TSI, CIG, SUB, SEP, PSA:
		return fmt.Sprintf("%v %q", f, parseStation(fif))
	case NSF, NSC, NSS: // T.35: country, provider
		return fmt.Sprintf("%v % X%s", f, fif[:min(len(fif), shownOctets)], more(len(fif)-shownOctets))
	case PWD, SID:
		return f.String() + " (not shown)"
	case PPS:
		if p, ok := parsePPS(fif); ok {
			return fmt.Sprintf("PPS-%v page %d block %d frames %d", p.then, p.page, p.block, p.frames)
		}
	case EOR:
		if len(fif) > 0 {
			return "EOR-" + FCF(fif[0]&^xBit).String()
		}
	case PPR:
		var m frameMap
		copy(m[:], fif)
		return "PPR" + m.String()
	}
	if len(fif) > 0 {
		return fmt.Sprintf("%v %d octets", f, len(fif))
	}
	return f.String()
}
