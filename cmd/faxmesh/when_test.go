package main

import (
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/cmd/terminal"
)

func TestParseWhen(t *testing.T) {
	zone := time.FixedZone("CET", 3600)
	now := time.Date(2026, 3, 31, 17, 30, 15, 0, zone)
	for text, want := range map[string]time.Time{
		"now":                  now,
		"18:00":                time.Date(2026, 3, 31, 18, 0, 0, 0, zone),
		"17:30":                time.Date(2026, 4, 1, 17, 30, 0, 0, zone),
		"+90m":                 now.Add(90 * time.Minute),
		"now + 30 minutes":     now.Add(30 * time.Minute),
		"NOW  +  1 hour":       now.Add(time.Hour),
		"2026-04-02 08:15":     time.Date(2026, 4, 2, 8, 15, 0, 0, zone),
		"2026-04-02T08:15":     time.Date(2026, 4, 2, 8, 15, 0, 0, zone),
		"2026-04-02t08:15:00z": time.Date(2026, 4, 2, 8, 15, 0, 0, time.UTC),
	} {
		if got, err := parseWhen(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "soon", "25:00", "+", "+-1h", "now + 3 fortnights", "+9000h", "2030-01-01 00:00", "+9999999999999h"} {
		if got, err := parseWhen(text, now); terminal.Status(err) != terminal.Usage {
			t.Errorf("%q is %v, %v; want a usage error", text, got, err)
		}
	}
}
