package main

import (
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/faxmesh/faxmesh/modem/line"
)

// Limits of scripts.
const (
	maxScripts = 16 << 20 // octets of a file
	maxNumber  = 1 << 20  // in any attribute: octets, milliseconds, flags
	maxMinBits = 100_000  // of a row: seven seconds at 14400 bit/s
	maxNesting = 4        // of repetitions
)

// test is one call script.
type test struct {
	name  string
	steps []step
	err   error // what in it is not understood
}

// scripts is what a file holds.
type scripts struct {
	tests  []test
	images string // directory of the images, as the file names it; may be empty
}

// step is one thing that the tester (T) does or expects of the device under
// test (R), or a repetition of such steps.
type step struct {
	dir, kind string
	attr      map[string]string
	checks    []string // what the step is for, in words
	line      int      // in its file

	repeat   []step // steps to repeat instead
	min, max int    // how often; max 0: no limit
}

// reader goes through a file of scripts.
type reader struct {
	*xml.Decoder
	err error // what is not understood in the script under way
}

// readScripts reads a file of the grammar fax-tests. What is not understood
// outside of scripts is an error; inside, it is an error of the script's.
func readScripts(r io.Reader) (scripts, error) {
	d := &reader{Decoder: xml.NewDecoder(io.LimitReader(r, maxScripts))}
	var out scripts
	var open []string
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, fmt.Errorf("read scripts: %w", err)
		}
		switch e := tok.(type) {
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.StartElement:
			parent := ""
			if n := len(open); n > 0 {
				parent = open[n-1]
			}
			if err := understood(e, parent); err != nil {
				return out, fmt.Errorf("read scripts: line %d: %w", d.line(), err)
			}
			switch a := attributes(e); e.Name.Local {
			case "test":
				t, err := d.test(a["name"])
				if err != nil {
					return out, err
				}
				out.tests = append(out.tests, t)
				continue
			case "path":
				if a["type"] != "IMAGE" {
					return out, fmt.Errorf("read scripts: line %d: path %q is unknown", d.line(), a["type"])
				}
				out.images = a["value"]
			}
			open = append(open, e.Name.Local)
		}
	}
}

func (d *reader) line() int {
	n, _ := d.InputPos()
	return n
}

// test reads the script whose element has begun.
func (d *reader) test(name string) (test, error) {
	d.err = nil
	steps, err := d.steps("test", 0)
	if err != nil {
		return test{}, fmt.Errorf("read script %s: %w", name, err)
	}
	return test{name: name, steps: steps, err: d.err}, nil
}

// steps reads the content of a test or repeat element.
func (d *reader) steps(parent string, depth int) ([]step, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("line %d: repetitions inside of each other, more than %d deep", d.line(), maxNesting)
	}
	var steps []step
	inside := []string{parent}
	for {
		tok, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch e := tok.(type) {
		case xml.EndElement:
			if inside = inside[:len(inside)-1]; len(inside) == 0 {
				return steps, nil
			}
		case xml.StartElement:
			at := d.line()
			if err := understood(e, inside[len(inside)-1]); err != nil && d.err == nil {
				d.err = fmt.Errorf("line %d: %w", at, err)
			}
			a := attributes(e)
			switch e.Name.Local {
			case "repeat":
				s, err := d.repetition(a, depth)
				if err != nil {
					return nil, err
				}
				steps = append(steps, s)
				continue
			case "step":
				steps = append(steps, step{dir: a["dir"], kind: a["type"], attr: a, line: at})
			case "check":
				if n := len(steps); n > 0 && a["desc"] != "" {
					steps[n-1].checks = append(steps[n-1].checks, a["desc"])
				}
			}
			if inside = append(inside, e.Name.Local); len(inside) > maxNesting {
				return nil, fmt.Errorf("line %d: elements inside of each other, more than %d deep", at, maxNesting)
			}
		}
	}
}

// repetition reads a repeat element that has begun.
func (d *reader) repetition(a map[string]string, depth int) (s step, err error) {
	s = step{kind: "REPEAT", attr: a, line: d.line()}
	if s.min, err = optional(a, "min"); err == nil {
		s.max, err = optional(a, "max")
	}
	if err != nil {
		return s, fmt.Errorf("line %d: %w", s.line, err)
	}
	s.repeat, err = d.steps("repeat", depth+1)
	return s, err
}

func attributes(e xml.StartElement) map[string]string {
	m := make(map[string]string, len(e.Attr))
	for _, a := range e.Attr {
		m[a.Name.Local] = a.Value
	}
	return m
}

// optional is the number in an attribute, 0 if there is none.
func optional(a map[string]string, key string) (int, error) {
	v, ok := a[key]
	if !ok {
		return 0, nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(v))
	most := maxNumber
	if key == "min_bits" {
		most = maxMinBits
	}
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("%s=%q: write a number from 0 to %d", key, v, most)
	}
	return n, nil
}

// String names the step as a deviation does.
func (s step) String() string {
	parts := []string{s.dir, s.kind, s.attr["tag"]}
	for _, key := range []string{"modem", "value"} {
		if v := s.attr[key]; v != "" && (key == "modem" || len(v) < 40) && v != "V.21" {
			parts = append(parts, v)
		}
	}
	text := strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
	if len(s.checks) > 0 {
		text += " (" + s.checks[0] + ")"
	}
	return text
}

func (s step) number(key string) (int, error) { return optional(s.attr, key) }

func (s step) milliseconds(key string) (d time.Duration, given bool, err error) {
	n, err := s.number(key)
	_, given = s.attr[key]
	return time.Duration(n) * time.Millisecond, given, err
}

// numbers is a list of numbers, as the rows to spoil.
func (s step) numbers(key string) (map[int]bool, error) {
	m := map[int]bool{}
	for _, f := range strings.FieldsFunc(s.attr[key], func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) }) {
		n, err := strconv.Atoi(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is not a number", key, f)
		}
		m[n] = true
	}
	return m, nil
}

// octets reads a frame, as "FF C8 01 ...", into DTE order; open is true if more
// may follow.
func octets(value string) (b []byte, open bool, err error) {
	text, open := strings.CutSuffix(strings.TrimSpace(value), "...")
	b, err = hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, false, fmt.Errorf("frame %q: write octets in hexadecimal", value)
	}
	for i := range b {
		b[i] = bits.Reverse8(b[i])
	}
	return b, open, nil
}

var modems = map[string]line.Rate{
	"V.21": line.V21, "V.27ter/2400": line.V27ter2400, "V.27ter/4800": line.V27ter4800,
	"V.29/7200": line.V29x7200, "V.29/9600": line.V29x9600,
	"V.17/7200": line.V17x7200, "V.17/9600": line.V17x9600,
	"V.17/12000": line.V17x12000, "V.17/14400": line.V17x14400,
}

func (s step) rate() (line.Rate, error) {
	r, ok := modems[s.attr["modem"]]
	if !ok {
		return 0, fmt.Errorf("modem %q is unknown", s.attr["modem"])
	}
	return r, nil
}
