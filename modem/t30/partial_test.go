package t30_test

import (
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/line"
	lt "github.com/faxmesh/faxmesh/modem/line/linetest"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/modem/t30"
)

// pps says the end of a partial page.
func (p *peer) pps(then t30.FCF, page, block, frames int) {
	p.t.Helper()
	p.say(t30.PPS, byte(then)|p.x*map[bool]byte{true: 1}[then != t30.NULL], byte(page), byte(block), byte(frames-1))
}

// parts are frames of 256 octets by number, from on.
func parts(seed uint64, from, to int) map[int][]byte {
	out := map[int][]byte{}
	for i := from; i < to; i++ {
		out[i] = octets(seed+uint64(i)<<8, 256)
	}
	return out
}

// joined is a partial page of parts.
func joined(ps ...map[int][]byte) (out []byte) {
	for _, p := range ps {
		for i := range len(p) {
			out = append(out, p[i]...)
		}
	}
	return out
}

func less(p map[int][]byte, missing ...int) map[int][]byte {
	out := map[int][]byte{}
	for i, f := range p {
		out[i] = f
	}
	for _, i := range missing {
		delete(out, i)
	}
	return out
}

// TestPartialPages: what senders do behind responses that were lost. Nothing of it
// may put a partial page twice into the page, or a page twice into the document.
func TestPartialPages(t *testing.T) {
	a, b := parts(1, 0, 5), parts(2, 0, 3)
	one := [][]byte{joined(a, b)}
	two := [][]byte{joined(a), joined(b)}
	for name, c := range map[string]struct {
		play func(p *peer, s dis.Session)
		want [][]byte
	}{
		"MCF lost, PPS alone": {func(p *peer, s dis.Session) {
			p.block(s, false, a)
			p.pps(t30.NULL, 0, 0, 5)
			p.expect(t30.MCF, soon)
			p.pps(t30.NULL, 0, 0, 1)
			p.expect(t30.MCF, soon)
			p.block(s, false, b)
			p.pps(t30.EOP, 0, 1, 3)
		}, one},
		"MCF lost, the block again": {func(p *peer, s dis.Session) {
			p.block(s, false, a)
			p.pps(t30.NULL, 0, 0, 5)
			p.expect(t30.MCF, soon)
			p.block(s, false, a)
			p.pps(t30.NULL, 0, 0, 5)
			p.expect(t30.MCF, soon)
			p.block(s, false, b)
			p.pps(t30.EOP, 0, 1, 3)
		}, one},
		"MCF lost, the block again and damaged": {func(p *peer, s dis.Session) {
			p.block(s, false, a)
			p.pps(t30.NULL, 0, 0, 5)
			p.expect(t30.MCF, soon)
			p.block(s, false, less(a, 1, 3))
			p.pps(t30.NULL, 0, 0, 5)
			p.expect(t30.PPR, soon)
			p.block(s, false, less(a, 0, 2, 4))
			p.pps(t30.NULL, 0, 0, 2)
			p.expect(t30.MCF, soon)
			p.block(s, false, b)
			p.pps(t30.EOP, 0, 1, 3)
		}, one},
		"MCF lost, the page again and damaged": {func(p *peer, s dis.Session) {
			p.block(s, false, a)
			p.pps(t30.MPS, 0, 0, 5)
			p.expect(t30.MCF, soon)
			p.block(s, false, less(a, 4))
			p.pps(t30.MPS, 0, 0, 5)
			p.expect(t30.PPR, soon)
			p.block(s, false, less(a, 0, 1, 2, 3))
			p.pps(t30.MPS, 0, 0, 1)
			p.expect(t30.MCF, soon)
			p.block(s, false, b)
			p.pps(t30.EOP, 1, 0, 3)
		}, two},
		"MCF lost, noise, PPS alone": {func(p *peer, s dis.Session) {
			p.block(s, false, a)
			p.pps(t30.MPS, 0, 0, 5)
			p.expect(t30.MCF, soon)
			p.noise(300 * time.Millisecond)
			p.pps(t30.MPS, 0, 0, 1)
			p.expect(t30.PPR, soon)
			p.block(s, false, a)
			p.pps(t30.MPS, 0, 0, 5)
			p.expect(t30.MCF, soon)
			p.block(s, false, b)
			p.pps(t30.EOP, 1, 0, 3)
		}, two},
		"a page of the number before, not heard": {func(p *peer, s dis.Session) {
			p.block(s, false, a)
			p.pps(t30.MPS, 0, 0, 5)
			p.expect(t30.MCF, soon)
			p.noise(300 * time.Millisecond)
			p.pps(t30.MPS, 0, 0, 3)
			p.expect(t30.PPR, soon)
			p.block(s, false, b)
			p.pps(t30.MPS, 0, 0, 3)
			p.expect(t30.MCF, soon)
			p.block(s, false, a)
			p.pps(t30.EOP, 1, 0, 5)
		}, append(two, joined(a))},
		"a frame above the count": {func(p *peer, s dis.Session) {
			long := parts(1, 0, 20)
			long[200] = octets(9, 256)
			p.block(s, false, long)
			p.pps(t30.EOP, 0, 0, 20)
		}, [][]byte{joined(parts(1, 0, 20))}},
		"a frame above the count, one missing below": {func(p *peer, s dis.Session) {
			long := less(parts(1, 0, 20), 7)
			long[200] = octets(9, 256)
			p.block(s, false, long)
			p.pps(t30.EOP, 0, 0, 20)
			p.expect(t30.PPR, soon)
			p.block(s, false, map[int][]byte{7: parts(1, 0, 20)[7]})
			p.pps(t30.EOP, 0, 0, 1)
		}, [][]byte{joined(parts(1, 0, 20))}},
		"a count that is too small": {func(p *peer, s dis.Session) {
			p.block(s, false, parts(1, 0, 20))
			p.pps(t30.EOP, 0, 0, 19)
		}, [][]byte{joined(parts(1, 0, 20))}},
		"a count of nothing, damaged": {func(p *peer, s dis.Session) {
			p.block(s, false, less(parts(1, 0, 20), 0, 1, 2))
			p.pps(t30.EOP, 0, 0, 1)
			p.expect(t30.PPR, soon)
			p.block(s, false, parts(1, 0, 3))
			p.pps(t30.EOP, 0, 0, 3)
		}, [][]byte{joined(parts(1, 0, 20))}},
		"PPR lost, PPS alone": {func(p *peer, s dis.Session) {
			p.block(s, false, less(a, 2))
			p.pps(t30.MPS, 0, 0, 5)
			p.expect(t30.PPR, soon)
			p.pps(t30.MPS, 0, 0, 5)
			p.expect(t30.PPR, soon)
			p.block(s, false, less(a, 0, 1, 3, 4))
			p.pps(t30.MPS, 0, 0, 1)
			p.expect(t30.MCF, soon)
			p.block(s, false, b)
			p.pps(t30.EOP, 1, 0, 3)
		}, two},
		"PPR lost, the block again": {func(p *peer, s dis.Session) {
			p.block(s, false, less(a, 2))
			p.pps(t30.MPS, 0, 0, 5)
			p.expect(t30.PPR, soon)
			p.block(s, false, a)
			p.pps(t30.MPS, 0, 0, 5)
			p.expect(t30.MCF, soon)
			p.block(s, false, b)
			p.pps(t30.EOP, 1, 0, 3)
		}, two},
	} {
		t.Run(name, func(t *testing.T) {
			out := ecmCall(3000).against(t, lt.Caller, func(p *peer) {
				c.play(p, p.setUp(everything(), line.V29x9600))
				p.expect(t30.MCF, soon)
				p.say(t30.DCN)
			})
			same(t, out.stored, c.want)
			if out.received.Pages != len(c.want) || out.received.Status != status.OK {
				t.Errorf("ended %v with %d pages", out.received.Status, out.received.Pages)
			}
		})
	}
}

