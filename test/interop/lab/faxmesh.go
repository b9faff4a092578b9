package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/class1"
	"github.com/faxmesh/faxmesh/modem/serial"
	"github.com/faxmesh/faxmesh/modem/status"
)

// Faxmesh is our own program on a line: the driver and the engine, as a node
// uses them.
type Faxmesh struct {
	Terminal string
	Speed    float64
	Log      *slog.Logger // nil: nothing is logged
}

var _ Station = (*Faxmesh)(nil)

// Open opens the line as a node does.
func (f *Faxmesh) Open(ctx context.Context, opt modem.Options) (modem.Modem, error) {
	port, err := serial.Open(f.Terminal, serial.Config{Flow: serial.RTSCTS})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, initTime)
	defer cancel()
	// The exchange tells no caller's number: there is none to wait for.
	phone, err := class1.Open(ctx, port, class1.Config{Speed: f.Speed, CallerWait: -1, Log: f.Log})
	if err != nil {
		return nil, err
	}
	opt.Log = f.Log
	return modem.New(phone, opt), nil
}

// Send implements Station.
func (f *Faxmesh) Send(ctx context.Context, number string, d Document, want Mode) (Sent, error) {
	m, err := f.Open(ctx, modem.Options{NoECM: !want.ECM, NoMMR: want.Coding != "MMR", NoMR: want.Coding == "MH", MaxRate: want.Rate})
	if err != nil {
		return Sent{}, err
	}
	defer m.Close()
	confirmed := 0
	r := m.Send(ctx, modem.Outgoing{Number: number, Station: "+49 301 555 100", Pages: d, Confirmed: func(page int) error {
		if page != confirmed {
			return fmt.Errorf("page %d was confirmed after page %d", page+1, confirmed)
		}
		confirmed++
		return nil
	}})
	if confirmed != r.Pages {
		return Sent{}, fmt.Errorf("the report says that %d pages were confirmed, the call did of %d", r.Pages, confirmed)
	}
	return Sent{OK: r.Status == status.OK, Pages: r.Pages, Mode: modeOf(r), Why: why(r), Log: r.Transcript}, nil
}

// Listen implements Station.
func (f *Faxmesh) Listen(ctx context.Context) (Reception, error) {
	m, err := f.Open(ctx, modem.Options{})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &ownReception{cancel: cancel, over: make(chan struct{})}
	go func() {
		defer close(r.over)
		defer m.Close()
		r.received, r.err = receive(ctx, m)
	}()
	return r, nil
}

func receive(ctx context.Context, m modem.Modem) (Received, error) {
	if _, err := m.WaitRing(ctx); err != nil {
		return Received{}, err
	}
	var got Document
	r := m.Receive(ctx, modem.Incoming{Station: "+49 401 555 200", Store: func(_ context.Context, p modem.ReceivedPage) error {
		if p.Index != len(got) {
			return errors.New("a page came out of order")
		}
		got = append(got, modem.Page{Image: p.Image, Resolution: p.Resolution})
		return nil
	}})
	return Received{OK: r.Status == status.OK, Pages: got, Mode: modeOf(r), Why: why(r), Log: r.Transcript}, nil
}

// ownReception is a call that our own program takes.
type ownReception struct {
	cancel   context.CancelFunc
	over     chan struct{}
	received Received // behind over
	err      error
}

func (r *ownReception) Wait(ctx context.Context) (Received, error) {
	select {
	case <-r.over:
		return r.received, r.err
	case <-ctx.Done():
		return Received{}, fmt.Errorf("faxmesh has taken no call to its end: %w", ctx.Err())
	}
}

func (r *ownReception) Cancel() {
	r.cancel()
	<-r.over
}

// Close implements Station: a line is open for the time of a call only.
func (f *Faxmesh) Close() error { return nil }

func modeOf(r modem.Report) Mode { return Mode{ECM: r.ECM, Coding: r.Coding, Rate: r.Rate} }

func why(r modem.Report) string {
	if r.Err != nil {
		return oneLine(fmt.Sprintf("%v: %v", r.Status, r.Err))
	}
	return fmt.Sprint(r.Status)
}
