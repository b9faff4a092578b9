package t30_test

import (
	"slices"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
	lt "github.com/faxmesh/faxmesh/modem/line/linetest"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/modem/t30"
)

// before has frames come in front of a V.21 signal.
func before(fs ...[]byte) lt.Damage {
	return func(t *lt.Transmission) { t.Signal.Frames = slices.Concat(fs, t.Signal.Frames) }
}

func optional(f t30.FCF, fif ...byte) []byte { return hdlc.Append(nil, false, byte(f), fif...) }

// echoes throws every V.21 signal back, to arrive right before the answer to it.
func echoes() lt.Damage {
	var last [2][][]byte
	return func(t *lt.Transmission) {
		if t.Signal.Kind != line.Frames {
			last[t.From] = nil
			return
		}
		said := t.Signal.Frames
		before(last[1-t.From]...)(t)
		last[t.From] = said
	}
}

func ecmCall(sizes ...int) call {
	return call{sender: everything(), receiver: everything(), pages: pages(sizes...)}
}

func plainCall(sizes ...int) call {
	return call{sender: plain, receiver: everything(), pages: pages(sizes...)}
}

func (c call) damaged(ds ...lt.Damage) call { c.damage = lt.Each(ds...); return c }

// Cases 15 to 26: who calls, who answers, and what they say of themselves.
func setUpCases() []fieldCase {
	v8 := ecmCall(2000)
	v8.receiver[dis.V8] = 1
	odd := dis.Session{dis.Receive: 1, dis.Rate: 0b1111}
	return []fieldCase{
		{number: 15, what: "no CNG, no CED: only frames count", call: ecmCall(2000), want: want{confirmed: 1}},
		{number: 15, what: "silent caller", play: silentCaller},
		{number: 15, what: "silent caller, scripted", by: []string{"TSB-85 MRGX01", "modem/class1.TestSilence"}},
		{number: 16, what: "clicks before a late DIS", play: clicksBeforeDIS},
		{number: 17, what: "echo of DIS, FTT, CFR, MCF", play: echoedReceiver},
		{number: 17, what: "echo of everything", call: ecmCall(2000, 3000).damaged(echoes()), want: want{confirmed: 2}, says: "(echo of DIS)"},
		{number: 18, what: "DCS with a bad FCS, then good", by: []string{"TestCalls/DCS bad", "TSB-85 MRGN11"}},
		{number: 18, what: "CRP for DIS", by: []string{"TSB-85 MRGN12"}},
		{number: 18, what: "CRP for DIS, then DCS", play: crpForDIS},
		{number: 18, what: "DCS without TCF", by: []string{"TestCalls/training unheard", "TSB-85 MRGN13", "TSB-85 MRGN15"}},
		{number: 18, what: "second DCS after CFR", call: ecmCall(2000).damaged(lt.When(receiver(t30.CFR, 1, 2), lt.Lose)), want: want{confirmed: 1},
			signals: []string{"TSI+DCS", "TCF V.17 14400", "TSI+DCS", "TCF V.17 14400", "TSI+DCS", "TCF V.17 14400", "block V.17 14400 short"}},
		{number: 19, what: "unknown frames before DIS and DCS", call: ecmCall(2000).damaged(
			lt.When(receiver(t30.DIS), before(optional(0x5B), optional(0x70, 1, 2, 3))),
			lt.When(sender(t30.DCS), before(optional(0x6A), optional(t30.FNV, 1)))), want: want{confirmed: 1}, says: "FCF 5A is out of place"},
		{number: 19, what: "unknown frames, scripted", by: []string{"TSB-85 MRGX10", "TSB-85 MRGX11", "TSB-85 MRGX13", "TSB-85 MTGX17", "TSB-85 MTGX19", "TSB-85 MTGX20", "TSB-85 MTGX21"}},
		{number: 19, what: "NSF of a maker nobody knows", call: ecmCall(2000).damaged(lt.When(receiver(t30.DIS), before(optional(t30.NSF), optional(t30.NSF, slices.Repeat([]byte{0xFF}, 90)...)))),
			want: want{confirmed: 1}, says: "NSF"},
		{number: 19, what: "TSI and CSI broken", call: ecmCall(2000).damaged(lt.When(receiver(t30.DIS), lt.BadFrames(0)), lt.When(sender(t30.DCS), lt.BadFrames(0))),
			want: want{confirmed: 1}, says: "(bad frame)"},
		{number: 19, what: "DCS that is too short", call: ecmCall(2000).damaged(lt.When(sender(t30.DCS, 1), answer(t30.DCS, 0))), want: want{confirmed: 1}, says: "DCS is out of place"},
		{number: 19, what: "DCS always too short", call: ecmCall(2000).damaged(lt.When(sender(t30.DCS), answer(t30.DCS, 0))),
			want: want{sent: status.NoTrainResponse, received: status.SenderLeft, stored: []int{}}, never: "CFR"},
		{number: 19, what: "DIS of one octet", call: ecmCall(2000).damaged(lt.When(receiver(t30.DIS), answer(t30.DIS, 0))),
			want: want{sent: status.CannotReceive, received: status.SenderLeft, stored: []int{}}},
		{number: 19, what: "poor flags between frames", by: []string{"modem/hdlc.TestAnyBitOffset", "modem/hdlc.TestClippedEnd"}},
		{number: 20, what: "T2 of the receiver", play: timerT2},
		{number: 20, what: "T4 of the sender", play: timerT4},
		{number: 20, what: "a frame that begins before T2 and ends after it", play: lateFrame},
		{number: 21, what: "the answer comes as the command is repeated", play: collision},
		{number: 22, what: "manual unit: DIS after 30 s", play: lateDIS},
		{number: 22, what: "manual unit, scripted", by: []string{"TSB-85 MTGX01"}},
		{number: 22, what: "no DIS: gone within 40 s", play: noDIS},
		{number: 23, what: "DCN right after DCS", call: ecmCall(2000).damaged(lt.When(receiver(t30.CFR), answer(t30.DCN))),
			want: want{sent: status.Disconnected, received: status.LineDropped, stored: []int{}}},
		{number: 23, what: "V.17 is not tried again", by: []string{"TestSeen/DCN for CFR", "modem.TestCallsLearn/it leaves when it sees V.17", "TSB-85 MTGX03"}},
		{number: 24, what: "rate bits of no rate", call: ecmCall(2000).damaged(lt.When(sender(t30.DCS), answer(t30.DCS, odd.Append(nil)...))),
			want: want{sent: status.Disconnected, received: status.RecvBadFormat, stored: []int{}}, never: "CFR"},
		{number: 25, what: "V.8 bit in DIS, not in DCS", call: v8, want: want{confirmed: 1}, says: "DIS V.8", never: "DCS V.8"},
		{number: 25, what: "V.8 and V.34", not: "the modems of Class 1 run V.8 themselves; this system offers neither V.8 nor V.34"},
		{number: 26, what: "DTC instead of DCS", by: []string{"TestPolling/poll", "TestPolling/poll without ECM", "TSB-85 MRGP01", "TSB-85 MRGP02", "TSB-85 MRGP04"}},
		{number: 26, what: "password: right, wrong, missing", by: []string{"TestPolling/poll with password", "TestPolling/poll with wrong password", "TestPolling/poll without password", "TSB-85 MRGP05", "TSB-85 MRGP06", "TSB-85 MRGP08"}},
		{number: 26, what: "nothing to poll", by: []string{"TestPolling/nothing to poll", "TSB-85 MTGP02"}},
		{number: 26, what: "polled by who did not look at DIS", play: pollForNothing},
		{number: 26, what: "turn-around after EOM", by: []string{"TestPolling/send then poll", "TSB-85 ORGP09", "TSB-85 ORGP10"}},
	}
}

