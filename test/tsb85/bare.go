package main

import (
	"context"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/line/linetest"
)

// barePhone is a telephone whose line is the engine's itself.
type barePhone struct{ end *linetest.End }

// bare joins a tester and a device by a line in memory.
func bare(_ context.Context, calling bool) (rig, error) {
	tester, device := linetest.Pair(nil)
	if calling {
		tester, device = device, tester
	}
	return rig{wire: bareWire{tester.Raw()}, phone: barePhone{device}, close: func() {}}, nil
}

// bareWire is the tester's end. A carrier there ends with what it carries.
type bareWire struct{ *linetest.Raw }

func (bareWire) Hush(context.Context) error { return nil }

func (p barePhone) Dial(context.Context, string) (line.Line, error) { return p.end, nil }
func (p barePhone) Answer(context.Context) (line.Line, error)       { return p.end, nil }
func (p barePhone) WaitRing(context.Context) (modem.Ring, error)    { return modem.Ring{}, nil }
func (p barePhone) Reset(context.Context) error                     { return nil }
func (p barePhone) Close() error                                    { return nil }

func (p barePhone) HangUp(context.Context) error {
	p.end.HangUp()
	return nil
}
