package main

import (
	"context"
	"fmt"
	"time"

	"github.com/faxmesh/faxmesh/modem/class1"
	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/softmodem"
	"github.com/faxmesh/faxmesh/modem/t30"
)

// searchTime is T1 of a Class 1 device: the modem itself looks for the far end's
// signal (S7), and the tester answers at once.
const searchTime = 36 * time.Second

// follow keeps what the device's frames say of the image signals behind them.
func (e *incoming) follow(frame []byte) {
	e.tcf = false
	if t30.FCF(hdlc.FCF(frame)&^1) == t30.DCS {
		e.tcf = true
		e.ecm = dis.ParseDCS(hdlc.FIF(frame))[dis.ECM] != 0
	}
}

// image is the signal whose carrier has dropped.
func (e *incoming) image() line.Signal {
	trait, _ := e.carrier.Trait()
	s := line.Signal{Kind: line.Page, Rate: trait.Rate, Short: trait.Short, Data: e.octets}
	switch {
	case e.tcf:
		s.Kind = line.Training
	case e.ecm:
		s.Kind, s.Data = line.Block, nil
		var d hdlc.Decoder
		for _, f := range d.Feed(e.octets) {
			if f.Good {
				s.Frames = append(s.Frames, f.Data)
			}
		}
	}
	e.tcf = false
	return s
}

// HangUp implements wire.
func (w class1Wire) HangUp() { w.release() }

// class1Wire is the tester's side of a trunk.
type class1Wire struct{ *trunk }

// overClass1 joins a tester and a device whose modem is a simulated one of
// Class 1.
func overClass1(ctx context.Context, calling bool) (rig, error) {
	t := newTrunk(softmodem.NewClock(1))
	t.modem = softmodem.New(t, t.clock, 1, nil)
	phone, err := class1.Open(ctx, t.modem.Port(), class1.Config{DialTime: searchTime})
	if err != nil {
		t.modem.Close()
		return rig{}, fmt.Errorf("open the simulated modem: %w", err)
	}
	t.at = t.clock.Now()
	if !calling {
		t.ring()
	}
	return rig{wire: class1Wire{t}, phone: phone, close: func() {
		phone.Close()
		t.modem.Close()
	}}, nil
}
