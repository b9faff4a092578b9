package t30

import (
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/modem/line"
)

// TestTurns: the far end's soonest answer tells whether the line holds sound back.
func TestTurns(t *testing.T) {
	cfr := Event{Heard: line.Heard{Kind: line.Frame, Good: true, Data: []byte{0xFF, 0x13, 0x84}}}
	const air = 1160 * time.Millisecond // its preamble and octets
	for _, c := range []struct {
		name    string
		answers []time.Duration // from the end of a signal to the begin of its answer
		want    time.Duration
	}{
		{"no answer", nil, 0},
		{"DIS alone", []time.Duration{time.Second}, 0},
		{"at once", []time.Duration{time.Second, 75 * time.Millisecond}, 0},
		{"300 ms each way", []time.Duration{0, 675 * time.Millisecond, 700 * time.Millisecond}, slowLinger},
		{"a slow station", []time.Duration{0, 900 * time.Millisecond, 200 * time.Millisecond, 900 * time.Millisecond}, 0},
	} {
		var heard turns
		now := time.Duration(0)
		for _, wait := range c.answers {
			heard.note(Say, Event{Now: now})
			cfr.Now = now + wait + air
			heard.note(Hear, cfr)
			cfr.Now += time.Minute // another frame of the same answer
			heard.note(Hear, cfr)
			now = cfr.Now
		}
		if got := heard.linger(); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
