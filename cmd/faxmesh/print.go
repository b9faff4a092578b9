package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// clean makes text from elsewhere (titles, station identifications, reasons)
// harmless to a terminal: control characters would be obeyed.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// dash stands for nothing in a table.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return clean(s)
}

// say prints a line.
func (a *app) say(format string, args ...any) { fmt.Fprintf(a.Out, format+"\n", args...) }

// json writes one thing as JSON; jsonLine is for the items of a stream.
func (a *app) json(what any) error {
	e := json.NewEncoder(a.Out)
	e.SetIndent("", "  ")
	return e.Encode(what)
}

func (a *app) jsonLine(what any) error { return json.NewEncoder(a.Out).Encode(what) }

// table writes rows under a head; empty says what to print without rows.
func (a *app) table(empty, head string, rows [][]string) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintln(a.Out, empty)
		return err
	}
	w := tabwriter.NewWriter(a.Out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(strings.Fields(head), "\t"))
	for _, row := range rows {
		for i, cell := range row {
			row[i] = dash(cell)
		}
		fmt.Fprintln(w, strings.TrimRight(strings.Join(row, "\t"), "\t "))
	}
	return w.Flush()
}

// moment is a time as people read it, in their own zone.
func moment(m fax.Millis) string {
	if m == 0 {
		return ""
	}
	return m.Time().Local().Format("2006-01-02 15:04:05")
}

// pages is "1 page" or "n pages".
func pages(n int) string {
	if n == 1 {
		return "1 page"
	}
	return fmt.Sprintf("%d pages", n)
}

// octets is a size for people.
func octets(n int64) string {
	switch {
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d octets", n)
}

// clock is the time of day of an event.
func clock(m fax.Millis) string { return m.Time().Local().Format(time.TimeOnly) }
