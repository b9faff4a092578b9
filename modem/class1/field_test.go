package class1

// What the field does to a Class 1 driver, as far as the driver can tell. Each
// case is a modem of a script.
//
//	 1  silence heard before an answer, kept before a command   TestTurnRound
//	 2  silence after a training check, before CFR or FTT       TestTurnRound
//	 3  90 ms before EOP                                        TestTurnRound
//	 4  +FRH: NO CARRIER before any CONNECT                     TestCarrierThatIsNotYetOver
//	 5  +FRH: +FCERROR at once                                  TestCarrierThatIsNotYetOver
//	 6  CONNECT for noise                                       TestConnectForNoise
//	 7  DLEs not doubled                                        TestBareDLE, FuzzBareDLE
//	 8  +FRM too late or too early                              TestImageAskedForTooEarly
//	 9  OK for a timeout, +FCERROR that comes late              TestOKForATimeout, TestLateFCError
//	10  check sequence made up for a short frame                TestMadeUpCheckSequence
//	11  a data modem's carrier first                            TestDataModemAnswersFirst
//	12  BLACKLISTED and its like                                TestDialResults, TestDialChatter
//	13  7.5 to 8.5 s for a frame to be sent                     TestFrameThatDoesNotLeave
//	14  garbage where the modem has gone on hook                TestHookLostInAnImage
//
// Modems without +FRS or +FTS: TestNoSilenceCommands. Slow to take data:
// TestSayDelay. Frames without their check sequence: TestNoFCS. A modem that
// dies while it waits for a ring: TestPulse. What a modem is: TestProbe.

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/modem/at"
	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
)

// Frames of the scripts, without check sequence.
var (
	disFrame = hdlc.Append(nil, true, 0x80, 0x10, 0x03)
	dcsFrame = hdlc.Append(nil, true, 0x83, 0x10)
	mcfFrame = hdlc.Append(nil, true, 0x8C)
	eopFrame = hdlc.Append(nil, true, 0x2F)
)

// dialled begins a call in which DIS has come.
func dialled(steps script) script {
	return append(script{{classQuery, classAnswer}, {"ATDT1\r", "\r\nCONNECT\r\n" + withFCS(disFrame) + "\r\nOK\r\n"}}, steps...)
}

// inCall plays steps behind an answered call.
func inCall(t *testing.T, bugs Bugs, steps script, try func(t *testing.T, l line.Line)) {
	t.Helper()
	withBugs(t, bugs, dialled(steps), func(t *testing.T, p *Phone) {
		l, err := p.Dial(t.Context(), "1")
		if err != nil {
			t.Fatal(err)
		}
		hears(t, l, line.Listen{Timeout: 5 * time.Second}, disFrame)
		try(t, l)
	})
}

// withBugs is scripted with a modem that is known to have bugs.
func withBugs(t *testing.T, bugs Bugs, steps script, try func(t *testing.T, p *Phone)) {
	t.Helper()
	first := opening()
	if bugs.NoAdaptive {
		first = slices.DeleteFunc(first, func(s struct{ expect, answer string }) bool { return s.expect == "AT+FAR=1\r" })
	}
	synctest.Test(t, func(t *testing.T) {
		port, done := play(t, append(first, steps...))
		defer done()
		p, err := Open(t.Context(), port, Config{Bugs: bugs})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		try(t, p)
	})
}

func hears(t *testing.T, l line.Line, listen line.Listen, frame []byte) {
	t.Helper()
	h, err := l.Hear(t.Context(), listen)
	if err != nil || h.Kind != line.Frame || !h.Good || !bytes.Equal(h.Data, frame) {
		t.Errorf("heard %+v, %v; want the frame %x", h, err, frame)
	}
}

func hearsKind(t *testing.T, l line.Line, listen line.Listen, kind line.HeardKind) {
	t.Helper()
	if h, err := l.Hear(t.Context(), listen); err != nil || h.Kind != kind {
		t.Errorf("heard %+v, %v; want kind %d", h, err, kind)
	}
}

func says(t *testing.T, l line.Line, s line.Signal) {
	t.Helper()
	if err := l.Say(t.Context(), s); err != nil {
		t.Error(err)
	}
}

