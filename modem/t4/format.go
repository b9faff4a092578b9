package t4

// Resolution is one of T.4's (pels per inch, horizontally by vertically).
type Resolution struct{ X, Y int }

// The resolutions of Group 3 (T.4 clause 2). The metric ones are rounded as
// TIFF-F has them: R8 is 8.04 pels/mm.
var (
	Standard  = Resolution{204, 98}  // R8 x 3.85 lines/mm
	Fine      = Resolution{204, 196} // R8 x 7.7 lines/mm
	Superfine = Resolution{204, 391} // R8 x 15.4 lines/mm
	R16       = Resolution{408, 391} // R16 x 15.4 lines/mm

	Inch200x100  = Resolution{200, 100}
	Inch200      = Resolution{200, 200}
	Inch200x400  = Resolution{200, 400}
	Inch300      = Resolution{300, 300}
	Inch300x600  = Resolution{300, 600}
	Inch400      = Resolution{400, 400}
	Inch400x800  = Resolution{400, 800}
	Inch600      = Resolution{600, 600}
	Inch600x1200 = Resolution{600, 1200}
	Inch1200     = Resolution{1200, 1200}
)

// Paper is one of the widths of paper that T.4 knows.
type Paper int

// The papers of T.4, by the length of a scan line.
const (
	A4 Paper = iota // 215 mm; Letter and Legal, too
	B4              // 255 mm
	A3              // 303 mm
	papers
)

// format is a row of T.4's geometry.
type format struct {
	res    Resolution
	inches Resolution  // what res passes for, if it is metric
	widths [papers]int // pels
	k      int
}

// formats are all formats of T.4 for black and white (clause 2; clause 4.2 for
// K).
var formats = [...]format{
	{Standard, Inch200x100, [papers]int{1728, 2048, 2432}, 2},
	{Fine, Inch200, [papers]int{1728, 2048, 2432}, 4},
	{Superfine, Inch200x400, [papers]int{1728, 2048, 2432}, 8},
	{R16, Inch400, [papers]int{3456, 4096, 4864}, 8},
	{Inch200x100, Inch200x100, [papers]int{1728, 2048, 2432}, 2},
	{Inch200, Inch200, [papers]int{1728, 2048, 2432}, 4},
	{Inch200x400, Inch200x400, [papers]int{1728, 2048, 2432}, 8},
	{Inch300, Inch300, [papers]int{2592, 3072, 3648}, 6},
	{Inch300x600, Inch300x600, [papers]int{2592, 3072, 3648}, 12},
	{Inch400, Inch400, [papers]int{3456, 4096, 4864}, 8},
	{Inch400x800, Inch400x800, [papers]int{3456, 4096, 4864}, 16},
	{Inch600, Inch600, [papers]int{5184, 6144, 7296}, 12},
	{Inch600x1200, Inch600x1200, [papers]int{5184, 6144, 7296}, 24},
	{Inch1200, Inch1200, [papers]int{10368, 12288, 14592}, 24},
}

// Resolutions returns all resolutions of T.4.
func Resolutions() []Resolution {
	all := make([]Resolution, len(formats))
	for i, f := range formats {
		all[i] = f.res
	}
	return all
}

// Width returns the pels of a row on the given paper; 0 if r is no resolution
// of T.4.
func (r Resolution) Width(p Paper) int {
	f, ok := r.format()
	if !ok || p < 0 || p >= papers {
		return 0
	}
	return f.widths[p]
}

// K returns the highest K that MR may have at this resolution; 2, which any
// receiver takes, if r is none of T.4. More than MaxPlainK needs a receiver
// that offers it (T.30 DIS bit 122).
func (r Resolution) K() int {
	f, ok := r.format()
	if !ok {
		return Standard.K()
	}
	return f.k
}

// MaxPlainK is the highest K for any receiver.
const MaxPlainK = 4

func (r Resolution) format() (format, bool) {
	for _, f := range formats {
		if f.res == r {
			return f, true
		}
	}
	return format{}, false
}

// inches returns the resolution in inches that r passes for: T.30 lets pages go
// from one to the other pel by pel, as they differ by some 2 %.
func (r Resolution) inches() Resolution {
	if f, ok := r.format(); ok {
		return f.inches
	}
	return r
}
