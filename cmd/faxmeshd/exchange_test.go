package main

import (
	"context"
	"net"
	"testing"

	"github.com/faxmesh/faxmesh/cmd/terminal"
	"github.com/faxmesh/faxmesh/modem/exchange"
)

// serveExchange lets others plug into x until the test ends.
func serveExchange(t *testing.T, x *exchange.Exchange) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- exchange.Serve(ctx, ln, x) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

func TestSimulationsThatMakeNoSense(t *testing.T) {
	a := &app{terminal.Terminal{}}
	for _, args := range [][]string{
		{"--speed", "0"}, {"--speed", "NaN"}, {"--noise", "2"}, {"--control-noise", "-1"}, {"--cut-after", "-1s"},
		{"--listen", "0.0.0.0:0"}, {"--listen", "127.0.0.1:0", "--block", "03"},
	} {
		cmd := a.exchangeCommand()
		cmd.SetArgs(args)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		if err := cmd.ExecuteContext(t.Context()); terminal.Status(err) != terminal.Usage {
			t.Errorf("%v: %v", args, err)
		}
	}
}
