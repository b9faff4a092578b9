package modem_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
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

// What the field does to pages. The numbers are those of the table of the same
// name in t30, which has the other cases.
func TestFieldCases(t *testing.T) {
	t.Run("case 34: the carrier is lost before RTC", cutPage)
	t.Run("case 62: a coding error in MMR", badMMR)
	t.Run("case 62: RTC damaged", badRTC)
	t.Run("case 63: RTC and EOFB exactly once, to the last bit", pageEnds)
	t.Run("case 64: scan line times, standard and fine", scanLineTimes)
	t.Run("case 65: narrower than DCS says", narrowPage)
	t.Run("case 65: no row at all", noRows)
	t.Run("case 66: T.85 in DCS", jbigInDCS)
	t.Run("case 34: a part of the page is noise", tornPage)
	t.Run("case 67: 4.9 % and 15.1 % of the rows bad", badRows)
}

var (
	image  = lt.Kind(lt.Caller, line.Page)
	blocks = lt.Kind(lt.Caller, line.Block)
)

// delivered wants a call without fault whose pages are those of doc.
func delivered(t *testing.T, x exchange, doc document) {
	t.Helper()
	if x.sent.Status != status.OK || x.received.Status != status.OK || len(x.confirmed) != len(doc) {
		t.Fatalf("ended %v and %v with %v confirmed\n%s", x.sent.Status, x.received.Status, x.confirmed, x.received.Transcript)
	}
	if len(x.pages) != len(doc) {
		t.Fatalf("%d pages stored, want %d", len(x.pages), len(doc))
	}
	for i, p := range x.pages {
		if !p.Image.Equal(doc[i].Image) || p.Resolution != doc[i].Resolution {
			t.Errorf("page %d is not what was sent", i)
		}
	}
}

// refused wants a call in which nothing was confirmed nor stored.
func refused(t *testing.T, x exchange) {
	t.Helper()
	if x.sent.Status == status.OK || x.received.Status == status.OK || len(x.confirmed) != 0 || len(x.pages) != 0 {
		t.Errorf("ended %v and %v with %v confirmed, %d stored\n%s", x.sent.Status, x.received.Status, x.confirmed, len(x.pages), x.received.Transcript)
	}
}

// cutPage loses the rest of a page and the first command behind it.
func cutPage(t *testing.T) {
	doc := document{drawing(1, 1728, 300, t4.Standard), drawing(2, 1728, 40, t4.Standard)}
	cut := func(tr *lt.Transmission) { tr.Signal.Data = tr.Signal.Data[:len(tr.Signal.Data)/3] }
	for _, opt := range []modem.Options{{NoECM: true}, {NoECM: true, NoMR: true}} {
		lost := lt.When(lt.Nth(lt.Command(lt.Caller, byte(t30.MPS)), 1), lt.Lose)
		x := ring(t, t.Context(), modem.Outgoing{Pages: doc}, opt, modem.Options{}, lt.Each(lt.When(lt.Nth(image, 1), cut), lost))
		delivered(t, x, doc)
		if n := strings.Count(x.received.Transcript, "> RTN"); n != 1 {
			t.Errorf("%d times RTN\n%s", n, x.received.Transcript)
		}
	}
}

// tornPage has the modem lose the signal in the middle of a page and make random
// bits of what comes. Few of its rows are bad; most of them are not there.
func tornPage(t *testing.T) {
	doc := document{drawing(1, 1728, 600, t4.Standard), drawing(2, 1728, 40, t4.Standard)}
	for _, opt := range []modem.Options{{NoECM: true}, {NoECM: true, NoMR: true}} {
		for name, part := range map[string][2]int{"head": {0, 4}, "middle": {3, 7}, "tail": {6, 10}} {
			tear := func(tr *lt.Transmission) {
				r, d := rand.New(rand.NewPCG(1, 1)), tr.Signal.Data
				for i := len(d) * part[0] / 10; i < len(d)*part[1]/10; i++ {
					d[i] = byte(r.Uint32())
				}
			}
			x := ring(t, t.Context(), modem.Outgoing{Pages: doc}, opt, modem.Options{}, lt.When(lt.Nth(image, 1), tear))
			delivered(t, x, doc)
			if n := strings.Count(x.received.Transcript, "> RTN"); n != 1 {
				t.Errorf("%s: %d times RTN\n%s", name, n, x.received.Transcript)
			}
		}
	}
}

// badMMR is a sender that codes wrongly: what came before is kept, the fault is
// counted, and the page is confirmed, for it would come the same again.
func badMMR(t *testing.T) {
	doc := document{drawing(1, 1728, 400, t4.Standard)}
	for at := 20; at < 250; at += 23 {
		spoil := func(tr *lt.Transmission) {
			f := tr.Signal.Frames[1]
			for i := at; i < len(f); i++ {
				f[i] = 0
			}
		}
		x := ring(t, t.Context(), modem.Outgoing{Pages: doc}, modem.Options{}, modem.Options{}, lt.When(blocks, spoil))
		if x.sent.Status != status.OK || x.received.Status != status.OK || len(x.pages) != 1 {
			t.Fatalf("octet %d: ended %v and %v\n%s", at, x.sent.Status, x.received.Status, x.received.Transcript)
		}
		p := x.pages[0]
		if p.BadRows != 1 || p.Image.Height == 0 || p.Image.Height >= 400 {
			t.Fatalf("octet %d: %d rows, %d bad", at, p.Image.Height, p.BadRows)
		}
		for y := range p.Image.Height - 1 {
			if !bytes.Equal(p.Image.Row(y), doc[0].Image.Row(y)) {
				t.Fatalf("octet %d: row %d of %d is wrong", at, y, p.Image.Height)
			}
		}
	}
}

