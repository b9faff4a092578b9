package exchange

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/faxmesh/faxmesh/modem/at"
	"github.com/faxmesh/faxmesh/modem/softmodem"
)

const (
	defaultDelay = 40 * time.Millisecond // no telephone line has none, and fax programs rely on it
	cutCheck     = 100 * time.Millisecond
)

// Conditions is what a line does to calls.
type Conditions struct {
	// Image and Control are the bit error rates of image carriers and of V.21,
	// from 0 to 1. V.21 stands far more noise than V.17 does.
	Image   float64
	Control float64
	// Ceiling is the highest bit rate that the line carries: above it only
	// errors come through, so that training fails. 0 is no ceiling.
	Ceiling int
	// CutAfter ends calls so long after their answer. 0 never does.
	CutAfter time.Duration
	// Delay is one way, fixed when a call is answered. 0 is 40 ms, less is none.
	Delay time.Duration
}

func (c Conditions) delay() time.Duration {
	if c.Delay == 0 {
		return defaultDelay
	}
	return max(c.Delay, 0)
}

// conditionsLocked are those of the called line, else of the calling one, else
// of all.
func (x *Exchange) conditionsLocked(c *call) Conditions {
	for _, s := range []*socket{c.to, c.from} {
		if s != nil && s.conditions != nil {
			return *s.conditions
		}
	}
	return x.conditions
}

// wire is one direction of a call: what damages it is a function of the seed.
type wire struct {
	rng  *rand.Rand
	bps  int     // of the image carrier on it
	rate float64 // bit error rate for which gap was drawn
	gap  int64   // bits until the next error
}

func newWire(seed, stream uint64) wire {
	return wire{rng: rand.New(rand.NewPCG(seed, stream))}
}

// carry damages what a signal carries.
func (w *wire) carry(ev *softmodem.Event, c Conditions) {
	switch ev.Kind {
	case softmodem.CarrierOn:
		w.bps = 0
		if t, ok := at.Modulation(ev.Carrier).Trait(); ok {
			w.bps = t.Rate.BitsPerSecond()
		}
	case softmodem.Frame:
		w.flip(ev.Data, c.Control)
	case softmodem.Octets:
		if c.Ceiling > 0 && w.bps > c.Ceiling {
			for i := range ev.Data {
				ev.Data[i] = byte(w.rng.Uint32())
			}
			return
		}
		w.flip(ev.Data, c.Image)
	}
}

// flip inverts bits of data with the given probability. It draws the distance
// to the next error, not every bit.
func (w *wire) flip(data []byte, rate float64) {
	if !(rate > 0) {
		return
	}
	if rate != w.rate {
		w.rate, w.gap = rate, w.draw(rate)
	}
	bits := int64(len(data)) * 8
	for w.gap < bits {
		data[w.gap/8] ^= 1 << (w.gap % 8)
		w.gap += 1 + w.draw(rate)
	}
	w.gap -= bits
}

// draw is geometrically distributed: the number of good bits before a bad one.
func (w *wire) draw(rate float64) int64 {
	if rate >= 1 {
		return 0
	}
	n := math.Log(1-w.rng.Float64()) / math.Log(1-rate)
	return int64(min(n, 1<<40))
}
