package t4

// Where the line tears a page, EOLs go as well as rows: what is left between two
// of them is one damaged row, however many there were. How many have vanished is
// told by its length against that of the rows that are whole.

// nearby is how many whole rows before a tear tell how long rows are there.
const nearby = 16

// pace is how many bits rows take, with their fill and EOL.
type pace struct {
	recent [nearby]int
	rows   int
	bits   int
}

func (p *pace) add(bits int) {
	p.recent[p.rows%nearby] = bits
	p.rows++
	p.bits += bits
}

// local is the mean and the longest of the rows before; 0 if there are none.
func (p *pace) local() (mean, longest int) {
	n := min(p.rows, nearby)
	for _, b := range p.recent[:n] {
		mean += b
		longest = max(longest, b)
	}
	return mean / max(n, 1), longest
}

func (p *pace) mean() int { return p.bits / max(p.rows, 1) }

// spell is a succession of pieces that are no whole rows.
type spell struct {
	rows          int // that stand for them in the page
	bits          int // of all, with fill and EOLs
	widest        int // of one
	mean, longest int // of the rows before
}

// vanished is how many rows have gone in it beyond those that stand for it, where
// rows of the page take so many bits. Damage has torn it only if a piece is longer
// than the rows near it and has room for two, by their mean or that of the page,
// whichever is larger: blank rows are short, and the text below them is not.
func (s *spell) vanished(mean int) int {
	mean = max(mean, s.mean)
	if mean == 0 || s.widest <= s.longest || s.widest < 2*mean {
		return 0
	}
	return max((s.bits+mean/2)/mean-s.rows, 0)
}

// tears are the damage of a page in the order of its rows.
type tears struct {
	pace   pace
	spells []spell
	open   bool // the last spell goes on
}

// whole notes a row that is whole.
func (t *tears) whole(bits int) {
	t.pace.add(bits)
	t.open = false
}

// torn notes a piece that is not; one row of the page stands for it.
func (t *tears) torn(bits int) {
	if !t.open {
		mean, longest := t.pace.local()
		t.spells, t.open = append(t.spells, spell{mean: mean, longest: longest}), true
	}
	s := &t.spells[len(t.spells)-1]
	s.bits += bits
	s.widest = max(s.widest, bits)
	s.rows++
}

// count is how many rows have vanished, and how many were damaged or have
// vanished in succession at most.
func (t *tears) count() (lost, longest int) {
	for i := range t.spells {
		s := &t.spells[i]
		n := s.vanished(t.pace.mean())
		lost += n
		longest = max(longest, s.rows+n)
	}
	return lost, longest
}
