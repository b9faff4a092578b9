package dis

import (
	"bytes"
	"errors"
	"math/bits"
	"slices"
	"testing"

	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/t4"
)

// wire turns octets as T.30 prints them into DTE order.
func wire(w ...byte) []byte {
	for i := range w {
		w[i] = bits.Reverse8(w[i])
	}
	return w
}

// Frames seen on real lines.
func TestFieldExamples(t *testing.T) {
	got := Parse(wire(0x00, 0x73, 0x5F, 0x23, 0x01, 0xB9, 0x01, 0x01, 0x01, 0x1E)).String()
	want := "receive, V.27ter V.29, fine, MR, 303 mm, unlimited, 0/0 ms, ECM, MMR, superfine, R16x15.4, inch, metric, Letter, Legal, JBIG, JBIG L0"
	if got != want {
		t.Errorf("DIS:\n got %s\nwant %s", got, want)
	}
	s := ParseDCS(wire(0x00, 0x62, 0x1F, 0x21, 0x01, 0x01, 0x01, 0x01, 0x01, 0x00))
	want = "receive, V.29 9600, fine, 215 mm, unlimited, 0 ms, ECM"
	if got := s.String(); got != want {
		t.Errorf("DCS:\n got %s\nwant %s", got, want)
	}
	if s.Format() != (Format{1728, t4.Fine}) || s.Coding() != "MH" || s.FrameSize() != 256 {
		t.Errorf("DCS read as %v %s %d", s.Format(), s.Coding(), s.FrameSize())
	}
	// The useless trailing octets are not produced.
	if got, want := s.Append(nil), wire(0x00, 0x62, 0x1F, 0x20); !bytes.Equal(got, want) {
		t.Errorf("rebuilt DCS % X, want % X", got, want)
	}
}

func TestAnyLength(t *testing.T) {
	full := Capabilities{Receive: 1, Rate: V27terV29V17, ECM: 1, MMR: 1, IAF: 1}
	fif := full.Append(nil)
	if len(fif) != 16 || Parse(fif) != full {
		t.Errorf("% X is read back as %v", fif, Parse(fif))
	}
	for n := range fif {
		Parse(fif[:n]) // no panic
	}
	if got := (Capabilities{Receive: 1}).Append(nil); len(got) != 3 || got[2]&0x80 != 0 {
		t.Errorf("short DIS % X", got)
	}
	if p := Parse(nil); p != (Capabilities{}) {
		t.Errorf("empty DIS read as %v", p)
	}
}

func TestRates(t *testing.T) {
	v17 := Capabilities{Rate: V27terV29V17}
	v29 := Capabilities{Rate: V27terV29}
	want := []line.Rate{line.V29x9600, line.V29x7200, line.V27ter4800, line.V27ter2400}
	if got := CommonRates(v17, v29); !slices.Equal(got, want) {
		t.Errorf("V.17 with V.29: %v", got)
	}
	if got := CommonRates(v17, Capabilities{}); !slices.Equal(got, []line.Rate{line.V27ter2400}) {
		t.Errorf("fall-back only: %v", got)
	}
	for v, r := range dcsRates {
		var s Session
		s.SetRate(r)
		if s[Rate] != v {
			t.Errorf("%v is coded %04b, want %04b", r, s[Rate], v)
		}
	}
}

