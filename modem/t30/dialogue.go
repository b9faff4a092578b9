package t30

import (
	"bytes"
	"time"

	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
)

// frame makes a frame to say; the X bit is set as the role demands, but not in
// the initial identifications, where it would make another frame of it.
func (e *Engine) frame(final bool, f FCF, fif ...byte) []byte {
	b := byte(f)
	if b&0x0E != 0 {
		b |= e.x
	}
	return hdlc.Append(nil, final, b, fif...)
}

// command is a signal of one frame.
func (e *Engine) command(f FCF, fif ...byte) line.Signal {
	return frames(e.frame(true, f, fif...))
}

func frames(f ...[]byte) line.Signal {
	return line.Signal{Kind: line.Frames, Rate: line.V21, Frames: f}
}

// say transmits the signals one after the other, then goes on.
func (e *Engine) say(then stepFn, signals ...line.Signal) Order {
	s := signals[0]
	e.trans.said(e.now, s)
	e.said = nil
	if s.Kind == line.Frames {
		e.said = s.Frames
	}
	e.next = then
	if rest := signals[1:]; len(rest) > 0 {
		e.next = func(Event) Order { return e.say(then, rest...) }
	}
	return Order{Kind: Say, Signal: s}
}

// messageKind says what has come of listening.
type messageKind uint8

const (
	silence messageKind = iota
	command             // the final frame of a command or response
	image
	noise // an image signal that could not be received
)

type message struct {
	kind messageKind
	// disturbed: silence, but something came that could not be received.
	disturbed bool
	fcf       FCF
	frame     []byte
	heard     line.Heard
}

// hear listens for one command or response, or one image if l asks for it.
// Frames before the final one go to the role; bad frames and echoes are as if
// they had not been, but whoever sent them is given time to repeat them.
func (e *Engine) hear(l line.Listen, then func(message) Order) Order {
	h := &hearing{Engine: e, listen: l, until: e.now + l.Timeout, then: then}
	return h.order()
}

// hearing is one wait for a message.
type hearing struct {
	*Engine
	listen line.Listen
	until  time.Duration
	heard  int
	noise  bool // what was heard last is a carrier, or noise
	then   func(message) Order
}

func (h *hearing) order() Order {
	h.next = h.step
	h.listen.Timeout = max(h.until-h.now, 0)
	return Order{Kind: Hear, Listen: h.listen}
}

func (h *hearing) step(in Event) Order {
	h.heard++
	carried := h.noise
	h.noise = in.Heard.Kind == line.Noise
	switch in.Heard.Kind {
	case line.Image:
		h.trans.image(h.now, h.listen, in.Heard)
		return h.then(message{kind: image, heard: in.Heard})
	case line.Frame:
		return h.frameHeard(in.Heard)
	case line.Noise:
		h.trans.note(h.now, "(noise)")
		if h.listen.Rate != line.V21 {
			return h.then(message{kind: noise})
		}
		h.until = max(h.until, h.now+h.grace)
		return h.again()
	}
	h.trans.note(h.now, "(silence)")
	if carried && h.listen.Carrier { // it may have ended just now
		h.until = h.now + h.grace
		return h.again()
	}
	return h.then(message{kind: silence, disturbed: h.heard > 1})
}

func (h *hearing) frameHeard(in line.Heard) Order {
	f := in.Data
	switch {
	case !in.Good || !hdlc.Valid(f):
		h.trans.note(h.now, "(bad frame)")
		h.until = max(h.until, h.now+h.grace)
		return h.again()
	case h.echo(f):
		h.trans.note(h.now, "(echo of "+fcfOf(f).String()+")")
		return h.again()
	}
	h.trans.heard(h.now, f)
	if hdlc.Final(f) {
		return h.then(message{kind: command, fcf: fcfOf(f), frame: f})
	}
	if k := fcfOf(f); !h.role.optional(k, hdlc.FIF(f)) {
		h.strange(k)
	}
	h.listen = line.Listen{Rate: line.V21}
	h.until = h.now + frameTimeout
	return h.again()
}

func (h *hearing) again() Order {
	most := maxHeard
	if h.listen.Carrier {
		most = maxWaits
	}
	if h.heard >= most || h.now >= h.until {
		return h.then(message{kind: silence, disturbed: true})
	}
	return h.order()
}

// strange counts a valid frame that is of no use where it came.
func (e *Engine) strange(f FCF) {
	e.report.Unexpected++
	e.trans.decide(e.now, "%v is out of place", f)
}

// identification makes a signal of optional frames and the one that ends it.
// Values are sent as they are if they are octets, as T.30 5.3.6.2.4 has it if
// they are text; empty ones are left out.
func (e *Engine) identification(last []byte, optional ...option) line.Signal {
	var fs [][]byte
	for _, o := range optional {
		switch {
		case len(o.octets) > 0:
			fs = append(fs, e.frame(false, o.fcf, o.octets...))
		case o.text != "":
			fs = append(fs, e.frame(false, o.fcf, appendStation(nil, o.text)...))
		}
	}
	return frames(append(fs, last)...)
}

// option is an optional frame of an identification.
type option struct {
	fcf    FCF
	text   string
	octets []byte
}

// echo knows a frame of our own that the line throws back.
func (e *Engine) echo(f []byte) bool {
	for _, s := range e.said {
		if bytes.Equal(s, f) {
			return true
		}
	}
	return false
}
