package t30

import (
	"bytes"
	"testing"

	"github.com/faxmesh/faxmesh/modem/hdlc"
)

// longestText is more than any frame has to say in a transcript.
const longestText = 1000

// FuzzDescribe: whatever frame comes, a transcript shows it in one line of plain
// text, tells no password, and its fields are read as they would be written.
func FuzzDescribe(f *testing.F) {
	for fcf := range names {
		f.Add(hdlc.Append(nil, true, byte(fcf)))
		f.Add(hdlc.Append(nil, true, byte(fcf)|xBit, 0x2E, 0x80, 0xFF, 0x41, 0, 0x7F))
	}
	f.Add([]byte{0xFF})
	f.Fuzz(func(t *testing.T, frame []byte) {
		text := Describe(frame)
		if len(text) > longestText || len(text) == 0 {
			t.Fatalf("% X is described by %d characters", frame, len(text))
		}
		for _, c := range []byte(text) {
			if c < ' ' || c > '~' {
				t.Fatalf("% X is described as %q", frame, text)
			}
		}
		fif := hdlc.FIF(frame)
		if kind := fcfOf(frame); (kind == PWD || kind == SID) && text != kind.String()+" (not shown)" {
			t.Fatalf("%v is described as %q", kind, text)
		}
		if p, ok := parsePPS(fif); ok && !bytes.Equal(p.fif(fif[0]&xBit), fif[:4]) && p.then != NULL {
			t.Fatalf("% X is read as %+v and written as % X", fif[:4], p, p.fif(fif[0]&xBit))
		}
		id := parseStation(fif)
		if again := parseStation(appendStation(nil, id)); len(id) <= stationLen && again != id {
			t.Fatalf("%q is read back as %q", id, again)
		}
		var asked frameMap
		copy(asked[:], fif)
		var again frameMap
		for i := range len(again) * 8 {
			if asked.has(i) {
				again.set(i)
			}
		}
		if again != asked {
			t.Fatalf("% X asks for %v", fif, &asked)
		}
	})
}
