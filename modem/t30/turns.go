package t30

import (
	"time"

	"github.com/faxmesh/faxmesh/modem/line"
)

// Satellites and gateways hold sound back, and drop with the call what is under
// way: there a station has to wait until its DCN has arrived. That a line is one of
// those is told by how long its far end takes to answer.
const (
	slowTurn   = 500 * time.Millisecond // a far end without delay begins its answer sooner
	slowLinger = 400 * time.Millisecond // sound held back for 300 ms has arrived by then
	shortest   = 850 * time.Millisecond // the preamble of an answer (T.30 5.3.1: 1 s, 15 % less)
)

// turns is the shortest time that the far end has taken to begin an answer.
type turns struct {
	began bool          // the first frame of the call has been heard, which may answer nothing
	said  time.Duration // when the last signal had left
	open  bool          // it has not been answered
	known bool
	best  time.Duration
}

// note takes down what an order has brought.
func (t *turns) note(asked OrderKind, in Event) {
	switch {
	case asked == Say:
		t.said, t.open = in.Now, in.Err == nil
	case asked == Hear && t.open && in.Heard.Kind == line.Frame:
		t.open = false
		if !t.began { // DIS comes unasked
			t.began = true
			return
		}
		octets := time.Duration(len(in.Heard.Data) + 3) // with FCS and a flag
		turn := in.Now - t.said - shortest - octets*8*time.Second/time.Duration(line.V21.BitsPerSecond())
		if !t.known || turn < t.best {
			t.known, t.best = true, turn
		}
	}
}

// linger is how long to stay on the line behind a DCN.
func (t *turns) linger() time.Duration {
	if t.known && t.best >= slowTurn {
		return slowLinger
	}
	return 0
}
