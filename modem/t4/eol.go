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
	p := piece{closed: s.behind, oneD: true}
	if s.tagged && s.behind && s.pos < total {
		p.oneD = s.data[s.pos>>3]<<(s.pos&7)&0x80 != 0
		s.pos++
	}
	p.start, p.zeros, s.behind = s.pos, s.pos, false
	for s.pos < total {
		w := word(s.data[s.pos>>3:]) << (s.pos & 7)
		if w == 0 {
			s.pos = min(s.pos&^7+64, total)
			continue
		}
		one := s.pos + bits.LeadingZeros64(w)
		s.pos = one + 1
		if one-p.zeros >= eolZeros {
			p.end, s.behind = one-eolZeros, true
			return p, true
		}
		p.zeros = s.pos
	}
	p.end = total
	return p, false
}