func TestChoose(t *testing.T) {
	own := Capabilities{Receive: 1, Rate: V27terV29V17, Fine: 1, Superfine: 1, MR: 1, Width: Width303, Length: Unlimited, ScanTime: ScanTimeNone, ECM: 1, MMR: 1}
	plain := Capabilities{Receive: 1, Rate: V29, Fine: 1, ScanTime: 3} // 20/10 ms
	inches := Capabilities{Receive: 1, Rate: V29, Fine: 1, R300: 1, R16: 1, Inch: 1, ScanTime: 7}
	for _, c := range []struct {
		name   string
		remote Capabilities
		page   Format
		want   string
		err    error
	}{
		{"all", own, Format{1728, t4.Fine}, "receive, V.29 9600, fine, 215 mm, unlimited, 0 ms, ECM, MMR", nil},
		{"wide", own, Format{2432, t4.Superfine}, "receive, V.29 9600, 303 mm, unlimited, 0 ms, ECM, MMR, superfine", nil},
		{"MR", Capabilities{Receive: 1, Rate: V29, MR: 1, ScanTime: 7}, Format{1728, t4.Standard}, "receive, V.29 9600, MR, 215 mm, A4, 0 ms", nil},
		{"plain", plain, Format{1728, t4.Standard}, "receive, V.29 9600, 215 mm, A4, 20 ms", nil},
		{"plain fine", plain, Format{1728, t4.Fine}, "receive, V.29 9600, fine, 215 mm, A4, 10 ms", nil},
		{"MMR without ECM", Capabilities{Rate: V29, MMR: 1, ScanTime: 7}, Format{1728, t4.Standard}, "receive, V.29 9600, 215 mm, A4, 0 ms", nil},
		{"too wide", plain, Format{2048, t4.Standard}, "", ErrFormat},
		{"too fine", plain, Format{1728, t4.Superfine}, "", ErrFormat},
		{"odd width", own, Format{1700, t4.Standard}, "", ErrFormat},
		{"odd resolution", own, Format{2592, t4.Inch300}, "", ErrFormat},
		{"inches", inches, Format{2592, t4.Inch300}, "receive, V.29 9600, 215 mm, A4, 0 ms, 300x300, inch", nil},
		{"inches for metric", inches, Format{1728, t4.Inch200}, "receive, V.29 9600, fine, 215 mm, A4, 0 ms, inch", nil},
		{"very fine", inches, Format{3456, t4.R16}, "receive, V.29 9600, 215 mm, A4, 0 ms, R16x15.4", nil},
	} {
		s, err := Choose(c.remote, own, c.page, line.V29x9600)
		if !errors.Is(err, c.err) || err == nil && s.String() != c.want {
			t.Errorf("%s: %s, %v; want %s, %v", c.name, s, err, c.want, c.err)
		}
		if err == nil && (s.Check(c.remote) != nil || s.Format() != c.page) {
			t.Errorf("%s: chosen session is refused by the station it was chosen for: %v", c.name, s.Check(c.remote))
		}
	}
}

// A page that the remote station cannot take as it is goes in another shape, in
// which Choose lets it pass.
func TestFit(t *testing.T) {
	poor := Capabilities{Receive: 1, Rate: V29}
	fine := Capabilities{Receive: 1, Rate: V29, Fine: 1, Width: Width255}
	rich := Capabilities{Receive: 1, Rate: V29, Fine: 1, Superfine: 1, R300: 1, R16: 1, Inch: 1, Width: Width303}
	for _, c := range []struct {
		name       string
		remote     Capabilities
		page, want Format
	}{
		{"as it is", rich, Format{2432, t4.Superfine}, Format{2432, t4.Superfine}},
		{"too fine", poor, Format{1728, t4.Fine}, Format{1728, t4.Standard}},
		{"much too fine", fine, Format{3456, t4.R16}, Format{1728, t4.Fine}},
		{"too wide", fine, Format{2432, t4.Fine}, Format{2048, t4.Fine}},
		{"narrow", fine, Format{1200, t4.Fine}, Format{1728, t4.Fine}},
		{"inches to metric", fine, Format{1728, t4.Inch200}, Format{1728, t4.Fine}},
		{"inches", rich, Format{2592, t4.Inch300}, Format{2592, t4.Inch300}},
		{"300 to fine", fine, Format{2592, t4.Inch300}, Format{1728, t4.Fine}},
		{"wide 300 to fine", fine, Format{3072, t4.Inch300}, Format{2048, t4.Fine}},
		{"finer loses nothing", Capabilities{Receive: 1, Rate: V29, Superfine: 1}, Format{1728, t4.Fine}, Format{1728, t4.Superfine}},
		{"A3 to A4", poor, Format{2432, t4.Standard}, Format{1728, t4.Standard}},
		{"invalid width", Capabilities{Receive: 1, Rate: V29, Width: 3}, Format{2432, t4.Standard}, Format{2432, t4.Standard}},
		{"wider than A4", rich, Format{1800, t4.Fine}, Format{2048, t4.Fine}},
		{"too wide for any", rich, Format{9000, t4.Fine}, Format{2432, t4.Fine}},
		{"a screen", rich, Format{800, t4.Resolution{X: 96, Y: 96}}, Format{1728, t4.Standard}},
		{"a wide screen", fine, Format{900, t4.Resolution{X: 96, Y: 96}}, Format{2048, t4.Standard}},
	} {
		got := Fit(c.remote, c.page)
		if got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if s, err := Choose(c.remote, rich, got, line.V29x9600); err != nil || s.Format() != got || s.Check(c.remote) != nil {
			t.Errorf("%s: %v is not let through: %v", c.name, got, err)
		}
	}
	for _, paper := range []t4.Paper{t4.A4, t4.B4, t4.A3} {
		for _, r := range t4.Resolutions() {
			got := Fit(poor, Format{r.Width(paper), r})
			if _, err := Choose(poor, rich, got, line.V29x9600); err != nil {
				t.Errorf("%v on paper %d: %v", r, paper, err)
			}
		}
	}
}

