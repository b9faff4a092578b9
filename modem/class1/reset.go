package class1

import (
	"context"
	"fmt"
	"time"

	"github.com/faxmesh/faxmesh/modem/at"
	"github.com/faxmesh/faxmesh/modem/line"
)

// Limits of a reset. A modem that is well takes one to three seconds for ATZ and
// some tenths of a second for the rest.
const (
	resetTime  = 10 * time.Second // wall: for all of it
	resetReply = 3 * time.Second  // wall: for ATZ
	resetTries = 3
)

// Reset ends whatever the modem is doing and brings it on hook into Class 1. It
// takes resetTime at most.
func (p *Phone) Reset(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, resetTime)
	defer cancel()
	err := p.reset(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("class1: %w: it is not reset within %v", line.ErrModem, resetTime)
	}
	return err
}

// zero sends ATZ until it is answered.
func (p *Phone) zero(ctx context.Context) error {
	var err error
	for range resetTries {
		code, _, failed := p.do(ctx, "ATZ", resetReply)
		switch {
		case failed != nil:
			err = p.fault("ATZ", failed)
		case code == at.OK:
			return nil
		default:
			err = fmt.Errorf("class1: %w: it answers %v to ATZ", line.ErrModem, code)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return err
}