// T2 runs from the end of the carrier, whenever that was: a sender may take its
// time behind an image that was lost halfway.
func TestCommandBehindLostCarrier(t *testing.T) {
	a := parts(1, 0, 5)
	out := ecmCall(3000).against(t, lt.Caller, func(p *peer) {
		s := p.setUp(everything(), line.V29x9600)
		p.block(s, false, less(a, 3, 4))
		now := p.raw.Now()
		p.put(lt.Piece{Start: now, End: now + 8*time.Second, Signal: line.Signal{Kind: line.Block}, Untrained: true})
		p.pause(6 * time.Second)
		p.pps(t30.EOP, 0, 0, 5)
		p.expect(t30.PPR, soon)
		p.block(s, false, less(a, 0, 1, 2))
		p.pps(t30.EOP, 0, 0, 2)
		p.expect(t30.MCF, soon)
		p.say(t30.DCN)
	})
	same(t, out.stored, [][]byte{joined(a)})
}

// A line that is dead is given up in time all the same.
func TestDeadLineBehindLostCarrier(t *testing.T) {
	ecmCall(3000).against(t, lt.Caller, func(p *peer) {
		s := p.setUp(everything(), line.V29x9600)
		p.block(s, false, parts(1, 0, 3))
		now := p.raw.Now()
		p.put(lt.Piece{Start: now, End: now + 8*time.Second, Signal: line.Signal{Kind: line.Block}, Untrained: true})
		end := p.raw.Now()
		if waited := p.expect(t30.DCN, time.Minute)[0].Start - end; waited < t30.T2-time.Second || waited > 2*t30.T2+time.Second {
			t.Errorf("DCN %v after the carrier, T2 is %v", waited, t30.T2)
		}
	})
}
