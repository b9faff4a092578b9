package hdlc

// MaxFrame is the longest frame a Decoder keeps, in octets with FCS. ECM frames
// have 262 (T.30 Annex A); what is longer is noise and counts as bad.
const MaxFrame = 302

// Frame is what stood between two flags.
type Frame struct {
	Data []byte // without FCS
	Good bool   // the FCS was right
}

// Decoder finds frames in a stream of octets. It skips everything before the
// first flag. The zero value is ready.
type Decoder struct {
	buf    []byte
	acc    byte
	n      uint // bits in acc
	ones   int  // consecutive ones seen
	inside bool // a flag has been seen and no abort since
	long   bool // the frame has outgrown MaxFrame
}

// Feed takes the next octets of the stream and returns the frames completed by
// them. Their Data is the caller's to keep. What is shorter than a header with
// FCS is taken for noise between flags and dropped.
func (d *Decoder) Feed(p []byte) []Frame {
	var out []Frame
	for _, o := range p {
		for i := range 8 {
			if f, ok := d.bit(o >> i & 1); ok {
				out = append(out, f)
			}
		}
	}
	return out
}

// End says that the carrier has gone. A frame whose closing flag was cut off is
// returned if its FCS is right all the same: senders clip the last RCP.
func (d *Decoder) End() (Frame, bool) {
	// What remains in acc is a piece of the lost flag.
	f, ok := d.frame(true)
	*d = Decoder{}
	return f, ok && f.Good
}

// bit takes one bit. A flag is a zero, six ones, a zero; its first seven bits
// have gone into the frame when its last tells what they are, so a frame of
// whole octets ends with seven bits too many.
func (d *Decoder) bit(b byte) (f Frame, ok bool) {
	if b == 1 {
		if d.ones < 7 {
			d.ones++
		}
		if d.ones == 7 { // abort or idle line
			d.reset(false)
			return
		}
		d.push(1)
		return
	}
	ones := d.ones
	d.ones = 0
	switch {
	case ones == 6:
		f, ok = d.frame(d.n == 7)
		d.reset(true)
	case ones != 5: // after five ones it is stuffing
		d.push(0)
	}
	return
}

func (d *Decoder) push(b byte) {
	if !d.inside || d.long {
		return
	}
	d.acc |= b << d.n
	if d.n++; d.n < 8 {
		return
	}
	if len(d.buf) == MaxFrame {
		d.long = true
		return
	}
	d.buf = append(d.buf, d.acc)
	d.acc, d.n = 0, 0
}

func (d *Decoder) reset(inside bool) {
	d.buf, d.acc, d.n = d.buf[:0], 0, 0
	d.inside, d.long = inside, false
}

func (d *Decoder) frame(whole bool) (Frame, bool) {
	if !d.inside || len(d.buf) < headerLen+fcsLen {
		return Frame{}, false
	}
	data := append([]byte(nil), d.buf[:len(d.buf)-fcsLen]...)
	return Frame{Data: data, Good: whole && !d.long && Check(d.buf)}, true
}
