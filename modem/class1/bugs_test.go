package class1

import (
	"bytes"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/modem/at"
	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
)

// Case 6: what is no frame does not end the wait for one, if the modem is known
// to take noise for carriers.
func TestConnectForNoise(t *testing.T) {
	garbage := string(at.AppendData(nil, []byte{0x5A, 0xC3, 0x11, 0x7B}))
	for name, noise := range map[string]script{
		"lost at once":     {{"AT+FRH=3\r", "\r\nCONNECT\r\n\r\nNO CARRIER\r\n"}},
		"nothing in it":    {{"AT+FRH=3\r", "\r\nCONNECT\r\n\x10\x03\r\nNO CARRIER\r\n"}},
		"garbage":          {{"AT+FRH=3\r", "\r\nCONNECT\r\n" + garbage + "\r\nERROR\r\n"}},
		"garbage, lost":    {{"AT+FRH=3\r", "\r\nCONNECT\r\n" + garbage + "\r\nNO CARRIER\r\n"}},
		"and then silence": {{"AT+FRH=3\r", "\r\nCONNECT\r\n"}, {"\x18", "\r\nOK\r\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			inCall(t, Bugs{RHConnect: true}, append(noise, script{
				{"AT+FRH=3\r", "\r\nCONNECT\r\n" + withFCS(mcfFrame) + "\r\nOK\r\n"},
			}...), func(t *testing.T, l line.Line) { hears(t, l, v21, mcfFrame) })
		})
	}
	// A frame that the line has damaged is none of these: T.30 must hear of it.
	damaged := bytes.Clone(hdlc.AppendFCS(mcfFrame, mcfFrame))
	damaged[2] ^= 0x40
	inCall(t, Bugs{RHConnect: true}, script{
		{"AT+FRH=3\r", "\r\nCONNECT\r\n" + string(at.AppendData(nil, damaged)) + "\r\nERROR\r\n"},
	}, func(t *testing.T, l line.Line) {
		if h, err := l.Hear(t.Context(), v21); err != nil || h.Kind != line.Frame || h.Good {
			t.Errorf("a damaged frame: %+v, %v", h, err)
		}
	})
}

// bare is a frame as a modem gives it that doubles no DLE.
func bare(frame []byte) string {
	return string(hdlc.AppendFCS(bytes.Clone(frame), frame)) + "\x10\x03"
}

// Case 7: the check sequence tells which DLEs are escapes.
func TestBareDLE(t *testing.T) {
	frames := [][]byte{
		hdlc.Append(nil, true, 0x83, 0x10, 0x55), // a single one
		hdlc.Append(nil, true, 0x83, 0x10, 0x10), // two, which look like one
		hdlc.Append(nil, true, 0x83, 0x10, 0x1A, 0x10),
		hdlc.Append(nil, true, 0x83, 0x00, 0x10, 0x10, 0x10, 0x07),
		hdlc.Append(nil, true, 0x83, 0x10, 0x03, 0x55), // the end mark in it
		hdlc.Append(nil, true, 0x83, 0x10, 0x10, 0x03, 0x10, 0x03),
		hdlc.Append(nil, true, 0x83, 0x10, 0x03, 0x0D, 0x0A), // and the beginning of a result code
	}
	const fixed = 7
	for i := range 256 { // one whose check sequence ends in DLE
		f := hdlc.Append(nil, true, 0x83, byte(i), 0x11)
		if with := hdlc.AppendFCS(f, f); with[len(with)-1] == at.DLE {
			frames = append(frames, f)
			break
		}
	}
	for i := range 256 { // and one where it is ETX behind a DLE
		f := hdlc.Append(nil, true, 0x83, byte(i), 0x11)
		if with := hdlc.AppendFCS(f, f); bytes.HasSuffix(with, []byte{at.DLE, at.ETX}) {
			frames = append(frames, f)
			break
		}
		f = hdlc.Append(nil, true, 0x83, byte(i), 0x10)
		if with := hdlc.AppendFCS(f, f); with[len(with)-2] == at.ETX {
			frames = append(frames, f)
			break
		}
	}
	if len(frames) != fixed+2 {
		t.Fatalf("%d frames; none ends in DLE, or in the end mark", len(frames))
	}
	for _, f := range frames {
		// The bug is not in all of a modem's answers: what is doubled is read, too.
		inCall(t, Bugs{BareDLE: true}, script{
			{"AT+FRH=3\r", "\r\nCONNECT\r\n" + bare(f) + "\r\nOK\r\n"},
			{"AT+FRH=3\r", "\r\nCONNECT\r\n" + withFCS(f) + "\r\nOK\r\n"},
		}, func(t *testing.T, l line.Line) {
			before := l.Now()
			hears(t, l, v21, f)
			hears(t, l, v21, f)
			if took := l.Now() - before; took > time.Second {
				t.Errorf("%x took %v", f, took)
			}
		})
	}
}