func frameSignal(f ...[]byte) line.Signal { return line.Signal{Kind: line.Frames, Frames: f} }

var v21 = line.Listen{Timeout: 7 * time.Second}

// Cases 1, 2 and 3: who speaks next hears or keeps silence first, a little more
// of it behind the last page.
func TestTurnRound(t *testing.T) {
	tcf := make([]byte, 1800) // 1.5 s at 9600
	page := []byte("page")
	cfr := hdlc.Append(nil, true, 0x84)
	inCall(t, Bugs{}, script{
		{"AT+FRS=7\r", "\r\nOK\r\n"}, // the answering station's carrier may be up yet
		{"AT+FTH=3\r", "\r\nCONNECT\r\n"},
		{string(at.AppendData(nil, dcsFrame)), "\r\nOK\r\n"},
		{"AT+FTS=7\r", "\r\nOK\r\n"},
		{"AT+FTM=96\r", "\r\nCONNECT\r\n"},
		{string(at.AppendData(nil, tcf)), "\r\nOK\r\n"},
		{"AT+FRM=96\r", "\r\nCONNECT\r\n\x00\x00\x10\x03\r\nNO CARRIER\r\n"}, // as the called station
		{"AT+FRS=7\r", "\r\nOK\r\n"},
		{"AT+FTH=3\r", "\r\nCONNECT\r\n"},
		{string(at.AppendData(nil, cfr)), "\r\nOK\r\n"},
		{"AT+FTS=7\r", "\r\nOK\r\n"},
		{"AT+FTM=96\r", "\r\nCONNECT\r\n"},
		{string(at.AppendData(nil, page)), "\r\nOK\r\n"},
		{"AT+FTS=9\r", "\r\nOK\r\n"},
		{"AT+FTH=3\r", "\r\nCONNECT\r\n"},
		{string(at.AppendData(nil, eopFrame)), "\r\nOK\r\n"},
	}, func(t *testing.T, l line.Line) {
		says(t, l, frameSignal(dcsFrame))
		says(t, l, line.Signal{Kind: line.Training, Rate: line.V29x9600})
		hearsKind(t, l, line.Listen{Rate: line.V29x9600, Want: line.Training, Timeout: 3 * time.Second}, line.Image)
		says(t, l, frameSignal(cfr))
		says(t, l, line.Signal{Kind: line.Page, Rate: line.V29x9600, Data: page})
		says(t, l, frameSignal(eopFrame))
	})
}

// always is a modem in a call that answers every command it was not told about
// with one text, and counts them.
func always(t *testing.T, answers func(command string) string, try func(t *testing.T, l line.Line, asked *atomic.Int32)) {
	t.Helper()
	answering(t, Bugs{}, answers, try)
}

// answering is always with a modem that is known to have bugs.
func answering(t *testing.T, bugs Bugs, answers func(command string) string, try func(t *testing.T, l line.Line, asked *atomic.Int32)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		host, modem := net.Pipe()
		var asked atomic.Int32
		known := append(opening(), dialled(nil)...)
		go func() {
			defer modem.Close()
			var lines at.Lines
			b := make([]byte, 1)
			for {
				if _, err := io.ReadFull(modem, b); err != nil {
					return
				}
				if b[0] == at.CR {
					b[0] = at.LF
				}
				command, ok := lines.Feed(b[0])
				if !ok {
					continue
				}
				i := slices.IndexFunc(known, func(s struct{ expect, answer string }) bool { return s.expect == command+"\r" })
				answer := ""
				if i >= 0 {
					answer = known[i].answer
				} else {
					asked.Add(1)
					answer = answers(command)
				}
				if _, err := io.WriteString(modem, answer); err != nil {
					return
				}
			}
		}()
		p, err := Open(t.Context(), host, Config{Bugs: bugs})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		l, err := p.Dial(t.Context(), "1")
		if err != nil {
			t.Fatal(err)
		}
		if bugs == (Bugs{}) {
			hears(t, l, v21, disFrame)
		} else {
			l.Hear(t.Context(), v21) // it has DIS, in whichever way its bugs let it through
		}
		try(t, l, &asked)
	})
}

