package t30_test

import (
	"slices"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/line"
	lt "github.com/faxmesh/faxmesh/modem/line/linetest"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/modem/t30"
)

// fewer takes frames off the end of a block.
func fewer(n int) lt.Damage {
	return func(t *lt.Transmission) { t.Signal.Frames = t.Signal.Frames[:len(t.Signal.Frames)-n] }
}

// counted has PPS tell another number of frames than the sender does.
func counted(frames int) lt.Damage {
	return func(t *lt.Transmission) {
		f := t.Signal.Frames[len(t.Signal.Frames)-1]
		f[len(f)-1] = byte(frames - 1)
	}
}

// only is a PPR that asks for these frames.
func only(frames ...int) []byte {
	m := make([]byte, 32)
	for _, i := range frames {
		m[i/8] |= 1 << (i % 8)
	}
	return m
}

// Cases 34 to 50: the page on the line, and error correction.
func imageCases() []fieldCase {
	blocks := lt.Kind(lt.Caller, line.Block)
	pps := sender(t30.PPS)
	first := func(n ...int) lt.Match { return lt.Nth(blocks, n...) }
	slow := ecmCall(65536)
	slow.maxRate = line.V27ter2400
	slower := ecmCall(65536, 2000)
	slower.maxRate = line.V29x7200
	small := func(sizes ...int) call {
		c := ecmCall(sizes...)
		c.receiver[dis.Prefer64] = 1
		return c
	}
	four := func() lt.Damage { return lt.When(first(1, 2, 3, 4), lt.BadFrames(0, 1)) }
	twice := func(t *lt.Transmission) { t.Signal.Frames = append(t.Signal.Frames[:1:1], t.Signal.Frames...) }
	mixed := func(t *lt.Transmission) { slices.Reverse(t.Signal.Frames[:5]) }
	short := func(t *lt.Transmission) { // without the zeros that fill the last frame
		fs := t.Signal.Frames
		f := fs[len(fs)-4]
		for f[len(f)-1] == 0 {
			f = f[:len(f)-1]
		}
		fs[len(fs)-4] = f
	}
	noFCF2 := answer(t30.PPS)
	return []fieldCase{
		{number: 34, what: "the carrier is lost before RTC", play: cutPage},
		{number: 34, what: "no RTC, but the command at once", play: pageWithoutRTC},
		{number: 35, what: "the carrier starts anew", play: restartedCarrier},
		{number: 35, what: "a block that starts anew", play: restartedBlock},
		{number: 36, what: "one RCP", call: ecmCall(20000, 300).damaged(lt.When(blocks, fewer(2))), want: want{confirmed: 2}, never: "PPR"},
		{number: 36, what: "RCP cut off", call: ecmCall(20000, 300).damaged(lt.When(first(1), fewer(2)), lt.When(first(1), lt.BadFrames(79))), want: want{confirmed: 2}, never: "PPR"},
		{number: 36, what: "RCP cut off, in the decoder", by: []string{"modem/hdlc.TestClippedEnd"}},
		{number: 36, what: "no RCP", call: ecmCall(70000, 300).damaged(lt.When(blocks, fewer(3))), want: want{confirmed: 2}, never: "PPR"},
		{number: 37, what: "bursts sent again are counted as bursts", call: ecmCall(20000).damaged(lt.When(first(1), lt.BadFrames(3, 4))), want: want{confirmed: 1}, says: "PPS-EOP page 0 block 0 frames 2"},
		{number: 37, what: "bursts sent again are counted as blocks", call: ecmCall(20000).damaged(lt.When(first(1), lt.BadFrames(3, 4)), lt.When(lt.Nth(pps, 2), counted(79))), want: want{confirmed: 1}, says: "PPR 3-4 79-255"},
		{number: 37, what: "00 behind one frame", call: ecmCall(100).damaged(lt.When(pps, counted(1))), want: want{confirmed: 1}, never: "PPR"},
		{number: 37, what: "FF behind no frame", call: ecmCall(20000, 300).damaged(lt.When(receiver(t30.MCF, 1), lt.Lose), lt.When(lt.Nth(pps, 2), counted(256))), want: want{confirmed: 2}, never: "PPR"},
		{number: 37, what: "FF behind no frame, after PPR", call: ecmCall(20000).damaged(lt.When(first(1), lt.BadFrames(3)), lt.When(receiver(t30.PPR, 1), lt.Lose), lt.When(lt.Nth(pps, 2), counted(256))), want: want{confirmed: 1}},
		{number: 37, what: "FF behind 256 frames", call: ecmCall(65536).damaged(lt.When(pps, counted(256))), want: want{confirmed: 1}, never: "PPR"},
		{number: 38, what: "PPR that asks for nothing", call: ecmCall(2000).damaged(lt.When(receiver(t30.MCF, 1, 2), answer(t30.PPR, only()...))), want: want{confirmed: 1}, says: "PPR none"},
		{number: 38, what: "PPR that asks for nothing, for ever", call: ecmCall(2000).damaged(lt.When(receiver(t30.MCF), answer(t30.PPR, only()...))), want: want{sent: status.ECMFailed}},
		{number: 38, what: "PPR that asks for what is not there", call: ecmCall(2000).damaged(lt.When(receiver(t30.MCF, 1), answer(t30.PPR, only(8, 200, 255)...))), want: want{confirmed: 1}},
		{number: 39, what: "fourth PPR: CTC", by: []string{"TestCalls/ecm fourth PPR", "TestCalls/ecm slower by CTC", "TSB-85 OTEN05", "TSB-85 OTEN06"}},
		{number: 39, what: "fourth PPR: EOR", by: []string{"TestCalls/ecm beyond correction", "TSB-85 OREN04", "TSB-85 OREN07"}},
		{number: 39, what: "PPS again in place of CTC", call: ecmCall(20000).damaged(four(), lt.When(sender(t30.CTC, 1), answer(t30.PPS, byte(t30.EOP), 0, 0, 78))), want: want{confirmed: 1}, says: "PPR does not answer"},
		{number: 39, what: "CTC too early", call: ecmCall(20000).damaged(lt.When(first(1), lt.BadFrames(0)), lt.When(lt.Nth(pps, 1), answer(t30.CTC, 0, 0x20))), want: want{confirmed: 1}, says: "CTR does not answer"},
		{number: 39, what: "PPR after CTC", call: ecmCall(20000).damaged(four(), lt.When(receiver(t30.CTR, 1), answer(t30.PPR, only(0)...))), want: want{confirmed: 1}, says: "PPR does not answer"},
		{number: 40, what: "CTC at a lower rate of another modem", by: []string{"TestFieldCases/the modem changes at CTC"}},
		{number: 40, what: "V.34", not: "CTC is not for V.34, which is not offered"},
		{number: 41, what: "PPS lost", by: []string{"TestCalls/ecm PPS lost", "TestCalls/ecm PPS bad", "TSB-85 OREN03"}},
		{number: 41, what: "PPS of a block that is confirmed", call: ecmCall(70000, 2000).damaged(lt.When(receiver(t30.MCF, 1, 3), lt.Lose)), want: want{confirmed: 2}},
		{number: 42, what: "the first PPS is missed: again after T4", play: missedPPS},
		{number: 43, what: "CRP instead of PPS", by: []string{"TestCalls/CRP for PPS"}},
		{number: 43, what: "PPS without its second control field", call: ecmCall(20000).damaged(lt.When(lt.Nth(pps, 1), noFCF2)), want: want{confirmed: 1}, says: "PPS is out of place"},
		{number: 43, what: "PPS always without it", call: ecmCall(20000).damaged(lt.When(pps, noFCF2)), want: want{sent: status.NoResponse, received: status.SenderLeft, stored: []int{}}},
		{number: 43, what: "PPS-NULL after PPS-MPS", call: ecmCall(300, 140000, 300), want: want{confirmed: 3}, signals: []string{"PPS-MPS", "PPS-NULL", "PPS-NULL", "PPS-MPS", "PPS-EOP"}},
		{number: 43, what: "frame 255 missing at PPS-NULL", call: ecmCall(70000).damaged(lt.When(first(1), lt.BadFrames(255))), want: want{confirmed: 1}, says: "PPR 255"},
		{number: 44, what: "RNR, RR", by: []string{"TestCalls/ecm RNR", "TestCalls/ecm slow disk", "TestCalls/ecm slow disk, RNR lost", "TSB-85 OTEN03"}},
		{number: 44, what: "RR lost", call: ecmCall(2000).damaged(lt.When(receiver(t30.MCF, 1), answer(t30.RNR)), lt.When(sender(t30.RR, 1), lt.Lose)), want: want{confirmed: 1}, signals: []string{"PPS-EOP", "RR", "RR", "DCN"}},
		{number: 44, what: "RR after MCF", play: readyAfterMCF},
		{number: 44, what: "RNR never ends: DCN after T5", play: busyForEver},
		{number: 45, what: "more than 256 pages", by: []string{"TestCalls/three hundred pages"}},
		{number: 45, what: "more than 256 frames", by: []string{"TestCalls/two blocks", "TestCalls/exactly one block", "TestCalls/one octet more", "TSB-85 OREN09"}},
		{number: 46, what: "ECM agreed, the page comes without", play: pageInsteadOfBlock},
		{number: 46, what: "ECM agreed, a page in T.6 comes without", play: pageInT6InsteadOfBlock},
		{number: 46, what: "ECM agreed, what comes without is no page", play: badPageInsteadOfBlock},
		{number: 46, what: "MMR without ECM", by: []string{"TestCalls/MMR without ECM"}},
		{number: 47, what: "who loses the first frame of a burst gets it twice", call: ecmCall(20000).damaged(lt.When(blocks, lt.BadFrames(0))), want: want{confirmed: 1}, says: "block of 2 frames",
			signals: []string{"PPS-EOP", "PPS-EOP", "PPS-EOP", "DCN"}},
		{number: 47, what: "nobody else does", call: ecmCall(20000).damaged(lt.When(first(1), lt.BadFrames(0, 9, 10)), lt.When(first(2), lt.BadFrames(1))), want: want{confirmed: 1}, never: "block of 2 frames"},
		{number: 47, what: "not before the second correction", call: ecmCall(20000).damaged(lt.When(first(1), lt.BadFrames(0))), want: want{confirmed: 1}, never: "block of 2 frames"},
		{number: 47, what: "not in a block that is full", call: ecmCall(65536).damaged(lt.When(first(1, 2), lt.Garble)), want: want{confirmed: 1}, never: "block of 257 frames"},
		{number: 47, what: "the first frame twice", call: ecmCall(20000, 70000).damaged(lt.When(blocks, twice)), want: want{confirmed: 2}, never: "PPR"},
		{number: 47, what: "frames in another order", call: ecmCall(20000).damaged(lt.When(blocks, mixed)), want: want{confirmed: 1}, never: "PPR"},
		{number: 48, what: "frames of 64 octets", call: small(16384, 16385, 100).damaged(lt.When(first(1), lt.BadFrames(7, 255))), want: want{confirmed: 3}, says: "PPR 7 255"},
		{number: 48, what: "frames of 64 octets, scripted", by: []string{"TSB-85 OREN05", "TSB-85 OREN08"}},
		{number: 48, what: "last frame short", call: ecmCall(20001, 3).damaged(lt.When(blocks, short)), want: want{confirmed: 2}, never: "PPR"},
		{number: 49, what: "a whole block unreadable at 2400 bit/s", call: slow.damaged(lt.When(first(1), lt.Garble)), want: want{confirmed: 1}, says: "PPR 0-255"},
		{number: 49, what: "a whole block unreadable at 7200 bit/s", call: slower.damaged(lt.When(first(1), lt.Garble)), want: want{confirmed: 2}, says: "PPR 0-255"},
		{number: 50, what: "a page without end", play: endlessPage},
		{number: 50, what: "a page without lines", by: []string{"modem/class1.TestPageWithoutLines"}},
		{number: 50, what: "an hour of lines", by: []string{"modem/class1.TestPageWithoutEnd"}},
	}
}

