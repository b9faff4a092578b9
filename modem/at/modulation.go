package at

import (
	"time"

	"github.com/faxmesh/faxmesh/modem/line"
)

// Modulation is a carrier as T.31 numbers it, in +FTM=96 and +FRM=96.
type Modulation int

// V21 is the only modulation of +FTH and +FRH in Group 3.
const V21 Modulation = 3

// Trait is what is fixed by a modulation.
type Trait struct {
	Code     Modulation
	Rate     line.Rate
	Short    bool          // V.17 resynchronisation
	Training time.Duration // from carrier to first data bit, without echo protection
}

// traits is in the order in which +FTM=? lists them.
var traits = [...]Trait{
	{24, line.V27ter2400, false, 943 * time.Millisecond},
	{48, line.V27ter4800, false, 708 * time.Millisecond},
	{72, line.V29x7200, false, 253 * time.Millisecond},
	{73, line.V17x7200, false, 1393 * time.Millisecond},
	{74, line.V17x7200, true, 142 * time.Millisecond},
	{96, line.V29x9600, false, 253 * time.Millisecond},
	{97, line.V17x9600, false, 1393 * time.Millisecond},
	{98, line.V17x9600, true, 142 * time.Millisecond},
	{121, line.V17x12000, false, 1393 * time.Millisecond},
	{122, line.V17x12000, true, 142 * time.Millisecond},
	{145, line.V17x14400, false, 1393 * time.Millisecond},
	{146, line.V17x14400, true, 142 * time.Millisecond},
}

// Traits lists the modulations for image data, slowest first.
func Traits() []Trait { return append([]Trait(nil), traits[:]...) }

// Trait looks m up; ok is false for a number that is none of image data.
func (m Modulation) Trait() (t Trait, ok bool) {
	for _, t := range traits {
		if t.Code == m {
			return t, true
		}
	}
	return Trait{}, false
}

// ForRate is the trait of a rate; short counts with V.17 alone.
func ForRate(r line.Rate, short bool) (t Trait, ok bool) {
	for _, t := range traits {
		if t.Rate == r && t.Short == (short && r.V17()) {
			return t, true
		}
	}
	return Trait{}, false
}
