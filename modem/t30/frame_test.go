package t30

import (
	"bytes"
	"math/bits"
	"slices"
	"testing"

	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
)

// The control fields as T.30 table 1 prints them, first bit on the left.
func TestControlFieldsAsPrinted(t *testing.T) {
	for w, f := range map[byte]FCF{
		0x01: DIS, 0x81: DTC, 0x02: CSI, 0x82: CIG, 0x04: NSF, 0x84: NSC, 0x83: PWD, 0x85: SEP,
		0xC1: DCS, 0xC2: TSI, 0xC4: NSS, 0xC3: SUB, 0xC5: SID, 0xC8: CTC,
		0xA1: CFR, 0x22: FTT, 0x23: CTR, 0xA4: CSA, 0xF1: EOM, 0xF2: MPS, 0xF3: EOR, 0xF4: EOP, 0xF6: RR,
		0xF9: PIM, 0xFA: PIS, 0xFC: PRE, 0xFD: PPS, 0x31: MCF, 0x33: RTP, 0x32: RTN, 0x35: PIP, 0x34: PIN,
		0x37: RNR, 0x38: ERR, 0x3D: PPR, 0x5F: DCN, 0xDF: DCN, 0x58: CRP, 0x53: FNV, 0x60: FCD, 0x61: RCP,
	} {
		if got := classify(bits.Reverse8(w)); got != f {
			t.Errorf("%02X is taken for %v, want %v", w, got, f)
		}
	}
}

func TestStation(t *testing.T) {
	fif := appendStation(nil, "+0123456789")
	if !bytes.Equal(fif, []byte("9876543210+         ")) {
		t.Errorf("sent as %q", fif)
	}
	for in, want := range map[string]string{
		string(fif):                     "+0123456789",
		"":                              "",
		"\x00\x00\x00":                  "",
		"\xff\x07Z":                     "Z??",
		string(make([]byte, 500)) + "x": "",
	} {
		if got := parseStation([]byte(in)); got != want {
			t.Errorf("%q is read as %q, want %q", in, got, want)
		}
	}
	if got := appendStation(nil, "123456789012345678901234567890"); len(got) != stationLen {
		t.Errorf("long identification sent with %d octets", len(got))
	}
}

// Counters of PPS seen on a real line: after a PPR six frames were sent again.
func TestPPS(t *testing.T) {
	fif := []byte{0, 0, 0, bits.Reverse8(0xA0)}
	p, ok := parsePPS(fif)
	if !ok || p != (pps{then: NULL, frames: 6}) {
		t.Errorf("read as %+v", p)
	}
	for _, p := range []pps{{NULL, 1, 2, 256}, {EOP, 255, 0, 1}, {MPS, 0, 255, 17}} {
		if got, ok := parsePPS(p.fif(xBit)); !ok || got != p {
			t.Errorf("%+v is read back as %+v", p, got)
		}
	}
	if _, ok := parsePPS(fif[:3]); ok {
		t.Error("a short PPS is taken for a whole one")
	}
}