// cutPage has the receiver lose the carrier: it has a part of the page, and the
// command comes when the sender is through.
func cutPage(t *testing.T) {
	c := plainCall(3000)
	c.quality = []t30.Quality{{Rows: 100, Cut: true}}
	whole := octets(1, 9000)
	out := c.against(t, lt.Caller, func(p *peer) {
		s := p.setUp(plain, line.V29x9600)
		p.page(s, whole[:2000])
		p.pause(3 * time.Second)
		p.say(t30.EOP)
		p.expect(t30.RTN, soon)
		p.dcs(s)
		p.expect(t30.CFR, soon)
		p.page(s, whole)
		p.say(t30.EOP)
		p.expect(t30.MCF, soon)
		p.say(t30.DCN)
	})
	same(t, out.stored, [][]byte{whole})
	if out.received.Status != status.OK {
		t.Errorf("ended %v", out.received.Status)
	}
}

func pageWithoutRTC(t *testing.T) {
	c := plainCall(3000)
	c.quality = []t30.Quality{{Rows: 100, Cut: true}}
	out := c.against(t, lt.Caller, func(p *peer) {
		s := p.setUp(plain, line.V29x9600)
		p.page(s, octets(1, 2000))
		p.say(t30.EOP)
		p.expect(t30.MCF, soon)
		p.say(t30.DCN)
	})
	if out.received.Status != status.OK || len(out.stored) != 1 {
		t.Errorf("ended %v", out.received.Status)
	}
}

