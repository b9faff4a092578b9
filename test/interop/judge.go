package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/faxmesh/faxmesh/modem/line"
	"github.com/faxmesh/faxmesh/modem/t4"
	"github.com/faxmesh/faxmesh/test/interop/lab"
)

// verdict is what became of a call.
type verdict struct {
	sent     lab.Sent
	received lab.Received
	offHook  time.Duration
	wrong    string // "": it went as it should
	note     string
}

// judge holds the two ends against the document and each other. On a bad line a
// call may fail: but nobody may believe what is not so.
func (v *verdict) judge(r row, want lab.Document) {
	if r.weather.name == "" || r.weather.harmless {
		v.wrong = v.complete(r, want)
	}
	if v.wrong == "" {
		v.wrong = v.untrue(r, want)
	}
	if !v.sent.OK {
		v.note = fmt.Sprintf("%d confirmed, %d arrived; %s | %s", v.sent.Pages, len(v.received.Pages), v.sent.Why, v.received.Why)
	}
}

// complete says what is missing from a call that had to succeed.
func (v *verdict) complete(r row, want lab.Document) string {
	switch {
	case !v.sent.OK:
		return "the sender says that it failed: " + v.sent.Why
	case !v.received.OK:
		return "the receiver says that it failed: " + v.received.Why
	case v.sent.Pages != len(want) || len(v.received.Pages) != len(want):
		return fmt.Sprintf("%d pages: the sender says %d, the receiver has %d", len(want), v.sent.Pages, len(v.received.Pages))
	}
	if r.weather.name != "" {
		return "" // it may have taken a lower rate
	}
	for _, m := range []lab.Mode{v.sent.Mode, v.received.Mode} {
		if m.Rate != line.V21 && m != r.mode {
			return fmt.Sprintf("it went at %v in %s with ECM %v", m.Rate, m.Coding, m.ECM)
		}
	}
	return ""
}

// untrue says what the sender believes and is not so. Without ECM a page may
// have been damaged on a bad line and confirmed all the same.
func (v *verdict) untrue(r row, want lab.Document) string {
	if v.sent.OK && v.sent.Pages != len(want) {
		return fmt.Sprintf("the sender says that all was sent, but that %d of %d pages were", v.sent.Pages, len(want))
	}
	if v.sent.Pages > len(v.received.Pages) {
		return fmt.Sprintf("the sender says that %d pages were confirmed, the receiver has %d", v.sent.Pages, len(v.received.Pages))
	}
	for i := range v.sent.Pages {
		differs := same(r, v.received.Pages[i].Image, want[i].Image)
		if differs == "" {
			continue
		}
		if r.weather.name == "" || r.mode.ECM {
			return fmt.Sprintf("page %d: %s", i+1, differs)
		}
		v.note = fmt.Sprintf("page %d: %s", i+1, differs)
	}
	return ""
}

// same compares a page, by the lights of the program that has sent it.
func same(r row, got, want *t4.Bitmap) string {
	switch {
	case r.from == efax:
		return lab.Same(got, want, lab.EfaxShift, lab.EfaxHeader, want.Height-lab.EfaxLostRows)
	case r.from == hylafax && got.Height == want.Height-lab.HylaLostRows:
		return lab.Same(got, want, 0, 0, got.Height)
	case got.Height > want.Height:
		return fmt.Sprintf("%d rows arrived, want %d", got.Height, want.Height)
	}
	return lab.Same(got, want, 0, 0, want.Height)
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9]+`)

// keepLogs writes down what both ends of a call said.
func (t *table) keepLogs(r row, v verdict) {
	if t.logs == "" {
		return
	}
	name := filepath.Join(t.logs, strings.Trim(notInNames.ReplaceAllString(r.String(), "-"), "-")+".log")
	text := fmt.Sprintf("%s\n%s\n\n== %s\n%s\n\n== %s\n%s\n", r, v.wrong, r.from, v.sent.Log, r.to, v.received.Log)
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
	}
}