func TestTraining(t *testing.T) {
	zeros := func(n int) []byte { return make([]byte, n) }
	ones := func(n int) []byte { return slices.Repeat([]byte{0xFF}, n) }
	const r = line.V29x9600 // 1200 octets in a second
	for _, c := range []struct {
		name string
		data []byte
		ecm  bool
		want bool
	}{
		{"clean", zeros(1800), false, true},
		{"nothing", nil, false, false},
		{"short", zeros(1199), false, false},
		{"one second", zeros(1200), false, true},
		{"half a second", zeros(600), false, false},
		{"half a second with ECM", zeros(600), true, true},
		{"residue before", append(ones(100), zeros(1500)...), false, true},
		{"too much before", append(ones(300), zeros(1500)...), false, false},
		{"long", zeros(3600), false, true},
		{"hit in the middle", slices.Concat(zeros(900), ones(1), zeros(900)), false, false},
		{"hit in the middle with ECM", slices.Concat(zeros(900), ones(1), zeros(900)), true, true},
		{"all ones", ones(1800), true, false},
	} {
		if got := goodTraining(c.data, r, c.ecm); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestCopyQuality(t *testing.T) {
	const standard, fine, superfine = 98, 196, 391
	for _, c := range []struct {
		q       Quality
		perInch int
		late    bool
		want    FCF
	}{
		{Quality{Rows: 1000}, fine, false, MCF},
		{Quality{Rows: 1000}, fine, true, MCF},
		{Quality{Rows: 1000, BadRows: 49, ConsecutiveBad: 5}, fine, false, MCF},
		{Quality{Rows: 1000, BadRows: 49, ConsecutiveBad: 11}, fine, false, RTP},
		{Quality{Rows: 1000, BadRows: 50}, fine, false, RTP},
		{Quality{Rows: 1000, BadRows: 149}, fine, false, RTP},
		{Quality{Rows: 1000, BadRows: 150}, fine, false, RTN},
		{Quality{}, fine, false, RTN},

		// What has vanished is as bad.
		{Quality{Rows: 990, BadRows: 1, LostRows: 10}, fine, false, MCF},
		{Quality{Rows: 951, BadRows: 1, LostRows: 49}, fine, false, RTP},
		{Quality{Rows: 1109, BadRows: 30, LostRows: 1183}, fine, false, RTN},
		{Quality{Rows: 50, BadRows: 1, LostRows: 9}, fine, false, RTN},

		// A gap as high as a line of print.
		{Quality{Rows: 2000, BadRows: 16, ConsecutiveBad: 16}, standard, false, RTP},
		{Quality{Rows: 2000, BadRows: 17, ConsecutiveBad: 17}, standard, false, RTN},
		{Quality{Rows: 2000, BadRows: 17, ConsecutiveBad: 17}, fine, false, RTP},
		{Quality{Rows: 2000, BadRows: 2, LostRows: 31, ConsecutiveBad: 33}, fine, false, RTN},
		{Quality{Rows: 2000, BadRows: 60, ConsecutiveBad: 60}, superfine, false, RTP},
		{Quality{Rows: 2000, BadRows: 66, ConsecutiveBad: 66}, superfine, false, RTN},
		{Quality{Rows: 2000, BadRows: 16, ConsecutiveBad: 16}, 0, false, RTP},

		// Without RTC.
		{Quality{Rows: 1000, Cut: true}, fine, true, RTN},
		{Quality{Rows: 1000, Cut: true}, fine, false, MCF},
		{Quality{Rows: 1000, Cut: true, BadRows: 1, ConsecutiveBad: 1}, fine, false, RTP},
	} {
		if got := rateCopy(c.q, c.perInch, c.late); got != c.want {
			t.Errorf("%+v, %d rows to the inch, late %v: %v, want %v", c.q, c.perInch, c.late, got, c.want)
		}
	}
}

// Every order of fall-back ends, and never goes up.
func TestLadder(t *testing.T) {
	for r := line.V27ter2400; r <= line.V17x14400; r++ {
		for at := r; ; {
			next, ok := lower[at]
			if !ok {
				break
			}
			if next.BitsPerSecond() > at.BitsPerSecond() || next >= at {
				t.Fatalf("from %v up to %v", at, next)
			}
			at = next
		}
	}
}

func TestXBit(t *testing.T) {
	e := &Engine{x: xBit}
	for _, f := range []FCF{DCS, EOP, DCN, PPS} {
		if got := hdlc.FCF(e.frame(true, f)); got != byte(f)|xBit {
			t.Errorf("%v is said as %02X", f, got)
		}
	}
	if got := hdlc.FCF(e.frame(true, DIS)); FCF(got) != DIS {
		t.Errorf("DIS is said as %02X", got)
	}
}
