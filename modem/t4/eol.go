package t4

import "math/bits"

// piece is what lies between two EOLs, in bits of the data.
type piece struct {
	start int // first bit after the EOL before
	zeros int // where the zeros that lead to the EOL begin
	end   int // the first bit of that EOL, or the end of data

	closed bool // there is an EOL before
	oneD   bool // what its tag bit says; true without
}

// empty reports whether there is nothing but fill.
func (p piece) empty() bool { return p.zeros <= p.start }

// fillFrom reports whether a row that ends at bit has used all but fill.
func (p piece) fillFrom(bit int) bool { return p.zeros <= bit && bit <= p.end }

// eolScanner finds EOLs: eleven zeros or more, then a one, at any bit (T.4
// clause 4.1.2). Code words hold no such string, alone or side by side.
type eolScanner struct {
	data   []byte
	pos    int  // next bit
	tagged bool // a tag bit follows each EOL (T.4 clause 4.2.2)
	behind bool // pos is just behind an EOL
}

// next returns the piece up to the next EOL and goes past that. With no EOL
// left it returns the rest and false.
func (s *eolScanner) next() (piece, bool) {
	total := len(s.data) * 8
	p := piece{start: s.pos, closed: s.behind, oneD: true}
	if s.tagged && s.behind && s.pos < total {
		p.oneD = s.data[s.pos>>3]<<(s.pos&7)&0x80 != 0
		p.start++ // s.pos stays: where an RTC has no tag bits it is an EOL's first zero
	}
	s.behind = false
	p.zeros = s.nextZeros()
	one, ok := s.nextOne(p.zeros + eolZeros)
	if !ok {
		s.pos, p.end = total, total
		return p, false
	}
	s.pos, s.behind, p.end = one+1, true, one-eolZeros
	return p, true
}

// nextZeros returns where the next eolZeros zeros or more begin; the end of
// data counts as zeros without end.
func (s *eolScanner) nextZeros() int {
	// Of a word that begins at any bit, this many bits are there to look at, so
	// that zeros may begin in all but the last ten of them.
	const seen = 64 - 7
	const begin = seen - (eolZeros - 1)
	for pos := s.pos; ; pos += begin {
		w := ^word(s.data[pos>>3:]) << (pos & 7)
		w &= w << 1 // a bit is set where two zeros begin,
		w &= w << 2 // four,
		w &= w << 4 // eight,
		w &= w << 3 // eleven
		if n := bits.LeadingZeros64(w); n < begin {
			return pos + n
		}
	}
}

// nextOne returns where the next one is.
func (s *eolScanner) nextOne(pos int) (int, bool) {
	for pos < len(s.data)*8 {
		if w := word(s.data[pos>>3:]) << (pos & 7); w != 0 {
			return pos + bits.LeadingZeros64(w), true
		}
		pos = pos&^7 + 64
	}
	return 0, false
}
