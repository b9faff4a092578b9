package t30

import (
	"slices"
	"time"

	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/status"
)

// partial is the partial page under way (T.30 Annex A).
type partial struct {
	block   int      // number in the page
	frames  int      // frames it has
	pending frameMap // frames to send
	left    int      // how many
	first   int      // the first of the last burst
	pprs    int      // PPR since the block or the last CTC
	empty   int      // PPR that asked for nothing
	ctcs    int
	before  int           // frames asked for before the last CTC
	long    bool          // the next burst needs long training
	busy    time.Duration // when the first RNR came; 0: none
	rnrs    int
}

// blockSize is the number of octets of a whole partial page.
func (s *sender) blockSize() int { return line.MaxBlock * s.session.FrameSize() }

// firstBurst is all frames of the block.
func (s *sender) firstBurst() frameMap {
	size := s.session.FrameSize()
	rest := len(s.data) - s.part.block*s.blockSize()
	s.part.frames = min((rest+size-1)/size, line.MaxBlock)
	s.part.before = s.part.frames
	var all frameMap
	for i := range s.part.frames {
		all.set(i)
	}
	return all
}

// sendBlock says the frames asked for, then PPS. There are receivers that lose the
// first frame of every burst, and others that are confused by one that comes
// twice: it does from the second correction on, if it was asked for again.
func (s *sender) sendBlock(want frameMap) Order {
	p := &s.part
	p.pending, p.left = want, 0
	var burst [][]byte
	for i := range p.frames {
		if want.has(i) {
			burst = append(burst, s.fcd(i))
			p.left++
		}
	}
	first := want.first()
	if (p.pprs >= doubleFrom || p.ctcs > 0) && first == p.first && p.left < line.MaxBlock {
		burst = slices.Insert(burst, 0, burst[0])
	}
	p.first = first
	for range 3 {
		burst = append(burst, hdlc.Append(nil, false, byte(RCP)))
	}
	rate := s.rate()
	sig := line.Signal{Kind: line.Block, Rate: rate, Short: rate.V17() && !p.long, Frames: burst}
	p.long = false
	return s.say(func(Event) Order { return s.askPPS(p.left) }, sig)
}

// fcd is frame i of the block; the last one of the page is filled with zeros.
func (s *sender) fcd(i int) []byte {
	size := s.session.FrameSize()
	from := s.part.block*s.blockSize() + i*size
	f := hdlc.Append(make([]byte, 0, size+4), false, byte(FCD), byte(i))
	f = append(f, s.data[from:min(from+size, len(s.data))]...)
	return append(f, make([]byte, size+4-len(f))...)
}

// askPPS ends a burst of n frames.
func (s *sender) askPPS(n int) Order {
	then := s.then
	if !s.lastBlock() {
		then = NULL
	}
	p := pps{then: then, page: byte(s.page - s.cfg.First), block: byte(s.part.block), frames: n}
	return s.ask(&exchange{say: []line.Signal{s.command(PPS, p.fif(s.x)...)}, answers: s.partialAnswers()})
}

func (s *sender) lastBlock() bool { return (s.part.block+1)*s.blockSize() >= len(s.data) }

// partialAnswers are the responses to PPS and to RR.
func (s *sender) partialAnswers() map[FCF]func([]byte) Order {
	answers := s.postMessageAnswers()
	good := func([]byte) Order { return s.blockConfirmed() }
	answers[MCF], answers[PIP] = good, good
	delete(answers, RTP)
	answers[PPR] = s.correct
	answers[RNR] = func([]byte) Order { return s.waitReady() }
	return answers
}

func (s *sender) blockConfirmed() Order {
	if s.lastBlock() {
		return s.confirmed(false)
	}
	s.part = partial{block: s.part.block + 1}
	return s.sendBlock(s.firstBurst())
}

// correct sends the frames a PPR asks for again. Bits above the last frame mean
// nothing. The fourth PPR calls for a decision.
func (s *sender) correct(frame []byte) Order {
	var asked, want frameMap
	if len(hdlc.FIF(frame)) < len(asked) {
		return s.fail(status.BadResponse, nil)
	}
	copy(asked[:], hdlc.FIF(frame))
	p, n := &s.part, 0
	for i := range p.frames {
		if asked.has(i) {
			want.set(i)
			n++
		}
	}
	if n == p.frames {
		s.report.Seen.Unheard++
	}
	if n == 0 && asked == (frameMap{}) {
		if p.empty++; p.empty >= maxPPR {
			return s.fail(status.ECMFailed, nil)
		}
		return s.askPPS(0)
	}
	if n == 0 { // the map fits no frame of the block, so it tells nothing
		want, n = s.firstBurst(), p.frames
	}
	if p.pprs++; p.pprs >= maxPPR {
		return s.continueToCorrect(want, n)
	}
	return s.sendBlock(want)
}

// continueToCorrect goes on after the fourth PPR: at the same rate if less than
// half of the frames are still missing, else at a lower one.
func (s *sender) continueToCorrect(want frameMap, n int) Order {
	p := &s.part
	rate := s.rate()
	if n*2 >= p.before {
		var ok bool
		if rate, ok = s.slower(rate); !ok {
			return s.giveUp()
		}
	}
	if p.ctcs++; p.ctcs > maxCTC {
		return s.giveUp()
	}
	p.before, p.pprs = n, 0
	s.trans.decide(s.now, "continue to correct %d frames at %v", n, rate)
	s.trying = rate
	next := s.session
	next.SetRate(rate)
	return s.ask(&exchange{
		say: []line.Signal{s.command(CTC, next.CTC()...)},
		answers: map[FCF]func([]byte) Order{CTR: func([]byte) Order {
			s.agreed(next)
			p.long = true
			return s.sendBlock(want)
		}},
	})
}

// giveUp tells the receiver that the rest of the page will not come (EOR). The
// call ends, for the pages behind it cannot be sent in its place.
func (s *sender) giveUp() Order {
	lost := func([]byte) Order { return s.fail(status.ECMFailed, nil) }
	return s.ask(&exchange{
		say:     []line.Signal{s.command(EOR, byte(s.then)|s.x)},
		answers: map[FCF]func([]byte) Order{ERR: lost, RNR: lost},
	})
}

// waitReady asks a busy receiver until T5 has run out.
func (s *sender) waitReady() Order {
	p := &s.part
	if p.rnrs == 0 {
		p.busy = s.now
	}
	if p.rnrs++; p.rnrs > maxRNR || s.now-p.busy > T5 {
		return s.fail(status.RemoteBusy, nil)
	}
	return s.ask(&exchange{say: []line.Signal{s.command(RR)}, answers: s.partialAnswers()})
}
