package t30_test

import (
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/modem/line"
	lt "github.com/faxmesh/faxmesh/modem/line/linetest"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/modem/t30"
)

// Cases 51 to 61: what is said behind a page, and how calls end.
func commandCases() []fieldCase {
	mcf := func(n ...int) lt.Match { return receiver(t30.MCF, n...) }
	instead := func(c call, f t30.FCF, n ...int) call { return c.damaged(lt.When(mcf(n...), answer(f))) }
	rejected := plainCall(3000, 3000)
	rejected.quality = []t30.Quality{{Rows: 1000, BadRows: 200}}
	documents := plainCall(3000, 2000)
	documents.separate = 1
	blocks := lt.Kind(lt.Caller, line.Block)
	corrected := ecmCall(20000, 2000).damaged(echoes(), lt.When(lt.Nth(blocks, 1, 2, 3, 4), lt.BadFrames(0, 1)))
	busy := ecmCall(2000, 2000).damaged(echoes())
	busy.slow = 2
	beyond := ecmCall(2000).damaged(echoes(), lt.When(blocks, lt.BadFrames()))
	return []fieldCase{
		{number: 51, what: "RTN: the page again, slower", by: []string{"TestCalls/plain RTN", "TestCalls/plain RTN before another document", "TSB-85 MTGN19", "TSB-85 MTGN20", "TSB-85 MTGN21"}},
		{number: 51, what: "RTN behind the last page: not sent", by: []string{"TestCalls/plain RTN at the end"}},
		{number: 51, what: "RTN for ever: twice more, then failed", by: []string{"TestCalls/plain always RTN", "TestSeen/every page rejected"}},
		{number: 51, what: "RTN from who rejects whatever comes", by: []string{"TestSeen/rejected, not again", "modem.TestCallsLearn/it rejects whatever comes", "modem.TestCallsLearn/it rejects MR"}},
		{number: 51, what: "RTN for a page that was kept", call: instead(plainCall(3000, 2000), t30.RTN, 1), want: want{confirmed: 2, stored: []int{0, 0, 1}}, says: "send page 0 again"},
		{number: 51, what: "a page that did not come: RTN, never MCF", by: []string{"TestCalls/plain page garbled", "TestCalls/plain middle page unheard"}},
		{number: 51, what: "a page that does not come: DCN before the sender takes RTN for MCF", by: []string{"TestCalls/plain training always missed"}},
		{number: 51, what: "nothing in the page: DCN", by: []string{"TestCalls/nothing in the page"}},
		{number: 52, what: "RTN with ECM", call: instead(ecmCall(3000, 2000), t30.RTN, 1), want: want{confirmed: 2, stored: []int{0, 0, 1}}, says: "send page 0 again"},
		{number: 52, what: "CFR behind a page", call: instead(ecmCall(3000, 2000), t30.CFR, 1), want: want{confirmed: 2}, says: "CFR does not answer"},
		{number: 52, what: "CTR behind a page", call: instead(ecmCall(3000, 2000), t30.CTR, 2), want: want{confirmed: 2}, says: "CTR does not answer"},
		{number: 52, what: "FTT behind a page", call: instead(plainCall(3000, 2000), t30.FTT, 1), want: want{confirmed: 2}, says: "FTT does not answer"},
		{number: 52, what: "CFR behind a page, always", call: instead(plainCall(3000), t30.CFR), want: want{sent: status.BadResponse}},
		{number: 52, what: "DIS behind a page: it has started over", call: plainCall(3000, 2000).damaged(lt.When(mcf(1), answer(t30.DIS, plain.Append(nil)...))), want: want{confirmed: 2, stored: []int{0, 0, 1}}, says: "send page 0 again"},
		{number: 53, what: "RTP behind MPS", call: instead(plainCall(3000, 2000), t30.RTP, 1), want: want{confirmed: 2}, signals: []string{"MPS", "TSI+DCS", "TCF V.17 12000", "EOP", "DCN"}},
		{number: 53, what: "RTP behind EOM", call: instead(documents, t30.RTP, 1), want: want{confirmed: 2}, signals: []string{"EOM", "TSI+DCS", "EOP", "DCN"}},
		{number: 53, what: "RTP behind EOP", call: instead(plainCall(3000), t30.RTP, 1), want: want{confirmed: 1}, signals: []string{"EOP", "DCN"}},
		{number: 53, what: "RTP, scripted", by: []string{"TestCalls/plain RTP", "TSB-85 MTGN23", "TSB-85 MTGN24", "TSB-85 MTGN25"}},
		{number: 54, what: "MPS again because MCF was lost", by: []string{"TestCalls/plain MCF lost", "TestCalls/plain last MCF lost twice", "TestCalls/ecm MCF lost", "TSB-85 MRGN16"}},
		{number: 55, what: "echo of MPS, EOP, MCF", call: plainCall(3000, 2000).damaged(echoes()), want: want{confirmed: 2}, says: "(echo of EOP)", never: "does not answer"},
		{number: 55, what: "echo of EOM, DIS", call: func() call { c := documents; return c.damaged(echoes()) }(), want: want{confirmed: 2}, says: "(echo of EOM)", never: "does not answer"},
		{number: 55, what: "echo of RTN", call: rejected.damaged(echoes()), want: want{confirmed: 2}, says: "(echo of RTN)", never: "out of place"},
		{number: 55, what: "echo of PPS, PPR, CTC, CTR", call: corrected, want: want{confirmed: 2}, says: "(echo of CTC)", never: "does not answer"},
		{number: 55, what: "echo of RR, RNR", call: busy, want: want{confirmed: 2}, says: "(echo of RNR)", never: "does not answer"},
		{number: 55, what: "echo of EOR, ERR", call: beyond, want: want{sent: status.ECMFailed, received: status.PageAbandoned, stored: []int{}}, says: "(echo of EOR)", never: "does not answer"},
		{number: 55, what: "echo of MCF where a page is due", by: []string{"TestFieldCases/echo of DIS, FTT, CFR, MCF"}},
		{number: 55, what: "echo with another X bit", by: []string{"TestCalls/echo of EOP"}},
		{number: 56, what: "CRP for ever", by: []string{"TestCalls/plain CRP as often as allowed", "TestCalls/plain CRP for ever"}},
		{number: 56, what: "CRP where CFR is due", call: ecmCall(3000).damaged(lt.When(receiver(t30.CFR, 1), answer(t30.CRP))), want: want{confirmed: 1}, signals: []string{"TSI+DCS", "TCF V.17 14400", "TSI+DCS", "TCF V.17 14400"}},
		{number: 56, what: "no CRP for CRP", play: crpForAnswer},
		{number: 57, what: "DCN missing", by: []string{"TestCalls/DCN lost", "TestCalls/hang up at DCN", "TSB-85 MRGX07"}},
		{number: 57, what: "DCN clipped", call: ecmCall(3000).damaged(lt.When(sender(t30.DCN), lt.BadFrames())), want: want{confirmed: 1}},
		{number: 57, what: "DCN clipped, without ECM", call: plainCall(3000).damaged(lt.When(sender(t30.DCN), lt.BadFrames())), want: want{confirmed: 1}},
		{number: 57, what: "DCN in place of the last MCF", call: instead(plainCall(3000, 2000), t30.DCN, 2), want: want{sent: status.Disconnected, confirmed: 1}},
		{number: 57, what: "DCN in place of MCF, with ECM", call: instead(ecmCall(3000, 2000), t30.DCN, 2), want: want{sent: status.Disconnected, confirmed: 1}},
		{number: 58, what: "DIS a T2 after EOM", play: identifiesAfterEOM},
		{number: 58, what: "no answer after EOM: T1", play: silentAfterEOM},
		{number: 58, what: "MCF heard twice is no DIS", play: secondMCF},
		{number: 58, what: "EOM, scripted", by: []string{"TestCalls/two documents", "TSB-85 MRGN09", "TSB-85 MTGN15", "TSB-85 MTGN16"}},
		{number: 59, what: "slow disk", by: []string{"TestCalls/ecm slow disk", "TestCalls/plain slow disk", "TestCalls/ecm dead disk", "TestCalls/plain dead disk", "modem.TestSlowStore"}},
		{number: 60, what: "PRI-EOP, no operator", call: plainCall(3000).damaged(lt.When(sender(t30.EOP), answer(t30.PRE))), want: want{confirmed: 1}, says: "< PRI-EOP"},
		{number: 60, what: "PRI-MPS, no operator", call: plainCall(3000, 2000).damaged(lt.When(sender(t30.MPS), answer(t30.PIS))), want: want{confirmed: 2}, says: "< PRI-MPS"},
		{number: 60, what: "PRI-EOM, no operator", call: func() call { c := documents; return c.damaged(lt.When(sender(t30.EOM), answer(t30.PIM))) }(), want: want{confirmed: 2}, says: "< PRI-EOM"},
		{number: 60, what: "PPS-PRI-EOP, no operator", call: ecmCall(3000).damaged(lt.When(sender(t30.PPS), answer(t30.PPS, byte(t30.PRE)|1, 0, 0, 11))), want: want{confirmed: 1}, says: "< PPS-PRI-EOP"},
		{number: 60, what: "PIP, PIN, no operator", by: []string{"TestCalls/plain PIP", "TestCalls/plain PIN", "TSB-85 MTGN27", "TSB-85 MTGN28"}},
		{number: 61, what: "gone after the last MCF", by: []string{"TestCalls/hang up at DCN"}},
		{number: 61, what: "gone at the last MCF: not confirmed", by: []string{"TestCalls/hang up at MCF", "TestCalls/hang up at EOP"}},
		{number: 32, what: "what follows EOR", play: afterEOR},
	}
}