// Cases 4 and 5: a modem that refuses at once is asked until the time is over,
// neither in a circle nor so seldom that a frame is missed.
func TestCarrierThatIsNotYetOver(t *testing.T) {
	for _, said := range []string{"NO CARRIER", "+FCERROR"} {
		t.Run(said, func(t *testing.T) {
			always(t, func(string) string { return "\r\n" + said + "\r\n" }, func(t *testing.T, l line.Line, asked *atomic.Int32) {
				before := l.Now()
				hearsKind(t, l, v21, line.Noise)
				if took := l.Now() - before; took < v21.Timeout || took > v21.Timeout+time.Second {
					t.Errorf("gave up after %v", took)
				}
				if n := asked.Load(); n < 35 || n > 200 {
					t.Errorf("asked %d times in %v", n, v21.Timeout)
				}
			})
			inCall(t, Bugs{}, script{
				{"AT+FRH=3\r", "\r\n" + said + "\r\n"}, {"AT+FRH=3\r", "\r\n" + said + "\r\n"},
				{"AT+FRH=3\r", "\r\nCONNECT\r\n" + withFCS(mcfFrame) + "\r\nOK\r\n"},
			}, func(t *testing.T, l line.Line) {
				before := l.Now()
				hears(t, l, v21, mcfFrame)
				if took := l.Now() - before; took > 200*time.Millisecond {
					t.Errorf("the frame had to wait for %v", took)
				}
			})
		})
	}
}

// Case 8: the first +FCERROR is about the remains of V.21, and asking for the
// image again at once finds it; then V.21 is looked for.
func TestImageAskedForTooEarly(t *testing.T) {
	listen := line.Listen{Rate: line.V29x9600, Want: line.Page, Timeout: 5 * time.Second}
	inCall(t, Bugs{}, script{
		{"AT+FRM=96\r", "\r\n+FCERROR\r\n"},
		{"AT+FRM=96\r", "\r\nCONNECT\r\npage\x10\x03\r\nNO CARRIER\r\n"},
	}, func(t *testing.T, l line.Line) {
		before := l.Now()
		h, err := l.Hear(t.Context(), listen)
		if err != nil || h.Kind != line.Image || string(h.Data) != "page" {
			t.Errorf("%+v, %v", h, err)
		}
		if took := l.Now() - before; took > 100*time.Millisecond {
			t.Errorf("the second try came after %v: the training is over by then", took)
		}
	})
	inCall(t, Bugs{}, script{
		{"AT+FRM=96\r", "\r\n+FCERROR\r\n"},
		{"AT+FRM=96\r", "\r\n+FCERROR\r\n"},
		{"AT+FRH=3\r", "\r\nCONNECT\r\n" + withFCS(dcsFrame) + "\r\nOK\r\n"},
	}, func(t *testing.T, l line.Line) { hears(t, l, listen, dcsFrame) })
}

// Case 9: OK without a frame is silence, not noise, and is asked about again.
func TestOKForATimeout(t *testing.T) {
	always(t, func(string) string { return "\r\nOK\r\n" }, func(t *testing.T, l line.Line, asked *atomic.Int32) {
		hearsKind(t, l, v21, line.Nothing)
		if asked.Load() < 35 {
			t.Errorf("asked %d times in %v", asked.Load(), v21.Timeout)
		}
	})
}

// Case 9: +FCERROR about a reception that was given up does not end what
// comes after it.
func TestLateFCError(t *testing.T) {
	inCall(t, Bugs{}, script{
		{"AT+FRS=7\r", "\r\n+FCERROR\r\n"},
		{"AT+FRS=7\r", "\r\nOK\r\n"},
		{"AT+FTH=3\r", "\r\n+FCERROR\r\n\r\nCONNECT\r\n"},
		{string(at.AppendData(nil, dcsFrame)), "\r\nOK\r\n"},
		{"AT+FTS=7\r", "\r\nOK\r\n"},
		{"AT+FTM=96\r", "\r\n+FCERROR\r\n\r\nCONNECT\r\n"},
		{string(at.AppendData(nil, []byte("page"))), "\r\nOK\r\n"},
		{"AT+FRH=3\r", "\r\nCONNECT\r\n" + withFCS(mcfFrame) + "\r\nOK\r\n"},
		{"AT+FRS=7\r", "\r\nOK\r\n"}, // the refusal was none: it is still used
		{"AT+FTH=3\r", "\r\nCONNECT\r\n"},
		{string(at.AppendData(nil, dcsFrame)), "\r\nOK\r\n"},
	}, func(t *testing.T, l line.Line) {
		says(t, l, frameSignal(dcsFrame))
		says(t, l, line.Signal{Kind: line.Page, Rate: line.V29x9600, Data: []byte("page")})
		hears(t, l, v21, mcfFrame)
		says(t, l, frameSignal(dcsFrame))
	})
}

