package modem_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
	lt "github.com/faxmesh/faxmesh/modem/line/linetest"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/modem/t30"
	"github.com/faxmesh/faxmesh/modem/t4"
)

// basic is a station that takes A4 at standard resolution, without ECM.
var basic = dis.Capabilities{dis.Receive: 1, dis.Rate: dis.V27terV29, dis.ScanTime: 0} // 20 ms

// offers has the called station offer what c says, whatever it can do besides.
func offers(c dis.Capabilities) lt.Damage {
	return lt.When(lt.Command(lt.Called, byte(t30.DIS)), lt.Replace(hdlc.Append(nil, true, byte(t30.DIS), c.Append(nil)...)))
}

// with is c with fields set.
func with(c dis.Capabilities, fs map[dis.Field]uint8) dis.Capabilities {
	for f, v := range fs {
		c[f] = v
	}
	return c
}

// A page that the remote station does not take as it is goes as the closest
// that it takes.
func TestPagesAreConverted(t *testing.T) {
	rows := func(b *t4.Bitmap, from, to t4.Resolution, width int) *t4.Bitmap {
		fitted, err := t4.Fit(b, from, to, width)
		if err != nil {
			t.Fatal(err)
		}
		return fitted
	}
	for _, c := range []struct {
		name   string
		remote dis.Capabilities
		page   modem.Page
		width  int
		res    t4.Resolution
		as     string // how the report tells it
	}{
		{"fine to standard", basic, drawing(1, 1728, 301, t4.Fine), 1728, t4.Standard,
			"page 1: 1728 x 301 at 204 x 196 per inch sent as 1728 x 151 at 204 x 98"},
		{"A3 to A4", with(basic, map[dis.Field]uint8{dis.Fine: 1}), drawing(1, 2432, 300, t4.Fine), 1728, t4.Fine,
			"page 1: 2432 x 300 at 204 x 196 per inch sent as 1728 x 213 at 204 x 196"},
		{"A3 to B4", with(basic, map[dis.Field]uint8{dis.Width: dis.Width255}), drawing(1, 2432, 300, t4.Standard), 2048, t4.Standard,
			"page 1: 2432 x 300 at 204 x 98 per inch sent as 2048 x 253 at 204 x 98"},
		{"300 dpi", with(basic, map[dis.Field]uint8{dis.Fine: 1}), drawing(1, 2592, 300, t4.Inch300), 1728, t4.Fine,
			"page 1: 2592 x 300 at 300 x 300 per inch sent as 1728 x 200 at 204 x 196"},
		{"400 dpi with ECM", with(basic, map[dis.Field]uint8{dis.Superfine: 1, dis.ECM: 1, dis.MMR: 1}), drawing(1, 3456, 300, t4.Inch400), 1728, t4.Superfine,
			"page 1: 3456 x 300 at 400 x 400 per inch sent as 1728 x 300 at 204 x 391"},
		{"a screen", with(basic, map[dis.Field]uint8{dis.Fine: 1, dis.MR: 1}), drawing(1, 640, 480, t4.Resolution{X: 96, Y: 96}), 1728, t4.Standard,
			"page 1: 640 x 480 at 96 x 96 per inch sent as 1728 x 500 at 204 x 98"},
		{"as it is", basic, drawing(1, 1728, 300, t4.Standard), 1728, t4.Standard, ""},
		{"inches", with(basic, map[dis.Field]uint8{dis.Fine: 1}), drawing(1, 1728, 300, t4.Inch200), 1728, t4.Fine, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := ring(t, t.Context(), modem.Outgoing{Pages: document{c.page}}, modem.Options{}, modem.Options{}, offers(c.remote))
			if x.sent.Status != status.OK || len(x.pages) != 1 {
				t.Fatalf("ended %v (%v)\n%s", x.sent.Status, x.sent.Err, x.sent.Transcript)
			}
			got := x.pages[0]
			if got.Resolution != c.res || !got.Image.Equal(rows(c.page.Image, c.page.Resolution, c.res, c.width)) {
				t.Errorf("it came as %d x %d at %v", got.Image.Width, got.Image.Height, got.Resolution)
			}
			var told []string
			for _, as := range x.sent.Converted {
				told = append(told, as.String())
			}
			if s := strings.Join(told, "; "); s != c.as {
				t.Errorf("the report says %q, want %q", s, c.as)
			}
		})
	}
}

