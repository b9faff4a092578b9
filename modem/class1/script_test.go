package class1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/modem/at"
	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/status"
)

// script is a modem that expects given octets and answers with given ones.
type script []struct{ expect, answer string }

// What a modem is asked before it is used, and while it waits.
const (
	classQuery  = "AT+FCLASS?\r"
	classAnswer = "\r\n1\r\n\r\nOK\r\n"
)

// opening is the start of every dialogue: reset, class, questions.
func opening() script {
	return script{
		{"\x10\x03\x18\r", ""},
		{"ATZ\r", "ATZ\r\r\nOK\r\n"},
		{"ATE0V1Q0\r", "ATE0V1Q0\r\r\nOK\r\n"},
		{"AT+FCLASS=1\r", "\r\nOK\r\n"},
		{"ATS0=0\r", "\r\nOK\r\n"},
		{"ATS7=60\r", "\r\nOK\r\n"},
		{"AT+FAR=1\r", "\r\nERROR\r\n"},
		{"AT+FMI?\r", "\r\nACME\r\n\r\nOK\r\n"},
		{"AT+FMM?\r", "\r\n\"Fax 14400\"\r\n\r\nOK\r\n"},
		{"AT+FMR?\r", "\r\nERROR\r\n"},
		{"AT+FTM=?\r", "\r\n(24,48,72-74,96,145,146)\r\n\r\nOK\r\n"},
		{"AT+FRM=?\r", "\r\n24,48,72,73,74,96\r\n\r\nOK\r\n"},
	}
}

// play plays a script behind a port; it reports what does not follow it.
func play(t *testing.T, steps script) (port io.ReadWriteCloser, done func()) {
	host, modem := net.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() {
		r := bufio.NewReader(modem)
		for i, s := range steps {
			got := make([]byte, len(s.expect))
			if _, err := io.ReadFull(r, got); err != nil || string(got) != s.expect {
				t.Errorf("step %d: the host says %q (%v), want %q", i, got, err, s.expect)
				modem.Close()
				return
			}
			io.WriteString(modem, s.answer)
		}
		// A modem that ends a signal early may be given more of its data, here
		// zeros, before the host has heard of it.
		if rest, _ := io.ReadAll(r); len(bytes.Trim(rest, "\x00")) > 0 {
			t.Errorf("behind the script the host says %q", rest)
		}
	})
	return host, wg.Wait
}

func withFCS(frame []byte) string { return string(at.AppendData(nil, hdlc.AppendFCS(frame, frame))) }

// scripted opens a phone on opening and steps, runs try, and wants the script
// to have been followed to its end.
func scripted(t *testing.T, steps script, try func(t *testing.T, p *Phone)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		port, done := play(t, append(opening(), steps...))
		defer done()
		p, err := Open(t.Context(), port, Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		try(t, p)
	})
}