// crpForAnswer asks for a response again and again, and gets it.
func crpForAnswer(t *testing.T) {
	page := octets(1, 3000)
	out := plainCall(3000).against(t, lt.Caller, func(p *peer) {
		s := p.setUp(plain, line.V29x9600)
		p.say(t30.CRP)
		p.expect(t30.CFR, soon)
		p.page(s, page)
		p.say(t30.EOP)
		for range 2 {
			p.expect(t30.MCF, soon)
			p.say(t30.CRP)
		}
		p.expect(t30.MCF, soon)
		p.say(t30.DCN)
	})
	same(t, out.stored, [][]byte{page})
	if out.received.Status != status.OK {
		t.Errorf("ended %v", out.received.Status)
	}
}

func identifiesAfterEOM(t *testing.T) {
	out := plainCall(3000).against(t, lt.Caller, func(p *peer) {
		s := p.setUp(plain, line.V29x9600)
		p.page(s, octets(1, 500))
		p.say(t30.EOM)
		end := p.expect(t30.MCF, soon)[0].End
		waited := p.expect(t30.DIS, 10*time.Second)[0].Start - end
		if waited < 5*time.Second || waited > 7*time.Second {
			t.Errorf("DIS after %v, T2 is 6 s +- 1 s", waited)
		}
		p.expect(t30.DIS, soon)
		p.expect(t30.DIS, soon)
		left := p.expect(t30.DCN, 40*time.Second)[0].Start - end
		if left < 30*time.Second || left > 47*time.Second {
			t.Errorf("DCN after %v, T1 is 35 s +- 5 s and begins with DIS", left)
		}
	})
	if out.received.Status != status.NoCommand || len(out.stored) != 1 {
		t.Errorf("ended %v with %d pages", out.received.Status, len(out.stored))
	}
}