func TestRows(t *testing.T) {
	for name, c := range map[string]struct {
		remote      Capabilities
		fits, bound int // rows at fine; bound 0: unlimited
	}{
		"A4":        {Capabilities{}, 2338, 2400},
		"B4":        {Capabilities{Length: 1}, 2866, 2940},
		"Legal":     {Capabilities{Legal: 1}, 2800, 2880},
		"unlimited": {Capabilities{Length: Unlimited}, 99999, 0},
		"invalid":   {Capabilities{Length: 3}, 99999, 0},
	} {
		got := c.remote.Rows(t4.Fine)
		if c.bound == 0 && got != 0 || c.bound > 0 && (got < c.fits || got > c.bound) {
			t.Errorf("%s: %d rows, want %d to %d", name, got, c.fits, c.bound)
		}
	}
}

func TestScanTime(t *testing.T) {
	for v, want := range map[uint8][3]int{0: {20, 20, 10}, 1: {5, 5, 5}, 3: {20, 10, 5}, 4: {40, 40, 20}, 5: {40, 20, 10}, 6: {10, 5, 5}, 7: {0, 0, 0}} {
		c := Capabilities{ScanTime: v, HalfTime: 1}
		for i, r := range []t4.Resolution{t4.Standard, t4.Fine, t4.Superfine} {
			s := Session{ScanTime: c.scanTime(r)}
			if got := int(s.MinScanTime().Milliseconds()); got != want[i] {
				t.Errorf("value %d at %v: %d ms, want %d", v, r, got, want[i])
			}
		}
	}
}

func TestCheck(t *testing.T) {
	own := Capabilities{Receive: 1, Rate: V27terV29, Fine: 1, ECM: 1}
	for name, s := range map[string]Session{
		"V.17":            {Rate: 0b1000},
		"V.33":            {Rate: 0b0100},
		"MMR":             {Rate: 1, ECM: 1, MMR: 1},
		"MR":              {Rate: 1, MR: 1},
		"superfine":       {Rate: 1, Superfine: 1},
		"wide":            {Rate: 1, Width: Width255},
		"wide (invalid)":  {Rate: 1, Width: 3},
		"JBIG not framed": {Rate: 1, JBIG: 1},
	} {
		if err := s.Check(own); !errors.Is(err, ErrOffer) {
			t.Errorf("%s is let through: %v", name, err)
		}
	}
	if err := (Session{Rate: 1, MMR: 1}).Check(Capabilities{Rate: V29, MMR: 1}); err == nil {
		t.Error("MMR without ECM is let through")
	}
	if err := (Session{Rate: 1, Fine: 1, ECM: 1}).Check(own); err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte{0x00, 0xCE, 0xFA, 0xC4})
	f.Fuzz(func(t *testing.T, fif []byte) {
		c, s := Parse(fif), ParseDCS(fif)
		if Parse(c.Append(nil)) != c || ParseDCS(s.Append(nil)) != s {
			t.Fatal("not read back as written")
		}
		_, _, _, _ = c.String(), s.String(), s.Format(), s.Check(c)
		Choose(c, c, s.Format(), line.V27ter2400)
		// Whatever a station offers, any page can be made fit for it.
		for _, page := range []Format{s.Format(), {2592, t4.Inch300}, {1, t4.Resolution{X: 1, Y: 1}}} {
			as := Fit(c, page)
			if got, err := Choose(c, c, as, line.V27ter2400); err != nil || got.Format() != as {
				t.Fatalf("%v as %v: %v, %v", page, as, got, err)
			}
		}
	})
}