func silentCaller(t *testing.T) {
	out := ecmCall(2000).against(t, lt.Caller, func(p *peer) {
		for range 3 {
			p.expect(t30.DIS, soon)
		}
		said := p.expect(t30.DCN, 40*time.Second)
		if at := said[0].Start; at < 30*time.Second || at > 40*time.Second {
			t.Errorf("DCN after %v, T1 is 35 s +- 5 s", at)
		}
	})
	if out.received.Status != status.NoCommand || len(out.stored) != 0 {
		t.Errorf("ended %v", out.received.Status)
	}
}

func clicksBeforeDIS(t *testing.T) {
	out := plainCall(3000).against(t, lt.Called, func(p *peer) {
		for range 25 {
			start := p.raw.Now() + 900*time.Millisecond
			click := line.Signal{Kind: line.Frames, Frames: [][]byte{{0xFF}}}
			p.put(lt.Piece{Start: start, End: start + 100*time.Millisecond, Signal: click, Garbled: true})
		}
		p.answerCall(t30.EOP)
		p.say(t30.MCF)
		p.expect(t30.DCN, soon)
	})
	if out.sent.Status != status.OK || len(out.confirmed) != 1 {
		t.Errorf("ended %v", out.sent.Status)
	}
}

// echoedReceiver is a line on which the receiver hears itself, also where it
// waits for an image.
func echoedReceiver(t *testing.T) {
	page := octets(1, 3000)
	c := plainCall(3000)
	out := c.against(t, lt.Caller, func(p *peer) {
		s := session(t, plain, line.V17x12000)
		p.echo(p.expect(t30.DIS, soon)...)
		p.say(t30.DCS, s.Append(nil)...)
		p.image(line.Signal{Kind: line.Training, Rate: line.V17x12000, Data: slices.Repeat([]byte{0xFF}, 2250)})
		p.echo(p.expect(t30.FTT, soon)...)
		p.dcs(s)
		p.echo(p.expect(t30.CFR, soon)...)
		for _, then := range []t30.FCF{t30.MPS, t30.EOP} {
			p.page(s, page)
			p.say(then)
			p.echo(p.expect(t30.MCF, soon)...)
		}
		p.say(t30.DCN)
	})
	if out.received.Status != status.OK || out.received.Unexpected != 0 {
		t.Errorf("ended %v, %d frames out of place", out.received.Status, out.received.Unexpected)
	}
	same(t, out.stored, [][]byte{page, page})
}

