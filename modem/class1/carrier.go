package class1

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/faxmesh/faxmesh/modem/at"
	"github.com/faxmesh/faxmesh/modem/line"
)

// Times of the look for a carrier that the modem does not report.
const (
	// silent is for how long the line is to be silent: several times what T.30
	// leaves between two signals.
	silent = 300 * time.Millisecond
	// carrierTime is taken off the end of a wait for that: to abort the command,
	// and to hear silence.
	carrierTime = silent + 150*time.Millisecond
)

// unheard is what is heard where a command to receive has brought nothing. A
// modem that missed a training, or lost the carrier, does not say so as a rule: it
// waits on while the image goes by. If it cannot hear silence, either, a longer
// wait for the command behind the image costs less than the page.
func (h *hearing) unheard(ctx context.Context) (line.Heard, error) {
	if !h.listen.Carrier || h.p.deafTo && h.listen.Rate == line.V21 {
		return h.nothing(), nil
	}
	if h.p.deafTo {
		return line.Heard{Kind: line.Noise}, nil
	}
	cmd := fmt.Sprintf("AT+FRS=%d", silent/tick)
	code, _, err := h.command(ctx, cmd, h.p.now().Add(h.p.wall(carrierTime)))
	switch {
	case errors.Is(err, at.ErrTimeout):
		return line.Heard{Kind: line.Noise}, h.p.abort(ctx)
	case err != nil:
		return line.Heard{}, err
	case code == at.OK:
		return h.nothing(), h.p.pause(ctx, h.deadline.Sub(h.p.now()))
	case code == at.NoCarrier:
		return line.Heard{}, h.gone(cmd, code)
	}
	return line.Heard{Kind: line.Noise}, nil
}

// listening is when a command to receive is to be given up.
func (h *hearing) listening() time.Time {
	if !h.listen.Carrier || h.p.deafTo || h.listen.Timeout < 2*carrierTime {
		return h.deadline
	}
	return h.deadline.Add(-h.p.wall(carrierTime))
}
