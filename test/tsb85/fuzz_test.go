package main

import (
	"strings"
	"testing"
)

// Scripts are written by others: whatever a file holds, it is read or refused.
func FuzzReadScripts(f *testing.F) {
	f.Add(`<fax-tests><test-group><test name="X">` + paged + confirmed + left + `</test></test-group></fax-tests>`)
	f.Add(`<fax-tests><test><repeat min="1" max="2"><step dir="R" type="HDLC" value="FF ..."/></repeat></test></fax-tests>`)
	f.Fuzz(func(t *testing.T, text string) {
		all, err := readScripts(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, test := range all.tests {
			for _, s := range test.steps {
				if s.min > maxNumber || s.max > maxNumber {
					t.Errorf("repetitions %d to %d", s.min, s.max)
				}
				if b, _, err := octets(s.attr["value"]); err == nil && len(b) > len(text) {
					t.Errorf("%d octets of %d", len(b), len(text))
				}
				_ = s.String()
				for _, c := range s.checks {
					timeRange(c)
				}
			}
		}
	})
}