// From fine to standard each row is made of two, so that lines of one row stay.
func TestThinLinesSurvive(t *testing.T) {
	page := modem.Page{Image: t4.NewBitmap(1728, 200), Resolution: t4.Fine}
	for y := 1; y < 199; y += 6 { // of both kinds: first and second of a pair
		for x := range 100 {
			page.Image.Row(y + y/6%2)[20+x] = 0xFF
		}
	}
	x := ring(t, t.Context(), modem.Outgoing{Pages: document{page}}, modem.Options{}, modem.Options{}, offers(basic))
	if x.sent.Status != status.OK || len(x.pages) != 1 || x.pages[0].Image.Height != 100 {
		t.Fatalf("ended %v with %d pages\n%s", x.sent.Status, len(x.pages), x.sent.Transcript)
	}
	for y := range 100 {
		pair := page.Image.Row(2 * y)[50] | page.Image.Row(2*y + 1)[50]
		if got := x.pages[0].Image.Row(y)[50]; got != pair {
			t.Errorf("row %d is %#x, want %#x", y, got, pair)
		}
	}
}

// A page longer than the paper is reduced as a whole; a roll is not.
func TestLongPages(t *testing.T) {
	short := with(basic, map[dis.Field]uint8{dis.Fine: 1})
	for name, c := range map[string]struct {
		remote dis.Capabilities
		rows   int
		most   int // rows that may come
		least  int
	}{
		"A4":        {short, 2338, 2338, 2338},
		"Legal":     {short, 2800, 2400, 2280},
		"B4":        {with(short, map[dis.Field]uint8{dis.Length: 1}), 2800, 2800, 2800},
		"unlimited": {with(short, map[dis.Field]uint8{dis.Length: dis.Unlimited}), 2800, 2800, 2800},
		"roll":      {short, 9000, 9000, 9000},
	} {
		t.Run(name, func(t *testing.T) {
			page := modem.Page{Image: t4.NewBitmap(1728, c.rows), Resolution: t4.Fine}
			for y := range c.rows {
				page.Image.Row(y)[0], page.Image.Row(y)[215] = 0x80, 0x01 // the edges
			}
			x := ring(t, t.Context(), modem.Outgoing{Pages: document{page}}, modem.Options{}, modem.Options{}, offers(c.remote))
			if x.sent.Status != status.OK || len(x.pages) != 1 {
				t.Fatalf("ended %v (%v)", x.sent.Status, x.sent.Err)
			}
			got := x.pages[0].Image
			if got.Height < c.least || got.Height > c.most || got.Width != 1728 {
				t.Fatalf("it came as %d x %d", got.Width, got.Height)
			}
			black := 0
			for _, b := range got.Row(got.Height - 1) {
				for ; b != 0; b &= b - 1 {
					black++
				}
			}
			if black != 2 {
				t.Errorf("the last row has %d black pels, want both edges", black)
			}
		})
	}
}