// Case 10: a modem that says OK for a piece of a frame is not believed: the
// host checks V.21 frames itself, and a piece of an ECM frame fails its own.
func TestMadeUpCheckSequence(t *testing.T) {
	whole := hdlc.AppendFCS(bytes.Clone(disFrame), disFrame)
	inCall(t, Bugs{}, script{
		{"AT+FRH=3\r", "\r\nCONNECT\r\n" + string(at.AppendData(nil, whole[:4])) + "\r\nOK\r\n"},
		{"AT+FRH=3\r", "\r\nCONNECT\r\n" + string(at.AppendData(nil, append(whole[:4:4], 0, 0))) + "\r\nOK\r\n"},
	}, func(t *testing.T, l line.Line) {
		for range 2 {
			if h, err := l.Hear(t.Context(), v21); err != nil || h.Good {
				t.Errorf("%+v, %v", h, err)
			}
		}
	})
}

// Case 13: T.31 gives a frame 5 s to CONNECT and 3 s to leave; a modem that
// takes longer has died, one that takes that long has not.
func TestFrameThatDoesNotLeave(t *testing.T) {
	for name, delay := range map[string]time.Duration{"slow": 7500 * time.Millisecond, "dead": 12 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				host, modem := net.Pipe()
				var modems sync.WaitGroup
				defer modems.Wait()
				modems.Go(func() {
					defer modem.Close()
					b := make([]byte, 512)
					for _, s := range append(opening(), dialled(script{
						{"AT+FRS=7\r", "\r\nOK\r\n"}, {"AT+FTH=3\r", "\r\nCONNECT\r\n"}})...) {
						io.ReadFull(modem, b[:len(s.expect)])
						io.WriteString(modem, s.answer)
					}
					io.ReadFull(modem, b[:len(at.AppendData(nil, dcsFrame))])
					time.Sleep(delay)
					io.WriteString(modem, "\r\nOK\r\n")
					io.Copy(io.Discard, modem)
				})
				p, err := Open(t.Context(), host, Config{})
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				l, err := p.Dial(t.Context(), "1")
				if err != nil {
					t.Fatal(err)
				}
				hears(t, l, v21, disFrame)
				before := l.Now()
				err = l.Say(t.Context(), frameSignal(dcsFrame))
				if dead := delay > 10*time.Second; dead != errors.Is(err, line.ErrModem) {
					t.Errorf("%v", err)
				}
				if took := l.Now() - before; took > 10*time.Second {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

// Case 14: a modem that falls on hook in an image says so in the middle of it,
// or not at all. Nothing more is said on the line.
func TestHookLostInAnImage(t *testing.T) {
	inCall(t, Bugs{}, script{
		{"AT+FRM=96\r", "\r\nCONNECT\r\npage\xA5\r\nNO CARRIER\r\n"},
		{"\x18", ""},
		{"AT+FRH=3\r", "\r\nERROR\r\n"},
		{"AT+FRH=3\r", "\r\nERROR\r\n"},
	}, func(t *testing.T, l line.Line) {
		before := l.Now()
		hearsKind(t, l, line.Listen{Rate: line.V29x9600, Want: line.Block, Timeout: 5 * time.Second}, line.Noise)
		if took := l.Now() - before; took > 8*time.Second {
			t.Errorf("noticed after %v", took)
		}
		if _, err := l.Hear(t.Context(), v21); !errors.Is(err, line.ErrHungUp) {
			t.Errorf("then: %v", err)
		}
		if err := l.Say(t.Context(), frameSignal(hdlc.Append(nil, true, 0xFA))); !errors.Is(err, line.ErrHungUp) {
			t.Errorf("DCN on a dead line: %v", err)
		}
	})
}
