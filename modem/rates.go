package modem

import (
	"slices"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/line"
)

// Rated is a Phone that knows the rates of its modem. One that does not is
// taken to have all of them.
type Rated interface {
	SendRates() []line.Rate
	ReceiveRates() []line.Rate
}

// rates is the best value for the Rate field of a DIS that promises nothing the
// modem lacks, in the directions that the call may need, nor what MaxRate
// forbids. Every modem has V.27ter 2400.
func (m *phoneModem) rates(send, receive bool) uint8 {
	ceiling := m.opt.MaxRate
	switch {
	case ceiling == line.V21 || ceiling.V17(): // the field has no part of V.17
		ceiling = line.V17x14400
	case ceiling == line.V29x7200:
		ceiling = line.V29x9600
	}
	own, known := m.Phone.(Rated)
	for _, v := range []uint8{dis.V27terV29V17, dis.V27terV29, dis.V27ter} {
		lacks := slices.ContainsFunc(dis.Capabilities{dis.Rate: v}.Rates(), func(r line.Rate) bool {
			return r > ceiling || known && send && !slices.Contains(own.SendRates(), r) ||
				known && receive && !slices.Contains(own.ReceiveRates(), r)
		})
		if !lacks {
			return v
		}
	}
	return dis.V27terFallback
}
