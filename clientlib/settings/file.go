package settings

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits on a settings file.
const (
	MaxFile  = 1 << 20 // octets
	MaxLine  = 4096    // octets of a line, without its end
	MaxName  = 64      // octets of a section or key
	MaxFault = 20      // faults listed before reading gives up
)

// Fault is something wrong at one place of a settings file.
type Fault struct {
	Where string // as "NCFXSERVER.DAT:12" or "NCFX_NETWORK_COPIES"
	Text  string
}

func (f *Fault) Error() string { return f.Where + ": " + f.Text }

// Entry is one KEY=value.
type Entry struct {
	Section string // in capitals
	Key     string // in capitals
	Value   string // as written
	Line    int    // from 1; 0 if it is from no file
}

// line is one line of a file. The text is kept as it was read, with its own
// line end; an entry knows itself.
type line struct {
	text    string
	end     string // "\n", "\r\n", or "" at the end of a file
	section string // set on [SECTION] lines
	entry   *Entry // set on KEY=value lines
}

// File is a settings file, line by line.
type File struct {
	Name  string // for messages
	bom   bool
	lines []line
}

const byteOrderMark = "\ufeff"

// Parse reads a settings file; name stands in its messages. The error joins
// one *Fault for each thing wrong, at most MaxFault of them.
func Parse(name string, data []byte) (*File, error) {
	f := &File{Name: name}
	if len(data) > MaxFile {
		return nil, &Fault{Where: name, Text: fmt.Sprintf("the file is %d octets long; at most %d are allowed", len(data), MaxFile)}
	}
	data, f.bom = bytes.CutPrefix(data, []byte(byteOrderMark))
	p := parser{file: f, sections: map[string]int{}, keys: map[[2]string]int{}}
	for len(data) > 0 {
		text, rest, found := bytes.Cut(data, []byte("\n"))
		l := line{text: string(text)}
		if found {
			l.end = "\n"
			if cut, ok := strings.CutSuffix(l.text, "\r"); ok {
				l.text, l.end = cut, "\r\n"
			}
		}
		if err := p.add(l); err != nil {
			p.faults = append(p.faults, &Fault{Where: f.at(len(f.lines) + 1), Text: err.Error()})
			f.lines = append(f.lines, l)
			if len(p.faults) == MaxFault {
				break
			}
		}
		data = rest
	}
	if len(p.faults) > 0 {
		return nil, errors.Join(p.faults...)
	}
	return f, nil
}

// at names a line of the file.
func (f *File) at(number int) string { return fmt.Sprintf("%s:%d", f.Name, number) }

// parser is the state between lines.
type parser struct {
	file     *File
	section  string
	sections map[string]int    // line on which each began
	keys     map[[2]string]int // line on which each was set
	faults   []error
}

func (p *parser) add(l line) error {
	number := len(p.file.lines) + 1
	if err := checkText(l.text); err != nil {
		return err
	}
	bare := strings.TrimSpace(l.text)
	switch {
	case bare == "", bare[0] == ';':
	case bare[0] == '[':
		name, err := sectionName(l.text)
		if err != nil {
			return err
		}
		// Entries that follow belong to this section even if it is here twice:
		// one fault, not one for each of them.
		p.section = name
		if first, twice := p.sections[name]; twice {
			return fmt.Errorf("the section [%s] is here twice; it began on line %d", name, first)
		}
		p.sections[name] = number
		l.section = name
	default:
		e, err := p.entry(l.text, number)
		if err != nil {
			return err
		}
		l.entry = e
	}
	p.file.lines = append(p.file.lines, l)
	return nil
}

func (p *parser) entry(text string, number int) (*Entry, error) {
	key, value, found := strings.Cut(text, "=")
	switch {
	case !found:
		return nil, fmt.Errorf("%q is neither [SECTION] nor KEY=value nor a comment; comments start with ;", clip(text))
	case strings.TrimSpace(key) != key, strings.TrimSpace(value) != value:
		return nil, fmt.Errorf("%q has spaces around the = or at an end; write KEY=value without them", clip(text))
	case p.section == "":
		return nil, fmt.Errorf("%q comes before the first [SECTION]", clip(text))
	}
	key, err := checkWord("key", key)
	if err != nil {
		return nil, err
	}
	id := [2]string{p.section, key}
	if first, twice := p.keys[id]; twice {
		return nil, fmt.Errorf("%s is here twice in [%s]; it was set on line %d", key, p.section, first)
	}
	p.keys[id] = number
	return &Entry{Section: p.section, Key: key, Value: value, Line: number}, nil
}

func sectionName(text string) (string, error) {
	inner, opened := strings.CutPrefix(text, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	if !opened || !closed {
		return "", fmt.Errorf("%q is not a section; write [SECTION] alone on the line", clip(text))
	}
	return checkWord("section", inner)
}

// checkWord returns the name of a section or key in capitals.
func checkWord(what, s string) (string, error) {
	if s == "" || len(s) > MaxName {
		return "", fmt.Errorf("a %s name has 1 to %d characters, not %d", what, MaxName, len(s))
	}
	for _, r := range s {
		if r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return "", fmt.Errorf("the %s name %q has the character %q; names are letters, digits and _", what, s, r)
		}
	}
	return strings.ToUpper(s), nil
}

// checkText refuses what no line may hold.
func checkText(s string) error {
	if len(s) > MaxLine {
		return fmt.Errorf("the line is %d octets long; at most %d are allowed", len(s), MaxLine)
	}
	if !utf8.ValidString(s) {
		return errors.New("the line is not UTF-8; save the file in that encoding (older files are often Windows-1252)")
	}
	for _, r := range s {
		if r != '\t' && unicode.IsControl(r) {
			return fmt.Errorf("the line has the control character %q", r)
		}
	}
	return nil
}

// clip keeps messages short.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	cut := most
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
