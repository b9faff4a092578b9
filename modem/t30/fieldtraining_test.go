package t30_test

import (
	"slices"

	"github.com/faxmesh/faxmesh/modem/line"
	lt "github.com/faxmesh/faxmesh/modem/line/linetest"
	"github.com/faxmesh/faxmesh/modem/t30"
)

// check changes what a training check brings, which takes 1.5 s: in octets of a
// 150th of that.
func check(change func(octets [150]byte) [150]byte) lt.Damage {
	return func(t *lt.Transmission) {
		n := t.Signal.Rate.BitsPerSecond() * 3 / 16 / 150
		t.Signal.Data = nil
		for _, o := range change([150]byte{}) {
			t.Signal.Data = append(t.Signal.Data, slices.Repeat([]byte{o}, n)...)
		}
	}
}

// residue is as many of the octets 0xFF at the start.
func residue(n int, with byte) lt.Damage {
	return check(func(o [150]byte) [150]byte {
		for i := range n {
			o[i] = with
		}
		return o
	})
}

// Cases 27 to 33: the training check, the rates and their order.
func trainingCases() []fieldCase {
	tcf := lt.Kind(lt.Caller, line.Training)
	blocks := lt.Kind(lt.Caller, line.Block)
	hit := check(func(o [150]byte) [150]byte { o[75] = 0x10; return o })
	again := []string{"TSI+DCS", "TCF V.17 14400", "TSI+DCS", "TCF V.17 12000", "block V.17 12000 short"}
	v17 := func(t *lt.Transmission) bool { return blocks(t) && t.Signal.Rate.V17() }
	return []fieldCase{
		{number: 27, what: "ones before the zeros of TCF", call: plainCall(3000).damaged(lt.When(tcf, residue(10, 0xFF))), want: want{confirmed: 1}, never: "FTT"},
		{number: 27, what: "noise before the zeros of TCF", call: ecmCall(3000).damaged(lt.When(tcf, residue(14, 0x5A))), want: want{confirmed: 1}, never: "FTT"},
		{number: 27, what: "ones, scripted", by: []string{"TSB-85 MRGN07"}},
		{number: 28, what: "one octet in ten, an unbroken second", by: []string{"TestTraining"}},
		{number: 28, what: "a tenth and more is not zero", call: ecmCall(3000).damaged(lt.When(lt.Nth(tcf, 1), residue(16, 0xFF))), want: want{confirmed: 1}, says: "FTT", signals: again},
		{number: 28, what: "no unbroken second", call: plainCall(3000).damaged(lt.When(lt.Nth(tcf, 1), hit)), want: want{confirmed: 1}, says: "FTT"},
		{number: 28, what: "with ECM half a second is enough", call: ecmCall(3000).damaged(lt.When(tcf, hit)), want: want{confirmed: 1}, never: "FTT"},
		{number: 29, what: "no TCF at the speed offered", by: []string{"TestCalls/training unheard", "TestCalls/training garbled", "TSB-85 MRGN08", "TSB-85 MRGN13"}},
		{number: 29, what: "nothing in TCF is zero", call: ecmCall(3000).damaged(lt.When(lt.Nth(tcf, 1), residue(150, 0xFF))), want: want{confirmed: 1}, says: "FTT", signals: again},
		{number: 30, what: "V.17 9600 is the last of V.17, V.29 does not go back to it", call: ecmCall(2000).damaged(lt.BadTraining(line.V29x7200)), want: want{confirmed: 1},
			never: "V.17 7200", signals: []string{"TCF V.17 14400", "TCF V.17 12000", "TCF V.17 9600", "TCF V.29 9600", "TCF V.29 7200", "block V.29 7200"}},
		// Some leave at the third FTT. A script wants V.17 9600 tried all the same,
		// so a station is spared the ladder from the second call on.
		{number: 30, what: "the ladder is paid once", by: []string{"TSB-85 OTGC08", "modem.TestLadderIsPaidOnce", "TestLadder"}},
		{number: 31, what: "the same speed again unless FTT", call: ecmCall(2000).damaged(lt.When(sender(t30.DCS, 1, 2), lt.Lose), lt.When(lt.Nth(tcf, 1, 2), lt.Lose)), want: want{confirmed: 1},
			signals: []string{"TSI+DCS", "TCF V.17 14400", "TSI+DCS", "TCF V.17 14400", "TSI+DCS", "TCF V.17 14400"}, never: "12000"},
		{number: 31, what: "after FTT TSI, DCS and long training again", call: ecmCall(2000).damaged(lt.When(lt.Nth(tcf, 1), lt.Garble)), want: want{confirmed: 1}, says: "FTT", signals: again},
		{number: 32, what: "short after CFR, in every block and page", call: ecmCall(70000, 2000), want: want{confirmed: 2},
			signals: []string{"TCF V.17 14400", "block V.17 14400 short", "PPS-NULL", "block V.17 14400 short", "PPS-MPS", "block V.17 14400 short"}},
		{number: 32, what: "long after CTR, then short", call: ecmCall(20000).damaged(lt.When(lt.Nth(blocks, 1, 2, 3, 4, 5), lt.BadFrames(0, 1))), want: want{confirmed: 1},
			signals: []string{"CTC", "block V.17 14400", "PPS-EOP", "block V.17 14400 short"}},
		{number: 32, what: "long after EOR", by: []string{"TestFieldCases/what follows EOR"}},
		{number: 32, what: "long in the training behind a second DCS", call: plainCall(2000, 2000).damaged(lt.When(receiver(t30.MCF, 1), answer(t30.RTP))), want: want{confirmed: 2},
			signals: []string{"page V.17 14400 short", "MPS", "TSI+DCS", "TCF V.17 12000", "page V.17 12000 short"}},
		{number: 32, what: "V.17 12000, then V.29 9600", call: ecmCall(2000).damaged(lt.BadTraining(line.V29x9600)), want: want{confirmed: 1},
			signals: []string{"TCF V.17 12000", "TCF V.29 9600", "block V.29 9600"}},
		{number: 32, what: "the modem changes at CTC", call: ecmCall(2000).damaged(lt.When(v17, lt.BadFrames())), want: want{confirmed: 1},
			signals: []string{"CTC", "block V.17 12000", "CTC", "block V.17 9600", "CTC", "block V.29 9600"}},
		{number: 33, what: "75 ms of silence before phase C", by: []string{"modem/class1.TestTurnRound"}},
		{number: 33, what: "ones and fill before a page", by: []string{"modem/t4.TestPageEnds/noise in front", "modem/t4.TestPageEnds/fill in front"}},
	}
}
