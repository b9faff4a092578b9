package hdlc

// AppendBlock appends the bit stream of frames to dst, as the host of a Class 1
// modem sends an ECM partial page: leadFlags flags, each frame stuffed, with
// its FCS and a flag behind it, then one further flag, so that at least one
// whole flag leaves the modem before the carrier drops. The frames do not hold
// their FCS.
func AppendBlock(dst []byte, frames [][]byte, leadFlags int) []byte {
	w := bitWriter{buf: dst}
	for range max(leadFlags, 1) {
		w.flag()
	}
	for _, f := range frames {
		w.octets(f)
		fcs := FCS(f)
		w.octets([]byte{byte(fcs), byte(fcs >> 8)})
		w.flag()
	}
	w.flag()
	return w.end()
}

// bitWriter packs bits, first bit lowest.
type bitWriter struct {
	buf  []byte
	acc  byte
	n    uint // bits in acc
	ones int  // consecutive ones sent inside a frame
}

func (w *bitWriter) bit(b byte) {
	w.acc |= b << w.n
	if w.n++; w.n == 8 {
		w.buf = append(w.buf, w.acc)
		w.acc, w.n = 0, 0
	}
}

func (w *bitWriter) flag() {
	for i := range 8 {
		w.bit(flag >> i & 1)
	}
	w.ones = 0
}

func (w *bitWriter) octets(p []byte) {
	for _, o := range p {
		for i := range 8 {
			b := o >> i & 1
			w.bit(b)
			if b == 0 {
				w.ones = 0
				continue
			}
			if w.ones++; w.ones == 5 {
				w.bit(0)
				w.ones = 0
			}
		}
	}
}

// end fills the last octet with the beginning of another flag.
func (w *bitWriter) end() []byte {
	for i := 0; w.n != 0; i++ {
		w.bit(flag >> i & 1)
	}
	return w.buf
}
