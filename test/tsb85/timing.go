package main

import (
	"fmt"
	"math/bits"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/faxmesh/faxmesh/modem/dis"
	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/line/linetest"
	"github.com/faxmesh/faxmesh/modem/t30"
)

// rangeText finds the two times in a check like "preamble is 850ms to 1150ms".
var rangeText = regexp.MustCompile(`([\d.]+) ?(m?s) (?:to|and) ([\d.]+) ?(m?s)`)

// timing is when the signals that were heard began and ended.
type timing struct {
	signal time.Duration // when the signal under way began
	last   time.Duration // when the last piece ended
	quiet  time.Duration // when the signal before the one under way ended
}

// heard takes down a piece.
func (t *timing) heard(p linetest.Piece) {
	if p.Start > t.last {
		t.quiet, t.signal = t.last, p.Start
	}
	t.last = p.End
}

// check holds a piece that came against the times in the words of the step's
// checks: the length of its preamble, that of a training check, or the time since
// the signal before.
func (t *timing) check(s step, piece linetest.Piece) error {
	for _, desc := range s.checks {
		low, high, ok := timeRange(desc)
		if !ok {
			continue
		}
		got := t.signal - t.quiet
		switch {
		case strings.Contains(desc, "preamble"):
			if t.signal != piece.Start || piece.Signal.Kind != line.Frames { // it was the first frame that had it
				continue
			}
			got = piece.End - piece.Start - flags(len(piece.Signal.Frames[0])+3)
		case strings.Contains(desc, "TCF is"):
			if piece.Signal.Kind != line.Training {
				continue
			}
			got = time.Duration(len(piece.Signal.Data)) * 8 * time.Second / time.Duration(piece.Signal.Rate.BitsPerSecond())
		case t.quiet == 0: // behind a tone, which is not seen here
			continue
		}
		if got < low || got > high {
			return fmt.Errorf("%s: it was %v", desc, got)
		}
	}
	return nil
}

func timeRange(desc string) (low, high time.Duration, ok bool) {
	m := rangeText.FindStringSubmatch(desc)
	if m == nil {
		return 0, 0, false
	}
	var d [2]time.Duration
	for i := range d {
		n, err := strconv.ParseFloat(m[1+2*i], 64)
		if err != nil {
			return 0, 0, false
		}
		unit := time.Second
		if m[2+2*i] == "ms" {
			unit = time.Millisecond
		}
		d[i] = time.Duration(n * float64(unit))
	}
	return d[0], d[1], true
}

// eolZeros are at least the zeros before the one of an EOL.
const eolZeros = 11

// checkRows looks whether each row of a page without ECM takes the time that DCS
// promises (T.4 clause 4.1.2), and the bits that the script wants.
func checkRows(data []byte, s dis.Session, least int) error {
	rate, _ := s.LineRate()
	least = max(least, rate.BitsPerSecond()*int(s.MinScanTime().Milliseconds())/1000)
	zeros, row, last := 0, 0, -1
	for i := range len(data) * 8 {
		if data[i/8]>>(i%8)&1 == 0 {
			zeros++
			continue
		}
		if zeros >= eolZeros {
			// Between the EOLs of the return to control there is no row.
			if bits := i - last; last >= 0 && bits > eolZeros+2 {
				if row++; bits < least {
					return fmt.Errorf("row %d takes %d bits, the least is %d", row, bits, least)
				}
			}
			last = i
		}
		zeros = 0
	}
	return nil
}

// describe says what a signal is.
func describe(s line.Signal) string {
	short := ""
	if s.Short {
		short = ", short training"
	}
	switch s.Kind {
	case line.Frames:
		if len(s.Frames) == 0 {
			return "flags without a frame"
		}
		return fmt.Sprintf("%s (%s)", t30.Describe(s.Frames[0]), inWireOrder(s.Frames[0]))
	case line.Training:
		return "TCF " + s.Rate.String()
	case line.Page:
		return fmt.Sprintf("a page of %d octets, %v%s", len(s.Data), s.Rate, short)
	}
	return fmt.Sprintf("a block of %d frames, %v%s", len(s.Frames), s.Rate, short)
}

// shownOctets of a frame are printed.
const shownOctets = 12

// inWireOrder prints a frame as the scripts do.
func inWireOrder(frame []byte) string {
	var b strings.Builder
	for i, o := range frame {
		if i > 0 {
			b.WriteByte(' ')
		}
		if i == shownOctets {
			b.WriteString("...")
			break
		}
		fmt.Fprintf(&b, "%02X", bits.Reverse8(o))
	}
	return b.String()
}
