package main

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
)

// elements are those of the grammar fax-tests: where each may stand, and what
// attributes it may have. Those of a step depend on what it does.
var elements = map[string]struct{ inside, attributes []string }{
	"fax-tests":  {[]string{""}, nil},
	"config":     {[]string{"fax-tests"}, nil},
	"path":       {[]string{"config"}, []string{"type", "value"}},
	"messages":   {[]string{"fax-tests"}, nil},
	"message":    {[]string{"messages"}, []string{"type", "value"}},
	"test-group": {[]string{"fax-tests"}, []string{"name"}},
	"test":       {[]string{"test-group", "fax-tests"}, []string{"name"}},
	"repeat":     {[]string{"test", "repeat"}, []string{"min", "max"}},
	"step":       {[]string{"test", "repeat"}, nil},
	"check":      {[]string{"step"}, []string{"name", "desc", "cond"}},
}

// deeds are the attributes that mean something to a step, by its direction and
// type. Any step may have a tag, for people.
var deeds = map[string][]string{
	"CALL":        {"value"},
	"ANSWER":      {"value"},
	"WAIT":        {"value"},
	"STATUS":      {"value"},
	"T SET":       {"value"},
	"T CNG":       {"value"},
	"T CED":       {"value"},
	"T SILENCE":   {"value"},
	"T PREAMBLE":  {"modem", "value"},
	"T POSTAMBLE": {"modem", "value"},
	"T HDLC":      {"modem", "value", "crc_error"},
	"T TCF":       {"modem", "value", "pattern"},
	"T MSG":       {"modem", "value", "bad_rows", "min_bits", "compression"},
	"T PP":        {"modem", "value", "block", "frame_size", "crc_error", "min_bits", "compression"},
	"T CLEAR":     {},
	"R SET":       {"value"},
	"R CNG":       {"timein", "timeout"}, // tones are not looked at here
	"R CED":       {"timein", "timeout"},
	"R SILENCE":   {"timeout"},
	"R PREAMBLE":  {"modem", "timeout"}, // they come with the frames
	"R POSTAMBLE": {"modem"},
	"R HDLC":      {"modem", "value", "xxx", "timein", "timeout"},
	"R TCF":       {"modem", "timein", "timeout"},
	"R MSG":       {"modem", "value", "min_bits", "compression", "timein", "timeout"},
	"R PP":        {"modem", "value", "block", "frame_size", "compression", "timein", "timeout"},
	"R CLEAR":     {"timein", "timeout"},
}

// understood looks whether an element of the parent is one of the grammar, with
// attributes that mean something there.
func understood(e xml.StartElement, parent string) error {
	name := e.Name.Local
	known, ok := elements[name]
	switch {
	case !ok:
		return fmt.Errorf("element %q is unknown", name)
	case !slices.Contains(known.inside, parent):
		return fmt.Errorf("element %q stands in %q", name, parent)
	}
	a := attributes(e)
	allowed := known.attributes
	if name == "step" {
		deed := strings.TrimSpace(a["dir"] + " " + a["type"])
		if allowed, ok = deeds[deed]; !ok {
			if allowed, ok = deeds[a["type"]]; !ok { // the direction means nothing
				return fmt.Errorf("step type %q is unknown", deed)
			}
		}
		allowed = append([]string{"dir", "type", "tag"}, allowed...)
	}
	for _, at := range e.Attr {
		if !slices.Contains(allowed, at.Name.Local) {
			return fmt.Errorf("attribute %s=%q means nothing in a %s %s", at.Name.Local, at.Value, name, a["type"])
		}
	}
	return nil
}