// Whatever a modem gives, only a frame whose check sequence is right counts, and
// a frame that was sent is read in either way of writing it.
func FuzzBareDLE(f *testing.F) {
	f.Add([]byte{0xFF, 0x13, 0x83, 0x10, 0x10})
	f.Fuzz(func(t *testing.T, frame []byte) {
		bugs := Bugs{BareDLE: true}
		with := hdlc.AppendFCS(bytes.Clone(frame), frame)
		for _, wire := range [][]byte{with, at.AppendStuffed(nil, with)} {
			if got, good := bugs.frame(wire); len(frame) > 0 && (!good || !bytes.Equal(got, frame) && !hdlc.Check(at.Unstuff(wire))) {
				t.Errorf("%x read as %x, %v", wire, got, good)
			}
		}
		// Octet by octet the end is found where it is, unless the frame has one.
		said := append(bytes.Clone(with), "\x10\x03\r\nOK\r\n"...)
		for n := 1; n <= len(said); n++ {
			at, code, ended := ending(said[:n])
			if ended && n == len(said) && (at != len(with) || code.String() != "OK") || !ended && n == len(said) {
				t.Errorf("%x ends behind %d octets with %v, %v", said, at, code, ended)
			}
			if ended && n < len(said) && n <= len(with) {
				break // what looks like an end was sent
			}
		}
		if got, good := bugs.frame(frame); good && !hdlc.Check(hdlc.AppendFCS(bytes.Clone(got), got)) {
			t.Errorf("%x counts as good", got)
		}
	})
}

// Without +FRS and +FTS the driver pauses by itself, and does not ask for +FRS
// again.
func TestNoSilenceCommands(t *testing.T) {
	inCall(t, Bugs{}, script{
		{"AT+FRS=7\r", "\r\nERROR\r\n"},
		{"AT+FTS=7\r", "\r\nERROR\r\n"},
		{"AT+FTH=3\r", "\r\nCONNECT\r\n"},
		{string(at.AppendData(nil, dcsFrame)), "\r\nOK\r\n"},
	}, func(t *testing.T, l line.Line) {
		before := l.Now()
		says(t, l, frameSignal(dcsFrame))
		if took := l.Now() - before; took < 55*time.Millisecond || took > 95*time.Millisecond {
			t.Errorf("the pause was %v, want 75 ms within 20 ms", took)
		}
	})
	inCall(t, Bugs{}, script{
		{"AT+FRS=7\r", "\r\nERROR\r\n"},
		{"AT+FTS=7\r", "\r\nOK\r\n"},
		{"AT+FTH=3\r", "\r\nCONNECT\r\n"},
		{string(at.AppendData(nil, dcsFrame)), "\r\nOK\r\n"},
		{"AT+FRH=3\r", "\r\nCONNECT\r\n" + withFCS(mcfFrame) + "\r\nOK\r\n"},
		{"AT+FTS=7\r", "\r\nOK\r\n"},
		{"AT+FTH=3\r", "\r\nCONNECT\r\n"},
		{string(at.AppendData(nil, dcsFrame)), "\r\nOK\r\n"},
	}, func(t *testing.T, l line.Line) {
		says(t, l, frameSignal(dcsFrame))
		hears(t, l, v21, mcfFrame)
		says(t, l, frameSignal(dcsFrame))
	})
}

func TestSayDelay(t *testing.T) {
	for _, delay := range []time.Duration{0, 400 * time.Millisecond} {
		inCall(t, Bugs{SayDelay: delay}, script{
			{"AT+FRS=7\r", "\r\nOK\r\n"},
			{"AT+FTM=96\r", "\r\nCONNECT\r\n"},
			{string(at.AppendData(nil, []byte("page"))), "\r\nOK\r\n"},
		}, func(t *testing.T, l line.Line) {
			before := l.Now()
			says(t, l, line.Signal{Kind: line.Page, Rate: line.V29x9600, Data: []byte("page")})
			if took := l.Now() - before; took != delay {
				t.Errorf("took %v, want %v", took, delay)
			}
		})
	}
}

