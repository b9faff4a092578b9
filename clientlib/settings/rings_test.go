package settings

import (
	"maps"
	"strings"
	"testing"
)

func TestRings(t *testing.T) {
	for text, want := range map[string]map[string]string{
		"":                              nil,
		"B:5550102":                     {"B": "5550102"},
		" b : 555-0102 , 3:+45 5550103": {"B": "555-0102", "3": "+45 5550103"},
	} {
		if got, err := parseRings(text); err != nil || !maps.Equal(got, want) {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
	for text, says := range map[string]string{
		"B": "RING:NUMBER", "BC:1": "RING:NUMBER", ":1": "RING:NUMBER", "B:1,": "RING:NUMBER", "!:1": "RING:NUMBER",
		"B:1,b:2": "twice", "B:x": "bad number", "B:": "bad number",
	} {
		if got, err := parseRings(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	const text = "[LINE1]\nDEVICE=/dev/ttyS9\nRINGS=%\n"
	v, _, err := ServerSchema.Resolve(parse(t, strings.Replace(text, "%", "B:5550102", 1)).Layer())
	if err != nil || v.Server().Lines[0].Rings["B"] != "5550102" {
		t.Errorf("%v", err)
	}
	if _, _, err := ServerSchema.Resolve(parse(t, strings.Replace(text, "%", "B=5550102", 1)).Layer()); err == nil || !strings.Contains(err.Error(), "RINGS") {
		t.Errorf("a bad one: %v", err)
	}
}
