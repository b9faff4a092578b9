package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"sync"

	"github.com/faxmesh/faxmesh/clientlib/settings"
	"github.com/faxmesh/faxmesh/modem/class1"
	"github.com/faxmesh/faxmesh/modem/serial"
)

// opener opens the port of a line, as openPort does.
type opener func(context.Context, settings.Line, *slog.Logger) (io.ReadWriteCloser, class1.Config, error)

// errHangs: the system does not come back from opening a port.
var errHangs = errors.New("the port hangs; plug its adapter out and in again, and look for another program that has it")

// probeAll asks all modems at once: a port without one keeps silent until the
// time is up.
func probeAll(ctx context.Context, all []found) error {
	var asking sync.WaitGroup
	errs := make([]error, len(all))
	for i := range all {
		asking.Go(func() { errs[i] = all[i].probe(ctx, openPort) })
	}
	asking.Wait()
	return errors.Join(errs...)
}

// probe asks the modem what it is. That there is none is no error.
func (f *found) probe(ctx context.Context, open opener) error {
	l, speeds := bareLine(f.device), probeSpeeds
	if f.line != nil {
		l, speeds = *f.line, []int{f.line.Speed}
	}
	for _, l.Speed = range speeds {
		d, err := probePort(ctx, l, open)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if f.judge(d, err); err == nil {
			f.speed = l.Speed
			return nil
		}
		if f.state != stateSilent {
			return nil
		}
	}
	return nil
}

// judge takes down what came of asking.
func (f *found) judge(d class1.Description, err error) {
	f.class, f.can = d.Class(), d
	switch {
	case err == nil:
		f.state, f.modem = stateModem, describe(d)
		return
	case errors.Is(err, class1.ErrSilent):
		f.state = stateSilent
	case errors.Is(err, serial.ErrLocked):
		f.state = stateBusy
	case errors.Is(err, fs.ErrPermission):
		f.state = stateDenied
	case errors.Is(err, fs.ErrNotExist):
		f.state = stateAbsent
	case errors.Is(err, errHangs):
		f.state = stateHangs
	case errors.Is(err, serial.ErrGone), errors.Is(err, io.EOF):
		f.state, err = stateGone, fmt.Errorf("the device vanished while it was asked; plug it in again, check its cable and power, and repeat (%w)", err)
	default:
		f.state = stateFault
	}
	f.class = ""
	f.modem = "no modem: "
	if f.state == stateBusy {
		f.modem = "not asked: "
	}
	f.modem += strings.ReplaceAll(err.Error(), "\n", "; ")
}

// bareLine is a line of which nothing is known but its device. Flow control
// could keep a modem from answering that does not have it.
func bareLine(device string) settings.Line {
	return settings.Line{Name: device, Device: device, Type: settings.TypeClass1, FlowControl: "NONE", LockDir: serial.DefaultLockDir}
}

// probePort asks what is on a port, within probeTime, even if opening it hangs.
func probePort(ctx context.Context, l settings.Line, open opener) (class1.Description, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	config := class1.Config{}
	port, err := orHang(ctx, func() (port io.ReadWriteCloser, err error) {
		port, config, err = open(ctx, l, slog.New(slog.DiscardHandler))
		return port, err
	})
	if err != nil {
		return class1.Description{}, err
	}
	return class1.Probe(ctx, port, config)
}

// orHang opens something, and returns errHangs when ctx is done before that has
// come back. What comes later is closed.
func orHang[T io.Closer](ctx context.Context, open func() (T, error)) (T, error) {
	type result struct {
		opened T
		err    error
	}
	done := make(chan result, 1)
	go func() {
		r := result{}
		r.opened, r.err = open()
		done <- r
	}()
	select {
	case r := <-done:
		return r.opened, r.err
	case <-ctx.Done():
		go func() {
			if r := <-done; r.err == nil {
				r.opened.Close()
			}
		}()
		var none T
		return none, errors.Join(errHangs, ctx.Err())
	}
}
