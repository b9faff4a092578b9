package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/line/linetest"
)

// Flags before a V.21 signal, where the script does not count them, and behind it.
const (
	preambleFlags  = 37
	postambleFlags = 5
)

// maxFrameSize is the number of page octets in a whole ECM frame.
const maxFrameSize = 256

// speaks are the kinds of steps that put a signal on the line.
var speaks = map[string]bool{"PREAMBLE": true, "HDLC": true, "POSTAMBLE": true, "TCF": true, "MSG": true, "PP": true}

// speak says the signal that begins with steps[0] and returns of how many steps
// it is made: those from its preamble to its postamble.
func (p *player) speak(steps []step) (int, error) {
	switch s := steps[0]; s.kind {
	case "TCF":
		return 1, p.sayTraining(s)
	case "MSG":
		return 1, p.sayPage(s)
	}
	n := 0
	for n < len(steps) && steps[n].dir == "T" && (steps[n].kind == "PREAMBLE" || steps[n].kind == "HDLC" || steps[n].kind == "PP" || steps[n].kind == "POSTAMBLE") {
		n++
		if steps[n-1].kind == "POSTAMBLE" {
			break
		}
	}
	rate, err := signalRate(steps[:n])
	switch {
	case err != nil:
		return n, err
	case rate != line.V21:
		return n, p.sayBlock(steps[:n], rate)
	}
	return n, p.sayFrames(steps[:n])
}

// signalRate is the rate of the modem that the steps of one signal name.
func signalRate(steps []step) (line.Rate, error) {
	named, rate, err := "", line.V21, error(nil)
	for _, s := range steps {
		m := s.attr["modem"]
		if m == "" || m == named {
			continue
		}
		if named != "" {
			return 0, fmt.Errorf("modems %q and %q in one signal", named, m)
		}
		if rate, err = s.rate(); err != nil {
			return 0, err
		}
		named = m
	}
	return rate, nil
}

// flags is how long flags last at 300 bit/s.
func flags(n int) time.Duration { return time.Duration(n) * 8 * time.Second / 300 }

func (p *player) sayFrames(steps []step) error {
	start := p.Now()
	end := start
	after := time.Duration(0)
	var pieces []linetest.Piece
	for _, s := range steps {
		switch s.kind {
		case "PREAMBLE":
			n, err := s.number("value")
			if err != nil {
				return err
			}
			if n == 0 {
				n = preambleFlags
			}
			end += flags(n)
		case "PP":
			return errors.New("no PREAMBLE step before it names its modem")
		case "HDLC":
			frame, _, err := octets(s.attr["value"])
			if err != nil {
				return err
			}
			end += flags(len(frame) + 3)
			_, bad := s.attr["crc_error"]
			pieces = append(pieces, linetest.Piece{
				Start: start, End: end, Bad: bad,
				Signal: line.Signal{Kind: line.Frames, Rate: line.V21, Frames: [][]byte{frame}},
			})
			if !bad && hdlc.Valid(frame) {
				err = p.noteSaid(frame)
			}
			if err != nil {
				return err
			}
			start = end
		case "POSTAMBLE":
			after = flags(postambleFlags)
		}
	}
	if len(pieces) == 0 { // flags without a frame
		pieces = []linetest.Piece{{Start: start, End: end, Garbled: true, Signal: line.Signal{Kind: line.Frames, Rate: line.V21}}}
	}
	if err := p.put(pieces...); err != nil {
		return err
	}
	p.Pause(after)
	return nil
}

// put says pieces. That the device has hung up is found out by what is expected
// of it, not here.
func (p *player) put(pieces ...linetest.Piece) error {
	if err := p.Put(pieces...); err != nil && !errors.Is(err, line.ErrHungUp) {
		return err
	}
	return nil
}

func (p *player) sayImage(s line.Signal) error {
	start := p.Now()
	timed := s
	if s.Kind == line.Training { // as long as its octets, not as the rule
		timed.Kind = line.Page
	}
	return p.put(linetest.Piece{Start: start, End: start + linetest.Duration(timed), Signal: s})
}

