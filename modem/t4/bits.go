package t4

import "encoding/binary"

// writer appends code words to buf, MSB first. Words wait in acc until there
// are 32 bits of them.
type writer struct {
	buf []byte
	acc uint64 // the low n bits are not in buf yet
	n   uint32 // < 32
}

func (w *writer) put(c code) {
	w.acc = w.acc<<c.n | uint64(c.bits)
	w.n += c.n
	if w.n >= 32 {
		w.n -= 32
		w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(w.acc>>w.n))
	}
}

// zeros appends n zero bits.
func (w *writer) zeros(n int) {
	for ; n > 32; n -= 32 {
		w.put(code{0, 32})
	}
	w.put(code{0, uint32(n)})
}

// bits returns how many bits there are, those of the slice appended to included.
func (w *writer) bits() int { return len(w.buf)*8 + int(w.n) }

// run appends a run of n pels of one colour.
func (w *writer) run(c *runCodes, n int32) {
	for n >= longRun {
		w.put(c.makeup[maxMakeup/64])
		n -= maxMakeup
	}
	if n >= 64 {
		w.put(c.makeup[n>>6])
		n &= 63
	}
	w.put(c.terminating[n])
}

// bytes pads the last octet with zeros and returns all.
func (w *writer) bytes() []byte {
	for w.n > 0 {
		if w.n < 8 {
			w.acc, w.n = w.acc<<(8-w.n), 8
		}
		w.n -= 8
		w.buf = append(w.buf, byte(w.acc>>w.n))
	}
	return w.buf
}

// reader reads code words, MSB first. Past the end of data it reads zeros and n
// goes below zero.
type reader struct {
	data []byte
	pos  int    // octets of data that are in acc
	acc  uint64 // the next bits, the first one on top
	n    int    // bits of acc that are counted; what follows them may be there already
}

// seek continues at a bit of data.
func (r *reader) seek(bit int) {
	r.pos, r.acc, r.n = bit/8, 0, 0
	r.fill()
	r.skip(bit % 8)
}

// bit returns where in data the next bit is.
func (r *reader) bit() int { return r.pos*8 - r.n }

// fill makes sure that at least 56 bits can be looked at and skipped.
func (r *reader) fill() {
	if r.pos+8 <= len(r.data) {
		r.acc |= binary.BigEndian.Uint64(r.data[r.pos:]) >> r.n
		whole := (63 - r.n) >> 3
		r.pos += whole
		r.n += whole * 8
		return
	}
	for r.n <= 56 && r.n >= 0 && r.pos < len(r.data) {
		r.acc |= uint64(r.data[r.pos]) << (56 - r.n)
		r.pos++
		r.n += 8
	}
}

func (r *reader) skip(n int) {
	r.acc <<= n
	r.n -= n
}

// peek returns the next n bits, n at most 56, after fill.
func (r *reader) peek(n int) uint64 { return r.acc >> (64 - n) }

// ended reports whether more bits have been read than there are.
func (r *reader) ended() bool { return r.n < 0 }

// run reads a run of one colour; -1 if there is no code word for it.
func (r *reader) run(t *runTable) int32 {
	var total int32
	for {
		if r.n < runBits {
			r.fill()
		}
		e := t[r.acc>>(64-runBits)]
		if e == 0 {
			return -1
		}
		r.skip(e.len())
		total += e.pels()
		if e.pels() < 64 {
			return total
		}
		if total > MaxWidth {
			return -1
		}
	}
}
