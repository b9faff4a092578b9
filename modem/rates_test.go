package modem_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/modem"
	"github.com/faxmesh/faxmesh/modem/line"
	lt "github.com/faxmesh/faxmesh/modem/line/linetest"
	"github.com/faxmesh/faxmesh/modem/t4"
)

// limited is a phone whose modem lacks some modulations.
type limited struct {
	*phone
	send, receive []line.Rate
}

func (p limited) SendRates() []line.Rate    { return p.send }
func (p limited) ReceiveRates() []line.Rate { return p.receive }

// What a modem lacks is neither offered nor used, in either direction.
func TestRatesOfTheModem(t *testing.T) {
	all := []line.Rate{line.V27ter2400, line.V27ter4800, line.V29x7200, line.V29x9600, line.V17x7200, line.V17x9600, line.V17x12000, line.V17x14400}
	const full = "V.27ter V.29 V.17"
	for name, tt := range map[string]struct {
		caller, called limited // phone is set below
		max            line.Rate
		dis            string // of the called station
		rate           line.Rate
	}{
		"all":                    {limited{send: all}, limited{receive: all}, line.V21, full, line.V17x14400},
		"caller without V.17":    {limited{send: all[:4], receive: all}, limited{receive: all}, line.V21, full, line.V29x9600},
		"called without V.17":    {limited{send: all}, limited{receive: all[:4], send: all}, line.V21, "V.27ter V.29", line.V29x9600},
		"V.17 but for one":       {limited{send: slices.Concat(all[:5], all[6:])}, limited{receive: all}, line.V21, full, line.V29x9600},
		"V.27ter alone":          {limited{send: all}, limited{receive: all[:2]}, line.V21, "V.27ter", line.V27ter4800},
		"2400 alone":             {limited{send: all[:1]}, limited{receive: all}, line.V21, full, line.V27ter2400},
		"and a limit below that": {limited{send: all[:4]}, limited{receive: all}, line.V27ter4800, full, line.V27ter4800},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := lt.Pair(nil)
			tt.caller.phone, tt.called.phone = &phone{end: a}, &phone{end: b}
			received := make(chan modem.Report, 1)
			go func() {
				received <- modem.New(tt.called, modem.Options{}).Receive(t.Context(), modem.Incoming{
					Store: func(context.Context, modem.ReceivedPage) error { return nil }})
			}()
			sent := modem.New(tt.caller, modem.Options{MaxRate: tt.max}).Send(t.Context(), modem.Outgoing{
				Number: "1", Pages: document{drawing(1, 1728, 100, t4.Fine)}, Confirmed: func(int) error { return nil }})
			got := <-received
			if sent.Rate != tt.rate || got.Rate != tt.rate {
				t.Errorf("%v and %v, want %v\n%s", sent.Rate, got.Rate, tt.rate, sent.Transcript)
			}
			if _, after, _ := strings.Cut(got.Transcript, "DIS "); !strings.Contains(after, " "+tt.dis+",") && !strings.HasPrefix(after, tt.dis+",") {
				t.Errorf("it does not offer %s alone:\n%s", tt.dis, got.Transcript)
			}
		})
	}
}