// A modem that cannot hold the computer up is given an image no faster than it
// says it, and never so late that it runs out.
func TestPaceWithoutFlowControl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate = 9600 / 8
		data := make([]byte, 8*rate)
		host, modem := net.Pipe()
		var modems sync.WaitGroup
		defer modems.Wait()
		modems.Go(func() {
			defer modem.Close()
			b := make([]byte, 1024)
			for _, s := range append(opening(), dialled(script{{"AT+FRS=7\r", "\r\nOK\r\n"}, {"AT+FTM=96\r", "\r\nCONNECT\r\n"}})...) {
				io.ReadFull(modem, b[:len(s.expect)])
				io.WriteString(modem, s.answer)
			}
			training := 253 * time.Millisecond
			begun := time.Now()
			for got := 0; got < len(data); {
				n, err := modem.Read(b)
				if err != nil {
					t.Error(err)
					return
				}
				said := max(int((time.Since(begun)-training)*rate/time.Second), 0)
				if held := got - said; got > 0 && held < 0 || held+n > unheldAhead+unheldChunk+2 { // whole octets
					t.Errorf("after %v the modem holds %d octets and gets %d more", time.Since(begun), held, n)
					return
				}
				got += n
			}
			io.ReadFull(modem, b[:2])
			time.Sleep(time.Second)
			io.WriteString(modem, "\r\nOK\r\n")
			io.Copy(io.Discard, modem)
		})
		p, err := Open(t.Context(), host, Config{Unheld: true})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		l, err := p.Dial(t.Context(), "1")
		if err != nil {
			t.Fatal(err)
		}
		hears(t, l, v21, disFrame)
		says(t, l, line.Signal{Kind: line.Page, Rate: line.V29x9600, Data: data})
	})
}

// switched is a port that notes when XOFF is obeyed.
type switched struct {
	io.ReadWriteCloser
	states []bool
}

func (s *switched) ObeyXOFF(on bool) error { s.states = append(s.states, on); return nil }

// XOFF is obeyed while an image is sent, and at no other time.
func TestXOFFIsObeyedInImages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		port, done := play(t, append(opening(), dialled(script{
			{"AT+FRS=7\r", "\r\nOK\r\n"},
			{"AT+FTM=96\r", "\r\nCONNECT\r\n"},
			{string(at.AppendData(nil, []byte("page"))), "\x13\x11\r\nOK\r\n"},
			{"AT+FRM=96\r", "\r\nCONNECT\r\n\x11\x13\x10\x03\r\nNO CARRIER\r\n"},
		})...))
		defer done()
		s := &switched{ReadWriteCloser: port}
		p, err := Open(t.Context(), s, Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		l, err := p.Dial(t.Context(), "1")
		if err != nil {
			t.Fatal(err)
		}
		hears(t, l, v21, disFrame)
		says(t, l, line.Signal{Kind: line.Page, Rate: line.V29x9600, Data: []byte("page")})
		h, err := l.Hear(t.Context(), line.Listen{Rate: line.V29x9600, Want: line.Page, Timeout: 5 * time.Second})
		if err != nil || string(h.Data) != "\x11\x13" {
			t.Errorf("%+v, %v", h, err)
		}
		if !slices.Equal(s.states, []bool{true, false}) {
			t.Errorf("obeyed: %v", s.states)
		}
	})
}

func TestNoFCS(t *testing.T) {
	withBugs(t, Bugs{NoFCS: true, NoAdaptive: true}, script{
		{classQuery, classAnswer}, {"ATDT1\r", "\r\nCONNECT\r\n" + string(at.AppendData(nil, disFrame)) + "\r\nOK\r\n"},
		{"AT+FRH=3\r", "\r\nCONNECT\r\n" + string(at.AppendData(nil, mcfFrame)) + "\r\nERROR\r\n"},
		{"AT+FRH=3\r", "\r\nCONNECT\r\n" + string(at.AppendData(nil, mcfFrame[:2])) + "\r\nOK\r\n"},
	}, func(t *testing.T, p *Phone) {
		l, err := p.Dial(t.Context(), "1")
		if err != nil {
			t.Fatal(err)
		}
		hears(t, l, v21, disFrame)
		for range 2 {
			if h, err := l.Hear(t.Context(), v21); err != nil || h.Kind != line.Frame || h.Good {
				t.Errorf("a bad frame: %+v, %v", h, err)
			}
		}
	})
}