func crpForDIS(t *testing.T) {
	out := plainCall(3000).against(t, lt.Caller, func(p *peer) {
		p.expect(t30.DIS, soon)
		p.say(t30.CRP)
		s := p.setUp(plain, line.V29x9600)
		p.page(s, octets(1, 500))
		p.say(t30.EOP)
		p.expect(t30.MCF, soon)
		p.say(t30.DCN)
	})
	if out.received.Status != status.OK || len(out.stored) != 1 {
		t.Errorf("ended %v", out.received.Status)
	}
}

// timerT2 leaves a receiver alone between two pages.
func timerT2(t *testing.T) {
	out := plainCall(3000).against(t, lt.Caller, func(p *peer) {
		s := p.setUp(plain, line.V29x9600)
		p.page(s, octets(1, 500))
		p.say(t30.MPS)
		end := p.expect(t30.MCF, soon)[0].End
		waited := p.expect(t30.DCN, 10*time.Second)[0].Start - end
		if waited < 5*time.Second || waited > 7*time.Second {
			t.Errorf("DCN after %v, T2 is 6 s +- 1 s", waited)
		}
	})
	if out.received.Status != status.NoCommand || len(out.stored) != 1 {
		t.Errorf("ended %v with %d pages", out.received.Status, len(out.stored))
	}
}

func timerT4(t *testing.T) {
	out := plainCall(3000).against(t, lt.Called, func(p *peer) {
		p.answerCall(t30.EOP)
		for range 2 {
			end := p.raw.Now()
			waited := p.expect(t30.EOP, soon)[0].Start - end
			if least := 2550 * time.Millisecond; waited < least || waited > 3450*time.Millisecond+2*gap {
				t.Errorf("EOP again after %v, T4 is 3 s +- 15 %%", waited)
			}
		}
		p.expect(t30.DCN, soon)
	})
	if out.sent.Status != status.NoResponse || len(out.confirmed) != 0 {
		t.Errorf("ended %v", out.sent.Status)
	}
}

// lateFrame has EOP begin as late as T2 lets it, after flags as long as T.30
// lets them be.
func lateFrame(t *testing.T) {
	out := plainCall(3000).against(t, lt.Caller, func(p *peer) {
		s := p.setUp(plain, line.V29x9600)
		p.page(s, octets(1, 500))
		p.put(p.frames(6500*time.Millisecond, 2800*time.Millisecond, p.frame(true, t30.EOP))...)
		p.expect(t30.MCF, soon)
		p.say(t30.DCN)
	})
	if out.received.Status != status.OK || len(out.stored) != 1 {
		t.Errorf("ended %v", out.received.Status)
	}
}

// collision has the receiver answer just as the sender repeats: neither hears
// the other. The next repetition finds a quiet line.
func collision(t *testing.T) {
	out := plainCall(3000).against(t, lt.Called, func(p *peer) {
		p.answerCall(t30.EOP)
		p.put(p.frames(3700*time.Millisecond, preamble, p.frame(true, t30.MCF))...)
		p.expect(t30.EOP, soon)
		p.say(t30.MCF)
		p.expect(t30.DCN, soon)
	})
	if out.sent.Status != status.OK || len(out.confirmed) != 1 {
		t.Errorf("ended %v", out.sent.Status)
	}
}

func lateDIS(t *testing.T) {
	out := plainCall(3000).against(t, lt.Called, func(p *peer) {
		p.pause(29999 * time.Millisecond)
		p.answerCall(t30.EOP)
		p.say(t30.MCF)
		p.expect(t30.DCN, soon)
	})
	if out.sent.Status != status.OK || len(out.confirmed) != 1 {
		t.Errorf("ended %v", out.sent.Status)
	}
}

func noDIS(t *testing.T) {
	out := plainCall(3000).against(t, lt.Called, func(p *peer) {
		p.silent(time.Minute)
		if at := p.raw.Now(); at < 30*time.Second || at > 40*time.Second {
			t.Errorf("left after %v, T1 is 35 s +- 5 s", at)
		}
	})
	if out.sent.Status != status.NoIdentification {
		t.Errorf("ended %v", out.sent.Status)
	}
}

func pollForNothing(t *testing.T) {
	out := plainCall(3000).against(t, lt.Caller, func(p *peer) {
		p.expect(t30.DIS, soon)
		p.say(t30.DTC, plain.Append(nil)...)
		p.expect(t30.DCN, soon)
	})
	if out.received.Status != status.NothingOffered {
		t.Errorf("ended %v", out.received.Status)
	}
}

func everythingDIS() []byte { return everything().Append(nil) }