// badRTC spoils the middle of the RTC, or all of it.
func badRTC(t *testing.T) {
	doc := document{drawing(1, 1728, 300, t4.Standard)}
	for _, spoil := range []lt.Damage{
		func(tr *lt.Transmission) { tr.Signal.Data[len(tr.Signal.Data)-5] ^= 0x18 },
		func(tr *lt.Transmission) { tr.Signal.Data = tr.Signal.Data[:len(tr.Signal.Data)-9] },
	} {
		x := ring(t, t.Context(), modem.Outgoing{Pages: doc}, modem.Options{NoECM: true, NoMR: true}, modem.Options{}, lt.When(image, spoil))
		delivered(t, x, doc)
		if strings.Contains(x.received.Transcript, "RT") {
			t.Errorf("RTC makes a page worse\n%s", x.received.Transcript)
		}
	}
}

// bits are octets in the order in which their bits are on the line, without the
// fill behind the last one.
func bits(data []byte) string {
	var b strings.Builder
	for _, o := range data {
		for i := range 8 {
			b.WriteByte('0' + o>>i&1)
		}
	}
	return strings.TrimRight(b.String(), "0")
}

func pageEnds(t *testing.T) {
	const eol = "000000000001"
	for name, c := range map[string]struct {
		from   modem.Options
		end    string
		within string // what there is nowhere else in the page
	}{
		"MH":       {modem.Options{NoECM: true, NoMR: true}, strings.Repeat(eol, 6), eol + eol},
		"MR":       {modem.Options{NoECM: true}, strings.Repeat(eol+"1", 6), eol + "1" + eol},
		"MH, ECM":  {modem.Options{NoMMR: true, NoMR: true}, strings.Repeat(eol, 6), eol + eol},
		"MMR, ECM": {modem.Options{}, eol + eol, eol},
	} {
		t.Run(name, func(t *testing.T) {
			for rows := 20; rows < 36; rows++ { // the last bit is anywhere in its octet
				var data []byte
				take := func(tr *lt.Transmission) {
					switch tr.Signal.Kind {
					case line.Page:
						data = append(data, tr.Signal.Data...)
					case line.Block:
						for _, f := range tr.Signal.Frames {
							if t30.FCF(hdlc.FCF(f)) == t30.FCD {
								data = append(data, hdlc.FIF(f)[1:]...)
							}
						}
					}
				}
				doc := document{drawing(uint64(rows), 1728, rows, t4.Standard)}
				x := ring(t, t.Context(), modem.Outgoing{Pages: doc}, c.from, modem.Options{}, take)
				delivered(t, x, doc)
				page, ok := strings.CutSuffix(bits(data), c.end)
				if !ok || strings.Contains(page, c.within) {
					t.Fatalf("%d rows: the page ends %q", rows, bits(data)[len(bits(data))-90:])
				}
			}
		})
	}
}

// scanLineTimes are those of T.30 table 2, bits 21 to 23, in milliseconds.
func scanLineTimes(t *testing.T) {
	const rows = 100
	for field, ms := range [][2]int{{20, 20}, {5, 5}, {10, 10}, {20, 10}, {40, 40}, {40, 20}, {10, 5}, {0, 0}} {
		for i, r := range []t4.Resolution{t4.Standard, t4.Fine} {
			white := document{{Image: t4.NewBitmap(1728, rows), Resolution: r}}
			remote := with(basic, map[dis.Field]uint8{dis.Fine: 1, dis.ScanTime: uint8(field)})
			octets := 0
			count := lt.When(image, func(tr *lt.Transmission) { octets = len(tr.Signal.Data) })
			x := ring(t, t.Context(), modem.Outgoing{Pages: white}, modem.Options{}, modem.Options{}, lt.Each(offers(remote), count))
			delivered(t, x, white)
			const code = 12 + 9 + 8 // bits of EOL and a white row
			want := rows * max(ms[i]*96/10, code) / 8
			if octets < want || octets > want+30 {
				t.Errorf("field %d at %v: %d octets, want little more than %d", field, r, octets, want)
			}
		}
	}
}

// widened has DCS tell more than the page has.
func widened(tr *lt.Transmission) {
	if !lt.Command(lt.Caller, byte(t30.DCS))(tr) {
		return
	}
	s := dis.ParseDCS(hdlc.FIF(tr.Signal.Frames[len(tr.Signal.Frames)-1]))
	s[dis.Width] = dis.Width303
	lt.Replace(hdlc.Append(nil, true, byte(t30.DCS)|1, s.Append(nil)...))(tr)
}