func restartedCarrier(t *testing.T) {
	page := octets(1, 3000)
	out := plainCall(3000).against(t, lt.Caller, func(p *peer) {
		s := p.setUp(plain, line.V17x14400)
		p.noise(300 * time.Millisecond)
		p.page(s, page)
		p.say(t30.EOP)
		p.expect(t30.MCF, soon)
		p.say(t30.DCN)
	})
	same(t, out.stored, [][]byte{page})
}

func restartedBlock(t *testing.T) {
	page := octets(1, 256)
	out := ecmCall(3000).against(t, lt.Caller, func(p *peer) {
		s := p.setUp(everything(), line.V17x14400)
		p.noise(300 * time.Millisecond)
		p.block(s, false, map[int][]byte{0: page})
		p.say(t30.PPS, byte(t30.EOP)|1, 0, 0, 0)
		p.expect(t30.MCF, soon)
		p.say(t30.DCN)
	})
	same(t, out.stored, [][]byte{page})
}

func missedPPS(t *testing.T) {
	out := ecmCall(3000).against(t, lt.Called, func(p *peer) {
		p.say(t30.DIS, everythingDIS()...)
		p.expect(t30.DCS, soon)
		p.expect(t30.NULL, soon) // the training check
		p.say(t30.CFR)
		end := p.expect(t30.PPS, soon)[0].End
		if waited := p.expect(t30.PPS, soon)[0].Start - end; waited < 2550*time.Millisecond || waited > 3450*time.Millisecond+4*gap+preamble {
			t.Errorf("PPS again after %v, T4 is 3 s +- 15 %%", waited)
		}
		p.say(t30.MCF)
		p.expect(t30.DCN, soon)
	})
	if out.sent.Status != status.OK {
		t.Errorf("ended %v", out.sent.Status)
	}
}