// A sending call as in T.31's example, with the hitches of real modems: frames
// refused at first, a bad frame, the remains of another carrier.
func TestSendingDialogue(t *testing.T) {
	dis := hdlc.Append(nil, true, 0x80, 0x10, 0x03)
	dcs := hdlc.Append(nil, true, 0x83, 0x10)
	bad := withFCS(dis)[:4] + "\x55" + withFCS(dis)[5:]
	page := bytes.Repeat([]byte{0x10, 0x00, 0xFF}, 100)
	scripted(t, script{
		{classQuery, classAnswer}, {"ATDT0302\r", "\r\n+FCERROR\r\n"}, // a data modem's tone first
		{"AT+FRH=3\r", "\r\nCONNECT\r\n" + bad + "\r\nERROR\r\n"},
		{"AT+FRH=3\r", "\r\nNO CARRIER\r\n"},
		{"AT+FRH=3\r", "\r\nCONNECT\r\n\x10\x03\r\nNO CARRIER\r\n"},
		{"AT+FRH=3\r", "\r\nCONNECT\r\n\r\nNO CARRIER\r\n"}, // its data have no end
		{"AT+FRH=3\r", "\r\nCONNECT\r\n" + withFCS(dis) + "\r\nOK\r\n"},
		{"AT+FRS=7\r", "\r\nERROR\r\n"},
		{"AT+FTS=7\r", "\r\nOK\r\n"},
		{"AT+FTH=3\r", "\r\nCONNECT\r\n"},
		{string(at.AppendData(nil, dcs)), "\r\nOK\r\n"},
		{"AT+FTS=7\r", "\r\nOK\r\n"},
		{"AT+FTM=146\r", "\r\nCONNECT\r\n"},
		{string(at.AppendData(nil, page)), "\r\nOK\r\n"},
		{"ATH0\r", "\r\nOK\r\n"},
	}, func(t *testing.T, p *Phone) {
		l, err := p.Dial(t.Context(), "0302")
		if err != nil {
			t.Fatal(err)
		}
		v21 := line.Listen{Timeout: 5 * time.Second}
		if h, err := l.Hear(t.Context(), v21); err != nil || h.Kind != line.Frame || h.Good {
			t.Errorf("bad frame: %+v, %v", h, err)
		}
		before := l.Now()
		if h, err := l.Hear(t.Context(), v21); err != nil || !h.Good || !bytes.Equal(h.Data, dis) {
			t.Errorf("good frame: %+v, %v", h, err)
		}
		if took := l.Now() - before; took > time.Second {
			t.Errorf("the hitches took %v", took)
		}
		if err := l.Say(t.Context(), line.Signal{Kind: line.Frames, Frames: [][]byte{dcs}}); err != nil {
			t.Error(err)
		}
		if err := l.Say(t.Context(), line.Signal{Kind: line.Page, Rate: line.V17x14400, Short: true, Data: page}); err != nil {
			t.Error(err)
		}
		if err := p.HangUp(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestReceivingDialogue(t *testing.T) {
	csi, dis := hdlc.Append(nil, false, 0x40, 0x20), hdlc.Append(nil, true, 0x80)
	eop := hdlc.Append(nil, true, 0x2F)
	block := hdlc.AppendBlock(nil, [][]byte{hdlc.Append(nil, false, 0x06, 0, 7), hdlc.Append(nil, false, 0x86)}, 20)
	scripted(t, script{
		{"", "\r\nRING\r\n\r\nDATE=0101\r\n\r\nNMBR=0301\r\n\r\nNDID=0302\r\n"},
		{classQuery, classAnswer}, {"ATA\r", "\r\nCONNECT\r\n"},
		{string(at.AppendData(nil, csi)), "\r\nCONNECT\r\n"},
		{string(at.AppendData(nil, dis)), "\r\nOK\r\n"},
		{"AT+FRM=96\r", "\r\n+FCERROR\r\n"}, // too early: the remains of V.21
		{"AT+FRM=96\r", "\r\n+FCERROR\r\n"},
		{"AT+FRH=3\r", "\r\nNO CARRIER\r\n"},
		{"AT+FRM=96\r", "\r\nCONNECT\r\n\xFF\xFF" + string(at.AppendData(nil, block)) + "\r\nNO CARRIER\r\n"},
		{"AT+FRM=96\r", "\r\n+FCERROR\r\n"},
		{"AT+FRM=96\r", "\r\n+FCERROR\r\n"},
		{"AT+FRH=3\r", "\r\nCONNECT\r\n" + withFCS(eop) + "\r\nOK\r\n"},
		{"AT+FRH=3\r", ""}, // silence, to be ended
		{"\x18", "\r\nOK\r\n"},
		{"AT+FRH=3\r", "\r\nERROR\r\n"},
		{"AT+FRH=3\r", "\r\nERROR\r\n"}, // on hook
	}, func(t *testing.T, p *Phone) {
		if ring, err := p.WaitRing(t.Context()); err != nil || ring.Caller != "0301" || ring.Called != "0302" {
			t.Errorf("ring %+v, %v", ring, err)
		}
		l, err := p.Answer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Say(t.Context(), line.Signal{Kind: line.Frames, Frames: [][]byte{csi, dis}}); err != nil {
			t.Error(err)
		}
		image := line.Listen{Rate: line.V29x9600, Want: line.Block, Timeout: 5 * time.Second}
		if h, err := l.Hear(t.Context(), image); err != nil || h.Kind != line.Image || len(h.Frames) != 2 {
			t.Errorf("block: %+v, %v", h, err)
		}
		if h, err := l.Hear(t.Context(), image); err != nil || !h.Good || !bytes.Equal(h.Data, eop) {
			t.Errorf("frame in place of a block: %+v, %v", h, err)
		}
		v21 := line.Listen{Timeout: 3 * time.Second}
		if h, err := l.Hear(t.Context(), v21); err != nil || h.Kind != line.Nothing {
			t.Errorf("silence: %+v, %v", h, err)
		}
		if _, err := l.Hear(t.Context(), v21); !errors.Is(err, line.ErrHungUp) {
			t.Errorf("on hook: %v", err)
		}
	})
}

func TestDialResults(t *testing.T) {
	for said, want := range map[string]status.Code{
		"BUSY": status.Busy, "NO ANSWER": status.NoAnswer, "NO DIALTONE": status.NoDialtone, "NO CARRIER": status.NoCarrier,
		"BLACKLISTED 01:00": status.Blacklisted, "DELAYED 00:10": status.Blacklisted, "RING": status.Glare, "ERROR": status.ModemFailure,
		"CAUSE: E0001\r\n\r\nNO CARRIER": status.UnknownNo, "CAUSE: E0010\r\n\r\nNO CARRIER": status.NoCarrier,
		"UNALLOCATED NUMBER\r\n\r\nNO CARRIER": status.UnknownNo, "OK": status.ModemFailure,
	} {
		t.Run(strings.ReplaceAll(said, "\r\n", " "), func(t *testing.T) {
			scripted(t, script{{classQuery, classAnswer}, {"ATDT77\r", "ATDT77\r\r\n" + said + "\r\n"}}, func(t *testing.T, p *Phone) {
				_, err := p.Dial(t.Context(), "77")
				var failed *status.Error
				if !errors.As(err, &failed) || failed.Code != want {
					t.Errorf("%v, want %v", err, want)
				}
			})
		})
	}
}

func TestWhatTheModemCan(t *testing.T) {
	scripted(t, nil, func(t *testing.T, p *Phone) {
		want := []line.Rate{line.V27ter2400, line.V27ter4800, line.V29x7200, line.V17x7200, line.V29x9600}
		if got := p.ReceiveRates(); !slices.Equal(got, want) {
			t.Errorf("receives at %v, want %v", got, want)
		}
		if got := p.SendRates(); !slices.Equal(got, append(want, line.V17x14400)) {
			t.Errorf("sends at %v, want %v", got, append(want, line.V17x14400))
		}
		if p.Identity() != `ACME, "Fax 14400"` {
			t.Errorf("identity %q", p.Identity())
		}
	})
}

// An underrun ends a page early; it is no success.
func TestUnderrun(t *testing.T) {
	data := make([]byte, 4*writeChunk)
	scripted(t, script{
		{classQuery, classAnswer}, {"ATDT1\r", "\r\nCONNECT\r\n"},
		{"\x18", "\x10\x03\r\nOK\r\n"},
		{"AT+FTS=7\r", "\r\nOK\r\n"},
		{"AT+FTM=96\r", "\r\nCONNECT\r\n"},
		{string(data[:writeChunk]), "\r\nOK\r\n"},
	}, func(t *testing.T, p *Phone) {
		l, err := p.Dial(t.Context(), "1")
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := l.Say(t.Context(), line.Signal{Kind: line.Page, Rate: line.V29x9600, Data: data}); err == nil {
			t.Error("a page cut short counts as sent")
		}
	})
}

// A modem that says nothing, or everything, is an error in bounded time.
func TestBrokenModems(t *testing.T) {
	for name, modem := range map[string]func(net.Conn){
		"dead":       func(c net.Conn) { io.Copy(io.Discard, c) },
		"stuck":      func(net.Conn) {},
		"gone":       func(c net.Conn) { c.Close() },
		"echo alone": func(c net.Conn) { io.Copy(c, c) },
		"chatter": func(c net.Conn) {
			go io.Copy(io.Discard, c)
			for {
				if _, err := io.WriteString(c, "\r\nnonsense\r\n"); err != nil {
					return
				}
				time.Sleep(time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				host, end := net.Pipe()
				var wg sync.WaitGroup
				wg.Go(func() { modem(end) })
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
				defer cancel()
				if _, err := Open(ctx, host, Config{}); !errors.Is(err, line.ErrModem) {
					t.Errorf("%v", err)
				}
				end.Close()
				wg.Wait()
			})
		})
	}
}