func narrowPage(t *testing.T) {
	doc := document{drawing(1, 1728, 300, t4.Fine), drawing(2, 1728, 40, t4.Fine)}
	for name, from := range map[string]modem.Options{
		"MH":       {NoECM: true, NoMR: true},
		"MR":       {NoECM: true},
		"MMR, ECM": {},
	} {
		t.Run(name, func(t *testing.T) {
			x := ring(t, t.Context(), modem.Outgoing{Pages: doc}, from, modem.Options{}, widened)
			delivered(t, x, doc)
			for i, p := range x.pages {
				if p.BadRows != 0 {
					t.Errorf("page %d: %d rows bad", i, p.BadRows)
				}
			}
		})
	}
	t.Run("a wide page with damage stays wide", func(t *testing.T) {
		wide := document{drawing(3, 2432, 300, t4.Fine)}
		hit := func(tr *lt.Transmission) { tr.Signal.Data[1000] ^= 0x3C }
		x := ring(t, t.Context(), modem.Outgoing{Pages: wide}, modem.Options{NoECM: true, NoMR: true}, modem.Options{}, lt.When(image, hit))
		if x.sent.Status != status.OK || len(x.pages) != 1 || x.pages[0].Image.Width != 2432 || x.pages[0].BadRows == 0 {
			t.Errorf("ended %v\n%s", x.sent.Status, x.received.Transcript)
		}
	})
}

// noRows is a page that is all fill. There is nothing to confirm or to print.
func noRows(t *testing.T) {
	doc := document{drawing(1, 1728, 300, t4.Standard)}
	blank := func(tr *lt.Transmission) {
		clear(tr.Signal.Data)
		for _, f := range tr.Signal.Frames {
			if t30.FCF(hdlc.FCF(f)) == t30.FCD {
				clear(hdlc.FIF(f)[1:])
			}
		}
	}
	for _, from := range []modem.Options{{NoECM: true, NoMR: true}, {NoECM: true}, {NoMMR: true}, {}} {
		x := ring(t, t.Context(), modem.Outgoing{Pages: doc}, from, modem.Options{}, lt.Each(lt.When(image, blank), lt.When(blocks, blank)))
		refused(t, x)
		if strings.Contains(x.received.Transcript, "> RTN") || x.received.Status != status.NotStored {
			t.Errorf("%+v: ended %v\n%s", from, x.received.Status, x.received.Transcript)
		}
	}
}

// jbigInDCS is a sender that uses what it was not offered.
func jbigInDCS(t *testing.T) {
	doc := document{drawing(1, 1728, 30, t4.Standard)}
	t85 := func(tr *lt.Transmission) {
		s := dis.ParseDCS(hdlc.FIF(tr.Signal.Frames[len(tr.Signal.Frames)-1]))
		s[dis.JBIG] = 1
		lt.Replace(hdlc.Append(nil, true, byte(t30.DCS)|1, s.Append(nil)...))(tr)
	}
	x := ring(t, t.Context(), modem.Outgoing{Pages: doc}, modem.Options{}, modem.Options{}, lt.When(lt.Command(lt.Caller, byte(t30.DCS)), t85))
	refused(t, x)
	if x.received.Status != status.RecvBadFormat {
		t.Errorf("ended %v", x.received.Status)
	}
}

// badRows hits one octet each of so many of a thousand rows, of 20 ms at 9600
// bit/s: 24 octets.
func badRows(t *testing.T) {
	const rows, octets = 1000, 24
	doc := document{{Image: t4.NewBitmap(1728, rows), Resolution: t4.Standard}, drawing(1, 1728, 20, t4.Standard)}
	for bad, want := range map[int]string{0: "> MCF", 49: "> MCF", 100: "> RTP", 151: "> RTN"} {
		t.Run(fmt.Sprintf("%d of %d", bad, rows), func(t *testing.T) {
			hit := func(tr *lt.Transmission) {
				for i := range bad {
					tr.Signal.Data[5*octets+i*6*octets+2] = 0xFF
				}
			}
			x := ring(t, t.Context(), modem.Outgoing{Pages: doc}, modem.Options{}, modem.Options{}, lt.Each(offers(basic), lt.When(lt.Nth(image, 1), hit)))
			if x.sent.Status != status.OK || len(x.confirmed) != 2 || len(x.pages) != 2 {
				t.Fatalf("ended %v with %v confirmed\n%s", x.sent.Status, x.confirmed, x.received.Transcript)
			}
			text := x.received.Transcript
			if first := text[strings.Index(text, "page 0:"):]; !strings.Contains(first[:strings.Index(first, "\n")], fmt.Sprintf("%d bad", bad)) || !strings.Contains(first[:100], want) {
				t.Errorf("not %s for %d bad rows\n%s", want, bad, text)
			}
			if kept := x.pages[0].BadRows; kept != bad && want != "> RTN" || kept != 0 && want == "> RTN" {
				t.Errorf("the page kept has %d bad rows", kept)
			}
		})
	}
}
