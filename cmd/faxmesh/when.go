package main

import (
	"strings"
	"time"

	"github.com/faxmesh/faxmesh/cmd/terminal"
)

// farthest is how far ahead a fax may be sent.
const farthest = 366 * 24 * time.Hour

// parseWhen reads the time of --at: 18:00 (the next one), 2006-01-02 18:00,
// RFC 3339, +90m, now, now + 30 minutes.
func parseWhen(text string, now time.Time) (time.Time, error) {
	at, err := parseMoment(text, now)
	if err != nil {
		return time.Time{}, err
	}
	if at.Sub(now) > farthest {
		return time.Time{}, terminal.Usagef("the time %q is more than a year away", text)
	}
	return at, nil
}

func parseMoment(text string, now time.Time) (time.Time, error) {
	words := strings.ToLower(strings.Join(strings.Fields(text), " "))
	if words == "now" {
		return now, nil
	}
	if ahead, ok := strings.CutPrefix(strings.TrimSpace(strings.TrimPrefix(words, "now")), "+"); ok {
		d, err := parseAhead(strings.TrimSpace(ahead))
		if err != nil {
			return time.Time{}, terminal.Usagef("the time %q is not understood; write as +30m or \"now + 2 hours\"", text)
		}
		return now.Add(d), nil
	}
	if clock, err := time.ParseInLocation("15:04", words, now.Location()); err == nil {
		at := time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), 0, 0, now.Location())
		if !at.After(now) {
			at = time.Date(now.Year(), now.Month(), now.Day()+1, clock.Hour(), clock.Minute(), 0, 0, now.Location())
		}
		return at, nil
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04"} {
		if at, err := time.ParseInLocation(layout, strings.ToUpper(words), now.Location()); err == nil {
			return at, nil
		}
	}
	if at, err := time.Parse(time.RFC3339, strings.ToUpper(words)); err == nil {
		return at, nil
	}
	return time.Time{}, terminal.Usagef("the time %q is not understood; write as 18:00, \"2006-01-02 18:00\" or +30m", text)
}

// parseAhead reads 90m, and 30 minutes as at(1) has it.
func parseAhead(text string) (time.Duration, error) {
	count, unit, spaced := strings.Cut(text, " ")
	if spaced {
		short, ok := map[string]string{"second": "s", "minute": "m", "min": "m", "hour": "h"}[strings.TrimSuffix(unit, "s")]
		if !ok {
			return 0, terminal.Usagef("unknown unit %q", unit)
		}
		text = count + short
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, terminal.Usagef("not a duration: %q", text)
	}
	return d, nil
}