// Pages that differ as they are may be alike as they go; where they are not,
// EOM is between them (T.30 5.3.6.1.6), not MPS.
func TestCommandsBetweenFormats(t *testing.T) {
	doc := document{drawing(1, 1728, 50, t4.Standard), drawing(2, 1728, 50, t4.Fine), drawing(3, 2432, 50, t4.Fine)}
	for name, c := range map[string]struct {
		remote dis.Capabilities
		want   string
	}{
		"all alike": {basic, "MPS MPS EOP"},
		"fine":      {with(basic, map[dis.Field]uint8{dis.Fine: 1}), "EOM MPS EOP"},
		"all differ": {with(basic, map[dis.Field]uint8{dis.Fine: 1, dis.Width: dis.Width303, dis.ECM: 1}),
			"PPS-EOM PPS-EOM PPS-EOP"},
	} {
		t.Run(name, func(t *testing.T) {
			x := ring(t, t.Context(), modem.Outgoing{Pages: doc}, modem.Options{}, modem.Options{}, offers(c.remote))
			if x.sent.Status != status.OK || len(x.pages) != len(doc) {
				t.Fatalf("ended %v (%v)\n%s", x.sent.Status, x.sent.Err, x.sent.Transcript)
			}
			var said []string
			for _, word := range strings.Fields(x.sent.Transcript) {
				if command := strings.TrimPrefix(word, "PPS-"); slices.Contains([]string{"MPS", "EOM", "EOP"}, command) {
					said = append(said, word)
				}
			}
			if s := strings.Join(said, " "); s != c.want {
				t.Errorf("said %s, want %s\n%s", s, c.want, x.sent.Transcript)
			}
		})
	}
}

// A coded line takes as long as the remote station asks for, in MR as in MH.
func TestScanLineTime(t *testing.T) {
	const rows = 400
	white := modem.Page{Image: t4.NewBitmap(1728, rows), Resolution: t4.Standard}
	for name, c := range map[string]struct {
		remote dis.Capabilities
		bits   int // of a line at 9600 bit/s
	}{
		"MH":           {basic, 192},
		"MR":           {with(basic, map[dis.Field]uint8{dis.MR: 1}), 192},
		"MR for 40 ms": {with(basic, map[dis.Field]uint8{dis.MR: 1, dis.ScanTime: 4}), 384},
	} {
		t.Run(name, func(t *testing.T) {
			octets := 0
			count := lt.When(lt.Kind(lt.Caller, line.Page), func(tr *lt.Transmission) { octets = len(tr.Signal.Data) })
			x := ring(t, context.Background(), modem.Outgoing{Pages: document{white}}, modem.Options{}, modem.Options{}, lt.Each(offers(c.remote), count))
			if x.sent.Status != status.OK || x.sent.Coding != strings.Fields(name)[0] || !x.pages[0].Image.Equal(white.Image) {
				t.Fatalf("ended %v in %s", x.sent.Status, x.sent.Coding)
			}
			if least := rows * c.bits / 8; octets < least || octets > least+30 {
				t.Errorf("the page has %d octets, want little more than %d", octets, least)
			}
		})
	}
}

// What a caller fetches is converted to what the caller takes.
func TestOfferIsConverted(t *testing.T) {
	fetches := lt.When(lt.Command(lt.Caller, byte(t30.DTC)), func(tr *lt.Transmission) {
		last := &tr.Signal.Frames[len(tr.Signal.Frames)-1]
		*last = hdlc.Append(nil, true, hdlc.FCF(*last), basic.Append(nil)...)
	})
	a, b := lt.Pair(fetches)
	page := drawing(1, 1728, 200, t4.Fine)
	offered := make(chan modem.Report, 1)
	go func() {
		offered <- modem.New(&phone{end: b}, modem.Options{}).Receive(t.Context(), modem.Incoming{Offers: []modem.Offer{{Pages: document{page}}}})
	}()
	var fetched []modem.ReceivedPage
	out := modem.New(&phone{end: a}, modem.Options{}).Send(t.Context(), modem.Outgoing{Number: "1", Poll: &modem.Poll{
		Store: func(_ context.Context, p modem.ReceivedPage) error { fetched = append(fetched, p); return nil }}})
	in := <-offered
	if out.Status != status.OK || len(fetched) != 1 || fetched[0].Image.Height != 100 || len(in.Converted) != 1 || len(out.Converted) != 0 {
		t.Errorf("ended %v with %d pages; converted %v and %v\n%s", out.Status, len(fetched), in.Converted, out.Converted, out.Transcript)
	}
}