func readyAfterMCF(t *testing.T) {
	page := octets(1, 256)
	out := ecmCall(3000).against(t, lt.Caller, func(p *peer) {
		s := p.setUp(everything(), line.V29x9600)
		p.block(s, false, map[int][]byte{0: page})
		p.say(t30.PPS, byte(t30.EOP)|1, 0, 0, 0)
		p.expect(t30.MCF, soon)
		p.say(t30.RR)
		p.expect(t30.MCF, soon)
		p.say(t30.DCN)
	})
	same(t, out.stored, [][]byte{page})
	if out.received.Status != status.OK {
		t.Errorf("ended %v", out.received.Status)
	}
}

func busyForEver(t *testing.T) {
	out := ecmCall(3000).against(t, lt.Called, func(p *peer) {
		p.say(t30.DIS, everythingDIS()...)
		p.expect(t30.DCS, soon)
		p.expect(t30.NULL, soon)
		p.say(t30.CFR)
		p.expect(t30.PPS, soon)
		p.say(t30.RNR)
		since := p.raw.Now()
		for p.raw.Now() < since+2*time.Minute {
			said, ok := p.next(soon)
			if !ok {
				t.Fatal("the engine is silent")
			}
			if last(said) == t30.DCN {
				break
			}
			p.pause(time.Second)
			p.say(t30.RNR)
		}
		if busy := p.raw.Now() - since; busy < 55*time.Second || busy > 70*time.Second {
			t.Errorf("DCN after %v, T5 is 60 s +- 5 s", busy)
		}
	})
	if out.sent.Status != status.RemoteBusy || len(out.confirmed) != 0 {
		t.Errorf("ended %v", out.sent.Status)
	}
}

