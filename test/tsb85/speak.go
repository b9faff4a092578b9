package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/line/linetest"
	"github.com/faxmesh/faxmesh/modem/t4"
)

// message is a page the tester has said.
type message struct {
	image *t4.Bitmap
	whole bool // without damage
}

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
// it is made. A V.21 signal goes from its preamble to its postamble.
func (p *player) speak(steps []step) (int, error) {
	switch s := steps[0]; s.kind {
	case "TCF":
		return 1, p.sayTraining(s)
	case "MSG":
		return 1, p.sayPage(s)
	case "PP":
		return 1, p.sayBlock(s)
	case "PREAMBLE":
		if m := s.attr["modem"]; m != "" && m != "V.21" { // part of the block behind it
			var err error
			p.fast, err = s.rate()
			return 1, err
		}
	}
	n := 0
	for n < len(steps) && steps[n].dir == "T" && (steps[n].kind == "PREAMBLE" || steps[n].kind == "HDLC" || steps[n].kind == "POSTAMBLE") {
		n++
		if steps[n-1].kind == "POSTAMBLE" {
			break
		}
	}
	return n, p.sayFrames(steps[:n])
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
			if !bad {
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
	p.sent = &message{image: image, whole: len(bad) == 0}
	return p.sayImage(line.Signal{Kind: line.Page, Rate: rate, Short: rate.V17(), Data: coded(image, p.session.Coding(), minBits, bad)})
}

// sayBlock says a partial page. A frame in crc_error is numbered from the
// beginning of the page and spoilt.
func (p *player) sayBlock(s step) error {
	rate := p.fast
	if rate == line.V21 {
		return errors.New("no PREAMBLE step before it names its modem")
	}
	image, err := p.images.first(s.attr["value"])
	if err != nil {
		return err
	}
	var minBits, number, size int
	for key, v := range map[string]*int{"min_bits": &minBits, "block": &number, "frame_size": &size} {
		if *v, err = s.number(key); err != nil {
			return err
		}
	}
	if size == 0 {
		size = maxFrameSize
	}
	if size > maxFrameSize {
		return fmt.Errorf("frame_size=%d: ECM has 256 or 64", size)
	}
	bad, err := s.numbers("crc_error")
	if err != nil {
		return err
	}
	frames := block(coded(image, p.session.Coding(), minBits, nil), number, size)
	signal := line.Signal{Kind: line.Block, Rate: rate, Short: rate.V17(), Frames: frames}
	took := linetest.Duration(signal)
	signal.Frames = slices.Clone(frames)
	for i := len(frames) - 1; i >= 0; i-- {
		if bad[number*line.MaxBlock+i] {
			signal.Frames = slices.Delete(signal.Frames, i, i+1)
		}
	}
	p.sent = nil
	start := p.Now()
	return p.put(linetest.Piece{Start: start, End: start + took, Signal: signal})
}
