package linetest

import (
	"slices"
	"time"

	"github.com/faxmesh/faxmesh/modem/line"
)

// Match picks transmissions.
type Match func(*Transmission) bool

// Command matches V.21 signals whose last frame has the control field given,
// whatever its X bit.
func Command(from Side, f byte) Match {
	return func(t *Transmission) bool {
		return t.From == from && t.Signal.Kind == line.Frames && fcf(t.Signal)|1 == f|1
	}
}

// Kind matches signals of a kind.
func Kind(from Side, k line.SignalKind) Match {
	return func(t *Transmission) bool { return t.From == from && t.Signal.Kind == k }
}

// Nth narrows m to its occurrences numbered from 1.
func Nth(m Match, which ...int) Match {
	n := 0
	return func(t *Transmission) bool {
		if !m(t) {
			return false
		}
		n++
		return slices.Contains(which, n)
	}
}

// Each applies all of the damages to every transmission.
func Each(ds ...Damage) Damage {
	return func(t *Transmission) {
		for _, d := range ds {
			d(t)
		}
	}
}

// When applies d to what m matches.
func When(m Match, d Damage) Damage {
	return func(t *Transmission) {
		if m(t) {
			d(t)
		}
	}
}

// Lose has the signal vanish.
func Lose(t *Transmission) { t.Lost = true }

// Garble has an image signal be noticed, but not received.
func Garble(t *Transmission) { t.Garbled = true }

// Untrain has the training of an image signal be missed: the modem waits on for
// it, and only who looks whether the line is silent notices the signal.
func Untrain(t *Transmission) { t.Untrained = true }

// Break has the carrier of an image signal be lost so long after its beginning.
func Break(after time.Duration) Damage {
	return func(t *Transmission) { t.Broken = after }
}

// HangUp releases the call before the signal.
func HangUp(t *Transmission) { t.HangUp = true }

// BadFrames spoils the FCS of frames of the signal, all if none are named.
func BadFrames(which ...int) Damage {
	return func(t *Transmission) {
		for i := range t.Signal.Frames {
			if len(which) == 0 || slices.Contains(which, i) {
				t.Bad[i] = true
			}
		}
	}
}

// BadTraining lets training checks fail above a rate.
func BadTraining(above line.Rate) Damage {
	return func(t *Transmission) {
		if t.Signal.Kind == line.Training && t.Signal.Rate > above {
			t.Signal.Data = slices.Repeat([]byte{0x55, 0}, t.Signal.Rate.BitsPerSecond()*3/32)
		}
	}
}

// Replace has another V.21 frame arrive in place of the last one of a signal.
func Replace(frame []byte) Damage {
	return func(t *Transmission) {
		if n := len(t.Signal.Frames); n > 0 {
			t.Signal.Frames[n-1] = slices.Clone(frame)
		}
	}
}