// pageInsteadOfBlock is a sender that forgets what its DCS said. The page is
// there all the same; it is received as pages without ECM are.
func pageInsteadOfBlock(t *testing.T) {
	want := [][]byte{octets(1, 3000), octets(2, 2000)}
	out := ecmCall(3000).against(t, lt.Caller, func(p *peer) {
		s := p.setUp(without(everything(), dis.MMR), line.V29x9600)
		p.page(s, want[0])
		p.say(t30.MPS)
		p.expect(t30.MCF, soon)
		p.pause(3 * time.Second)
		p.say(t30.MPS) // MCF was lost
		p.expect(t30.MCF, soon)
		p.page(s, want[1])
		p.say(t30.EOP)
		p.expect(t30.MCF, soon)
		p.say(t30.DCN)
	})
	same(t, out.stored, want)
	if out.received.Status != status.OK {
		t.Errorf("ended %v", out.received.Status)
	}
}

// pageInT6InsteadOfBlock cannot be told from a damaged one: nothing is confirmed.
func pageInT6InsteadOfBlock(t *testing.T) {
	out := ecmCall(3000).against(t, lt.Caller, func(p *peer) {
		s := p.setUp(everything(), line.V29x9600)
		p.page(s, octets(1, 3000))
		for range 3 {
			p.say(t30.EOP)
			p.silent(3 * time.Second)
		}
		p.say(t30.DCN)
	})
	if out.received.Status != status.SenderLeft || len(out.stored) != 0 {
		t.Errorf("ended %v with %d pages", out.received.Status, len(out.stored))
	}
}

// badPageInsteadOfBlock is judged as any page without ECM.
func badPageInsteadOfBlock(t *testing.T) {
	c := ecmCall(3000)
	c.quality = []t30.Quality{{Rows: 100, BadRows: 20}}
	out := c.against(t, lt.Caller, func(p *peer) {
		s := p.setUp(without(everything(), dis.MMR), line.V29x9600)
		p.page(s, octets(1, 3000))
		p.say(t30.EOP)
		p.expect(t30.RTN, soon)
		p.say(t30.DCN)
	})
	if out.received.Status != status.SenderLeft || len(out.stored) != 0 {
		t.Errorf("ended %v with %d pages", out.received.Status, len(out.stored))
	}
}

// endlessPage is longer than a page may be: it is no page.
func endlessPage(t *testing.T) {
	out := plainCall(3000).against(t, lt.Caller, func(p *peer) {
		s := p.setUp(plain, line.V17x14400)
		p.page(s, make([]byte, line.MaxPage+1))
		p.say(t30.EOP)
		p.expect(t30.RTN, soon)
		p.say(t30.DCN)
	})
	if out.received.Status != status.SenderLeft || len(out.stored) != 0 {
		t.Errorf("ended %v with %d pages", out.received.Status, len(out.stored))
	}
}