func (p *player) sayTraining(s step) error {
	rate, err := s.rate()
	if err != nil {
		return err
	}
	n, err := s.number("value")
	if err != nil {
		return err
	}
	if _, given := s.attr["value"]; !given { // 1.5 s (T.30 5.3.6.1.3)
		n = rate.BitsPerSecond() * 3 / 16
	}
	bad, err := s.number("pattern")
	if err != nil {
		return err
	}
	return p.sayImage(line.Signal{Kind: line.Training, Rate: rate, Data: trainingData(n, bad)})
}

func (p *player) sayPage(s step) error {
	rate, err := s.rate()
	if err != nil {
		return err
	}
	image, err := p.images.first(s.attr["value"])
	if err != nil {
		return err
	}
	bad, err := s.numbers("bad_rows")
	if err != nil {
		return err
	}
	minBits, err := s.number("min_bits")
	if err != nil {
		return err
	}
	coding, err := codingOf(s.attr["compression"], p.session)
	if err != nil {
		return err
	}
	data, err := coded(image, coding, minBits, bad)
	if err != nil {
		return err
	}
	p.said.page = &message{image: image, coded: data, bad: bad}
	return p.sayImage(line.Signal{Kind: line.Page, Rate: rate, Short: rate.V17(), Data: data})
}

// sayBlock says a partial page: that of an image, or frame by frame.
func (p *player) sayBlock(steps []step, rate line.Rate) error {
	var frames [][]byte
	var bad []bool
	for _, s := range steps {
		switch s.kind {
		case "PP":
			all, spoilt, err := p.partialPage(s)
			if err != nil {
				return err
			}
			frames, bad = append(frames, all...), append(bad, spoilt...)
		case "HDLC":
			frame, _, err := octets(s.attr["value"])
			if err != nil {
				return err
			}
			_, spoilt := s.attr["crc_error"]
			frames, bad = append(frames, frame), append(bad, spoilt)
			if p.said.page == nil {
				p.said.page = &message{ecm: true, coded: []byte(nil)}
			}
		}
	}
	if len(frames) == 0 { // the image behind a preamble of its own
		return errors.New("no image behind the PREAMBLE of its modem")
	}
	signal := line.Signal{Kind: line.Block, Rate: rate, Short: rate.V17() && !p.long, Frames: frames}
	p.long = false
	took := linetest.Duration(signal)
	signal.Frames = nil
	for i, f := range frames {
		if !bad[i] {
			signal.Frames = append(signal.Frames, f)
		}
	}
	p.said.take(signal.Frames)
	start := p.Now()
	return p.put(linetest.Piece{Start: start, End: start + took, Signal: signal})
}

// partialPage is the frames of a partial page. One in crc_error is numbered from
// the beginning of the page and spoilt.
func (p *player) partialPage(s step) (frames [][]byte, spoilt []bool, err error) {
	image, err := p.images.first(s.attr["value"])
	if err != nil {
		return nil, nil, err
	}
	var minBits, number, size int
	for key, v := range map[string]*int{"min_bits": &minBits, "block": &number, "frame_size": &size} {
		if *v, err = s.number(key); err != nil {
			return nil, nil, err
		}
	}
	if size == 0 {
		size = p.session.FrameSize()
	}
	if size > maxFrameSize {
		return nil, nil, fmt.Errorf("frame_size=%d: ECM has 256 or 64", size)
	}
	bad, err := s.numbers("crc_error")
	if err != nil {
		return nil, nil, err
	}
	coding, err := codingOf(s.attr["compression"], p.session)
	if err != nil {
		return nil, nil, err
	}
	data, err := coded(image, coding, minBits, nil)
	if err != nil {
		return nil, nil, err
	}
	p.said.page = &message{image: image, coded: data, ecm: true}
	frames = block(data, number, size)
	spoilt = make([]bool, len(frames))
	for i := range frames {
		spoilt[i] = bad[number*line.MaxBlock+i]
	}
	return frames, spoilt, nil
}
