package class1

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/status"
)

// Case 11: up to three +FCERROR may come between dialling and the fax machine.
func TestDataModemAnswersFirst(t *testing.T) {
	for errs := 1; errs <= maxFCErrors+1; errs++ {
		steps := script{{classQuery, classAnswer}, {"ATDT1\r", "\r\n+FCERROR\r\n"}}
		for range errs - 1 {
			steps = append(steps, script{{"AT+FRH=3\r", "\r\n+FCERROR\r\n"}}...)
		}
		if errs <= maxFCErrors {
			steps = append(steps, script{{"AT+FRH=3\r", "\r\nCONNECT\r\n" + withFCS(disFrame) + "\r\nOK\r\n"}}...)
		}
		scripted(t, steps, func(t *testing.T, p *Phone) {
			l, err := p.Dial(t.Context(), "1")
			if errs > maxFCErrors {
				var failed *status.Error
				if !errors.As(err, &failed) || failed.Code != status.NoCarrier {
					t.Errorf("%d times: %v", errs, err)
				}
				return
			}
			if err != nil {
				t.Fatalf("%d times: %v", errs, err)
			}
			hears(t, l, v21, disFrame)
		})
	}
}

// Case 12: what modems say while they dial is not how the call ended.
func TestDialChatter(t *testing.T) {
	for said, want := range map[string]status.Code{
		"DIALING DISABLED": status.Blacklisted, "BLACKLISTED": status.Blacklisted, "DELAYED": status.Blacklisted,
		"ATDT1\r\n\r\nMESSAGE-WAITING\r\n\r\nRINGING\r\n\r\nBUSY": status.Busy,
		"DIALING\r\n\r\nNO DIAL TONE":                             status.NoDialtone,
	} {
		scripted(t, script{{classQuery, classAnswer}, {"ATDT1\r", "\r\n" + said + "\r\n"}}, func(t *testing.T, p *Phone) {
			_, err := p.Dial(t.Context(), "1")
			var failed *status.Error
			if !errors.As(err, &failed) || failed.Code != want {
				t.Errorf("%q: %v, want %v", said, err, want)
			}
		})
	}
}

// A modem that waits for a ring is asked now and then whether it lives. A call
// that comes in at that moment is not missed, nor left to confuse a dialling.
func TestPulse(t *testing.T) {
	scripted(t, script{
		{classQuery, classAnswer},
		{classQuery, "\r\n1\r\n\r\nRING\r\n\r\nOK\r\n\r\nNMBR=0301\r\n\r\nRING\r\n"},
	}, func(t *testing.T, p *Phone) {
		begun := time.Now()
		ring, err := p.WaitRing(t.Context())
		if took := time.Since(begun); err != nil || ring.Caller != "0301" || took != 2*pulse {
			t.Errorf("%+v, %v after %v", ring, err, took)
		}
	})
	for said, dead := range map[string]bool{"": true, "\r\nERROR\r\n": true} {
		scripted(t, script{{classQuery, said}}, func(t *testing.T, p *Phone) {
			begun := time.Now()
			_, err := p.WaitRing(t.Context())
			if took := time.Since(begun); errors.Is(err, line.ErrModem) != dead || took > pulse+10*time.Second {
				t.Errorf("a modem that answers %q: %v after %v", said, err, took)
			}
		})
	}
	scripted(t, script{{classQuery, classAnswer}, {classQuery, classAnswer}, {"ATDT1\r", "\r\nBUSY\r\n"}}, func(t *testing.T, p *Phone) {
		ctx, cancel := context.WithTimeout(t.Context(), pulse+time.Second)
		defer cancel()
		if _, err := p.WaitRing(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("interrupted: %v", err)
		}
		var failed *status.Error
		if _, err := p.Dial(t.Context(), "1"); !errors.As(err, &failed) || failed.Code != status.Busy {
			t.Errorf("dialling then: %v", err)
		}
	})
}

// Whoever stops waiting for a ring while the modem is being asked gets it when
// it has answered, ready to dial.
func TestPulseIsFeltToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, modem := net.Pipe()
		var modems sync.WaitGroup
		defer modems.Wait()
		modems.Go(func() {
			defer modem.Close()
			b := make([]byte, 64)
			for _, s := range append(opening(), script{{classQuery, ""}, {classQuery, classAnswer}, {"ATDT1\r", "\r\nBUSY\r\n"}}...) {
				if _, err := io.ReadFull(modem, b[:len(s.expect)]); err != nil || string(b[:len(s.expect)]) != s.expect {
					t.Errorf("the host says %q (%v), want %q", b[:len(s.expect)], err, s.expect)
					return
				}
				if s.expect == classQuery && s.answer == "" {
					time.Sleep(2 * time.Second)
					s.answer = classAnswer
				}
				io.WriteString(modem, s.answer)
			}
			io.Copy(io.Discard, modem)
		})
		p, err := Open(t.Context(), host, Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		ctx, cancel := context.WithTimeout(t.Context(), pulse+time.Second)
		defer cancel()
		begun := time.Now()
		if _, err := p.WaitRing(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != pulse+2*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		var failed *status.Error
		if _, err := p.Dial(t.Context(), "1"); !errors.As(err, &failed) || failed.Code != status.Busy {
			t.Errorf("dialling then: %v", err)
		}
	})
}

// A modem that was switched off and on while it was idle has forgotten that it
// is one for fax: it is reset before it is used.
func TestModemLostItsSettings(t *testing.T) {
	lost := script{{classQuery, "AT+FCLASS?\r\r\n0\r\n\r\nOK\r\n"}}
	scripted(t, slices.Concat(lost, opening(), script{{"ATDT1\r", "\r\nBUSY\r\n"}}), func(t *testing.T, p *Phone) {
		var failed *status.Error
		if _, err := p.Dial(t.Context(), "1"); !errors.As(err, &failed) || failed.Code != status.Busy {
			t.Errorf("dialling: %v", err)
		}
	})
	scripted(t, slices.Concat(lost, opening(), script{{"ATA\r", "\r\nCONNECT\r\n"}}), func(t *testing.T, p *Phone) {
		if _, err := p.Answer(t.Context()); err != nil {
			t.Errorf("answering: %v", err)
		}
	})
	scripted(t, slices.Concat(script{{"", "\r\nRING\r\n"}}, lost, opening()), func(t *testing.T, p *Phone) {
		synctest.Wait() // it has said all that it has to say
		var failed *status.Error
		if _, err := p.Dial(t.Context(), "1"); !errors.As(err, &failed) || failed.Code != status.Glare {
			t.Errorf("dialling a line that rings: %v", err)
		}
	})
	for said, want := range map[string]bool{"1": true, "001": true, "1.0": true, "+FCLASS: 1": true, "0": false, "2": false, "10": false, "8": false, "AT+FCLASS?": false, "": false} {
		if isClass1(said) != want {
			t.Errorf("%q is Class 1: %v", said, !want)
		}
	}
}