func twoDocuments() call {
	c := plainCall(3000, 2000)
	c.separate = 1
	return c
}

func silentAfterEOM(t *testing.T) {
	out := twoDocuments().against(t, lt.Called, func(p *peer) {
		p.answerCall(t30.EOM)
		p.say(t30.MCF)
		end := p.raw.Now()
		left := p.expect(t30.DCN, time.Minute)[0].Start - end
		if left < 30*time.Second || left > 40*time.Second {
			t.Errorf("DCN after %v, T1 is 35 s +- 5 s", left)
		}
	})
	if out.sent.Status != status.NoResponse || len(out.confirmed) != 1 {
		t.Errorf("ended %v with %v", out.sent.Status, out.confirmed)
	}
}

func secondMCF(t *testing.T) {
	out := twoDocuments().against(t, lt.Called, func(p *peer) {
		p.answerCall(t30.EOM)
		p.say(t30.MCF)
		p.say(t30.MCF)
		p.noise(200 * time.Millisecond)
		p.pause(5 * time.Second)
		p.answerCall(t30.EOP)
		p.say(t30.MCF)
		p.expect(t30.DCN, soon)
	})
	if out.sent.Status != status.OK || len(out.confirmed) != 2 {
		t.Errorf("ended %v with %v", out.sent.Status, out.confirmed)
	}
}

// afterEOR abandons a page; the next one begins with long training and is kept.
// The call is no success.
func afterEOR(t *testing.T) {
	page := octets(1, 256)
	out := ecmCall(3000).against(t, lt.Caller, func(p *peer) {
		s := p.setUp(everything(), line.V17x14400)
		p.block(s, false, map[int][]byte{0: page})
		p.say(t30.PPS, byte(t30.MPS)|1, 0, 0, 1)
		p.expect(t30.PPR, soon)
		p.say(t30.EOR, byte(t30.MPS)|1)
		p.expect(t30.ERR, soon)
		p.block(s, true, map[int][]byte{0: page})
		p.say(t30.PPS, byte(t30.EOP)|1, 1, 0, 0)
		p.expect(t30.MCF, soon)
		p.say(t30.DCN)
	})
	same(t, out.stored, [][]byte{page})
	if out.received.Status != status.PageAbandoned {
		t.Errorf("ended %v", out.received.Status)
	}
}
