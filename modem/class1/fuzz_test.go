package class1

import (
	"bytes"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/modem/at"
	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
)

// Whatever a modem says while something is heard on the line, the driver comes
// to an end within the limits it has, holds what it takes within them, and calls
// no frame good whose check sequence is wrong.
func FuzzHear(f *testing.F) {
	page := string(at.AppendData(nil, []byte("\x00\x10\x01page")))
	block := hdlc.AppendBlock(nil, [][]byte{hdlc.Append(nil, false, 0x06, 0, 7), hdlc.Append(nil, false, 0x86)}, 20)
	f.Add([]byte("\r\nCONNECT\r\n"+withFCS(mcfFrame)+"\r\nOK\r\n"), uint8(0), uint8(0))
	f.Add([]byte("\r\nCONNECT\r\n"+bare(hdlc.Append(nil, true, 0x83, 0x10, 0x03))+"\r\nOK\r\n"), uint8(0), uint8(1))
	f.Add([]byte("\r\nCONNECT\r\n"+page+"\r\nNO CARRIER\r\n"), uint8(1), uint8(0))
	f.Add([]byte("\r\nCONNECT\r\n"+string(at.AppendData(nil, block))+"\r\nNO CARRIER\r\n"), uint8(2), uint8(0))
	f.Add([]byte("\r\n+FCERROR\r\n\xfe\r\n+FRH:3\r\n\r\nCONNECT\r\n"+withFCS(eopFrame)+"\r\nOK\r\n"), uint8(3), uint8(6))
	f.Add([]byte("\r\nCONNECT\r\n\xfe\xfe\r\nERROR\r\n\xfe\r\nERROR\r\n"), uint8(0), uint8(7))
	f.Fuzz(func(t *testing.T, said []byte, what, bug uint8) {
		bugs := Bugs{BareDLE: bug&1 != 0, RHConnect: bug&2 != 0, NoFCS: bug&4 != 0}
		listen := line.Listen{Timeout: 3 * time.Second}
		if what %= 4; what > 0 {
			listen.Rate = line.V29x9600
			listen.Want = []line.SignalKind{line.Page, line.Block, line.Training}[what-1]
		}
		parts := bytes.Split(said, []byte{0xFE}) // one for each command, the last for all further ones
		answers := func(string) string {
			part := parts[0]
			if len(parts) > 1 {
				parts = parts[1:]
			}
			return string(part)
		}
		answering(t, bugs, answers, func(t *testing.T, l line.Line, _ *atomic.Int32) {
			before := l.Now()
			h, err := l.Hear(t.Context(), listen)
			if took := l.Now() - before; took > 2*time.Minute {
				t.Errorf("took %v", took)
			}
			switch {
			case err != nil:
			case h.Kind == line.Frame && (len(h.Data) == 0 || len(h.Data) > line.MaxFrame):
				t.Errorf("a frame of %d octets", len(h.Data))
			case h.Kind == line.Frame && h.Good && bugs.NoFCS && !hdlc.Valid(h.Data):
				t.Errorf("the frame %x counts as good", h.Data)
			case len(h.Data) > len(said)*20, len(h.Frames) > maxKept:
				t.Errorf("%d octets, %d frames of %d that were said", len(h.Data), len(h.Frames), len(said))
			}
		})
	})
}
