package class1

import (
	"errors"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
)

// A modem that has missed a training waits on. Whether an image goes by is heard
// from the line: it is not silent.
func TestTrainingMissed(t *testing.T) {
	eop := hdlc.Append(nil, true, 0x2F)
	aborted := script{{"AT+FRM=146\r", ""}, {"\x18", "\r\nOK\r\n"}}
	for name, c := range map[string]struct {
		silence script
		want    line.HeardKind
		lost    bool
	}{
		"silence":           {script{{"AT+FRS=30\r", "\r\nOK\r\n"}}, line.Nothing, false},
		"a carrier":         {script{{"AT+FRS=30\r", ""}, {"\x18", "\r\nOK\r\n"}}, line.Noise, false},
		"another carrier":   {script{{"AT+FRS=30\r", "\r\n+FCERROR\r\n"}}, line.Noise, false},
		"no such command":   {script{{"AT+FRS=30\r", "\r\nERROR\r\n"}}, line.Noise, false},
		"the call has gone": {script{{"AT+FRS=30\r", "\r\nNO CARRIER\r\n"}}, line.Nothing, true},
	} {
		t.Run(name, func(t *testing.T) {
			steps := append(script{{classQuery, classAnswer}, {"ATDT1\r", "\r\nCONNECT\r\n" + withFCS(eop) + "\r\nOK\r\n"}}, aborted...)
			steps = append(steps, c.silence...)
			if !c.lost {
				steps = append(steps, script{{"AT+FRH=3\r", "\r\nCONNECT\r\n" + withFCS(eop) + "\r\nOK\r\n"}}...)
			}
			scripted(t, steps, func(t *testing.T, p *Phone) {
				l, err := p.Dial(t.Context(), "1")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := l.Hear(t.Context(), line.Listen{Timeout: time.Second}); err != nil {
					t.Fatal(err)
				}
				before := l.Now()
				h, err := l.Hear(t.Context(), line.Listen{Rate: line.V17x14400, Short: true, Want: line.Block, Timeout: 6800 * time.Millisecond, Carrier: true})
				if took := l.Now() - before; h.Kind != c.want || errors.Is(err, line.ErrHungUp) != c.lost || took > 7*time.Second {
					t.Fatalf("%+v, %v after %v", h, err, took)
				}
				if c.lost {
					return
				}
				if h, err := l.Hear(t.Context(), line.Listen{Timeout: 6 * time.Second}); err != nil || !h.Good {
					t.Errorf("the command behind the image: %+v, %v", h, err)
				}
			})
		})
	}
}

// A training check that does not come is answered in time: nobody looks for a
// carrier then.
func TestTrainingCheckMissed(t *testing.T) {
	dcs := hdlc.Append(nil, true, 0x83, 0, 0)
	scripted(t, script{
		{classQuery, classAnswer}, {"ATDT1\r", "\r\nCONNECT\r\n" + withFCS(dcs) + "\r\nOK\r\n"},
		{"AT+FRM=96\r", ""}, {"\x18", "\r\nOK\r\n"},
	}, func(t *testing.T, p *Phone) {
		l, err := p.Dial(t.Context(), "1")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Hear(t.Context(), line.Listen{Timeout: time.Second}); err != nil {
			t.Fatal(err)
		}
		h, err := l.Hear(t.Context(), line.Listen{Rate: line.V29x9600, Want: line.Training, Timeout: 4 * time.Second})
		if err != nil || h.Kind != line.Nothing {
			t.Errorf("%+v, %v", h, err)
		}
	})
}

// The carrier of an image may last although the modem has lost it: its command
// comes when it is over.
func TestCarrierLost(t *testing.T) {
	eop := hdlc.Append(nil, true, 0x2F)
	frh := "AT+FRH=3\r"
	scripted(t, script{
		{classQuery, classAnswer}, {"ATDT1\r", "\r\nCONNECT\r\n" + withFCS(eop) + "\r\nOK\r\n"},
		{frh, ""}, {"\x18", "\r\nOK\r\n"}, {"AT+FRS=30\r", ""}, {"\x18", "\r\nOK\r\n"},
		{frh, ""}, {"\x18", "\r\nOK\r\n"}, {"AT+FRS=30\r", "\r\nOK\r\n"},
		{frh, ""}, {"\x18", "\r\nOK\r\n"}, // nobody asks for the carrier
		{frh, ""}, {"\x18", "\r\nOK\r\n"}, {"AT+FRS=30\r", "\r\nERROR\r\n"},
		{frh, "\r\nCONNECT\r\n" + withFCS(eop) + "\r\nOK\r\n"},
	}, func(t *testing.T, p *Phone) {
		l, err := p.Dial(t.Context(), "1")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Hear(t.Context(), line.Listen{Timeout: time.Second}); err != nil {
			t.Fatal(err)
		}
		for i, c := range []struct {
			ask  bool
			want line.HeardKind
		}{{true, line.Noise}, {true, line.Nothing}, {false, line.Nothing}, {true, line.Noise}, {true, line.Frame}} {
			before := l.Now()
			h, err := l.Hear(t.Context(), line.Listen{Timeout: 6800 * time.Millisecond, Carrier: c.ask})
			if took := l.Now() - before; err != nil || h.Kind != c.want || took > 7*time.Second {
				t.Errorf("%d: %+v, %v after %v", i, h, err, took)
			}
		}
	})
}
