package t30

import (
	"fmt"
	"strings"
	"time"

	"github.com/faxmesh/faxmesh/modem/hdlc"
	"github.com/faxmesh/faxmesh/modem/line"
)

// transcript is the dialogue as text: one line for each frame, image signal or
// decision, with line time and direction: ">" said, "<" heard, "=" decided.
// What was said has the time at which it was ordered, what was heard the time
// at which it had ended.
type transcript struct {
	b    strings.Builder
	full bool
}

func (t *transcript) String() string { return t.b.String() }

func (t *transcript) add(now time.Duration, mark, text string) {
	if t.full {
		return
	}
	if t.b.Len() > maxTranscript {
		t.full = true
		mark, text = "=", "transcript cut here"
	}
	fmt.Fprintf(&t.b, "%9.3f %s %s\n", now.Seconds(), mark, text)
}

func (t *transcript) said(now time.Duration, s line.Signal) {
	switch s.Kind {
	case line.Frames:
		for _, f := range s.Frames {
			t.add(now, ">", Describe(f))
		}
	case line.Training:
		t.add(now, ">", "TCF "+s.Rate.String())
	case line.Page:
		t.add(now, ">", fmt.Sprintf("page of %d octets, %v%s", len(s.Data), s.Rate, shortly(s.Short)))
	case line.Block:
		t.add(now, ">", fmt.Sprintf("block of %d frames, %v%s", facsimile(s.Frames), s.Rate, shortly(s.Short)))
	}
}

func (t *transcript) heard(now time.Duration, frame []byte) {
	text := Describe(frame)
	if !hdlc.Final(frame) {
		text += " +"
	}
	t.add(now, "<", text)
}

func (t *transcript) image(now time.Duration, l line.Listen, h line.Heard) {
	switch l.Want {
	case line.Training:
		t.add(now, "<", fmt.Sprintf("TCF %v, %d octets", l.Rate, len(h.Data)))
	case line.Block:
		t.add(now, "<", fmt.Sprintf("block of %d good frames, %v%s", facsimile(h.Frames), l.Rate, shortly(l.Short)))
	default:
		t.add(now, "<", fmt.Sprintf("page of %d octets, %v%s", len(h.Data), l.Rate, shortly(l.Short)))
	}
}

func (t *transcript) note(now time.Duration, text string) { t.add(now, "<", text) }

func (t *transcript) decide(now time.Duration, format string, args ...any) {
	t.add(now, "=", fmt.Sprintf(format, args...))
}

// facsimile counts the frames that carry a page.
func facsimile(frames [][]byte) (n int) {
	for _, f := range frames {
		if fcfOf(f) == FCD {
			n++
		}
	}
	return n
}

func shortly(short bool) string {
	if short {
		return " short"
	}
	return ""
}
