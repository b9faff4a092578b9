package t30_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
	lt "github.com/faxmesh/faxmesh/modem/line/linetest"
	"github.com/faxmesh/faxmesh/modem/t30"
)

// peer is a station that a test plays signal by signal, with its own ideas of
// time.
type peer struct {
	t   *testing.T
	raw *lt.Raw
	x   byte
}

// Times of a station that keeps to T.30, and of what it may wait for.
const (
	gap      = 75 * time.Millisecond
	preamble = time.Second
	soon     = 4 * time.Second
)

// against has one engine of the call talk to a peer on the side given.
func (c call) against(t *testing.T, side lt.Side, play func(p *peer)) outcome {
	t.Helper()
	a, b := lt.Pair(nil)
	s, r := c.engines()
	var out outcome
	p := &peer{t: t}
	var wg sync.WaitGroup
	if side == lt.Caller {
		p.raw, p.x = a.Raw(), 1
		wg.Go(func() { out.received = c.play(t, lt.Called, r, b, &out) })
	} else {
		p.raw = b.Raw()
		wg.Go(func() { out.sent = c.play(t, lt.Caller, s, a, &out) })
	}
	func() {
		defer wg.Wait()
		defer p.raw.HangUp()
		play(p)
	}()
	if t.Failed() {
		t.Logf("the engine against the peer:\n%s%s", out.sent.Transcript, out.received.Transcript)
	}
	return out
}

func (p *peer) frame(final bool, f t30.FCF, fif ...byte) []byte {
	b := byte(f)
	if b&0x0E != 0 {
		b |= p.x
	}
	return hdlc.Append(nil, final, b, fif...)
}

// frames are V.21 frames after the silence and the preamble given.
func (p *peer) frames(gap, preamble time.Duration, fs ...[]byte) []lt.Piece {
	var out []lt.Piece
	start := p.raw.Now() + gap
	end := start + preamble
	for _, f := range fs {
		end += time.Duration(len(f)+3) * 8 * time.Second / 300
		out = append(out, lt.Piece{Start: start, End: end, Signal: line.Signal{Kind: line.Frames, Frames: [][]byte{f}}})
		start = end
	}
	return out
}

func (p *peer) put(pieces ...lt.Piece) {
	p.t.Helper()
	if err := p.raw.Put(pieces...); err != nil {
		p.t.Fatalf("the engine has left: %v", err)
	}
}

// say says one command or response.
func (p *peer) say(f t30.FCF, fif ...byte) {
	p.t.Helper()
	p.put(p.frames(gap, preamble, p.frame(true, f, fif...))...)
}

// echo throws the pieces back that the engine has said.
func (p *peer) echo(said ...lt.Piece) {
	p.t.Helper()
	for _, s := range said {
		start := p.raw.Now() + 20*time.Millisecond
		p.put(lt.Piece{Start: start, End: start + 300*time.Millisecond, Signal: s.Signal})
	}
}

func (p *peer) image(s line.Signal) {
	p.t.Helper()
	start := p.raw.Now() + gap
	p.put(lt.Piece{Start: start, End: start + lt.Duration(s), Signal: s})
}

// noise is a carrier that cannot be received.
func (p *peer) noise(d time.Duration) {
	p.t.Helper()
	start := p.raw.Now() + gap
	p.put(lt.Piece{Start: start, End: start + d, Garbled: true})
}

func (p *peer) pause(d time.Duration) { p.raw.Pause(d) }

// dcs says DCS and a training check of good zeros.
func (p *peer) dcs(s dis.Session) {
	p.t.Helper()
	p.say(t30.DCS, s.Append(nil)...)
	r, _ := s.LineRate()
	p.image(line.Signal{Kind: line.Training, Rate: r, Data: make([]byte, r.BitsPerSecond()*3/16)})
}

// page says a page without ECM.
func (p *peer) page(s dis.Session, data []byte) {
	p.t.Helper()
	r, _ := s.LineRate()
	p.image(line.Signal{Kind: line.Page, Rate: r, Short: r.V17(), Data: data})
}

// block says a partial page, a frame of data for each of parts by number.
func (p *peer) block(s dis.Session, long bool, parts map[int][]byte) {
	p.t.Helper()
	var fs [][]byte
	for i := range line.MaxBlock {
		if data, ok := parts[i]; ok {
			fs = append(fs, hdlc.Append(nil, false, byte(t30.FCD), append([]byte{byte(i)}, data...)...))
		}
	}
	for range 3 {
		fs = append(fs, hdlc.Append(nil, false, byte(t30.RCP)))
	}
	r, _ := s.LineRate()
	p.image(line.Signal{Kind: line.Block, Rate: r, Short: r.V17() && !long, Frames: fs})
}

// next is what the engine says next, false if it is silent for so long. What
// comes before the final frame of a V.21 signal is returned with it.
func (p *peer) next(within time.Duration) (said []lt.Piece, ok bool) {
	p.t.Helper()
	until := p.raw.Now() + within
	for {
		s, ok, err := p.raw.Take(p.t.Context(), until)
		if err != nil && !errors.Is(err, line.ErrHungUp) {
			p.t.Fatal(err)
		}
		if !ok || err != nil {
			return said, false
		}
		said = append(said, s)
		if s.Signal.Kind != line.Frames || hdlc.Final(s.Signal.Frames[0]) {
			return said, true
		}
	}
}

// last is the control field of the last piece; NULL for an image.
func last(said []lt.Piece) t30.FCF {
	if len(said) == 0 || said[len(said)-1].Signal.Kind != line.Frames {
		return t30.NULL
	}
	b := hdlc.FCF(said[len(said)-1].Signal.Frames[0])
	if b&0x0E != 0 {
		b &^= 1
	}
	return t30.FCF(b)
}

// expect waits for a command or response, images let pass, and returns it with
// the frames before it.
func (p *peer) expect(f t30.FCF, within time.Duration) []lt.Piece {
	p.t.Helper()
	for {
		said, ok := p.next(within)
		if !ok {
			p.t.Fatalf("the engine does not say %v", f)
		}
		if got := last(said); got == f {
			return said
		} else if got != t30.NULL {
			p.t.Fatalf("the engine says %v, not %v", got, f)
		}
	}
}

// silent wants the engine to say nothing for so long.
func (p *peer) silent(d time.Duration) {
	p.t.Helper()
	if said, ok := p.next(d); ok {
		p.t.Fatalf("the engine says %v", last(said))
	}
}

// session is what a peer tells the engine with DCS.
func session(t *testing.T, own dis.Capabilities, r line.Rate) dis.Session {
	t.Helper()
	s, err := dis.Choose(everything(), own, standard, r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// setUp calls the engine up to CFR.
func (p *peer) setUp(own dis.Capabilities, r line.Rate) dis.Session {
	p.t.Helper()
	s := session(p.t, own, r)
	p.expect(t30.DIS, soon)
	p.dcs(s)
	p.expect(t30.CFR, soon)
	return s
}

// answerCall identifies the peer and takes the engine's page without ECM up to
// its command.
func (p *peer) answerCall(command t30.FCF) {
	p.t.Helper()
	p.say(t30.DIS, plain.Append(nil)...)
	p.expect(t30.DCS, soon)
	if _, ok := p.next(soon); !ok {
		p.t.Fatal("no training check")
	}
	p.say(t30.CFR)
	p.expect(command, soon)
}
