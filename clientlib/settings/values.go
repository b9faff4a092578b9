package settings

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Setting is one value in force.
type Setting struct {
	Section string `json:"section"`
	Key     string `json:"key"`
	Value   string `json:"value"`
	Origin  string `json:"origin"` // "default", "FILE:LINE", an environment variable, a flag
}

// Layer is a source of settings that outranks those before it.
type Layer []Setting

// Values are the settings in force: each in its one spelling, inside its range.
type Values struct {
	schema *Schema
	set    map[[2]string]Setting
}

// DefaultOrigin is the origin of a value that nobody has set.
const DefaultOrigin = "default"

// EnvPrefix begins the environment variables that are settings:
// NCFX_NETWORK_COPIES is [NETWORK] COPIES.
const EnvPrefix = "NCFX_"

// Layer is the file's entries as a layer.
func (f *File) Layer() Layer {
	var l Layer
	for _, e := range f.Entries() {
		l = append(l, Setting{Section: e.Section, Key: e.Key, Value: e.Value, Origin: f.at(e.Line)})
	}
	return l
}

// EnvLayer picks the settings out of an environment, as os.Environ gives it.
func EnvLayer(environ []string) Layer {
	var l Layer
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		rest, ours := strings.CutPrefix(name, EnvPrefix)
		if !ours {
			continue
		}
		section, key, _ := strings.Cut(rest, "_")
		l = append(l, Setting{Section: strings.ToUpper(section), Key: strings.ToUpper(key), Value: value, Origin: name})
	}
	sort.Slice(l, func(i, j int) bool { return l[i].Origin < l[j].Origin })
	return l
}

// Flag adds a setting given on the command line to a layer.
func (l Layer) Flag(section, key, value, flag string) Layer {
	return append(l, Setting{Section: section, Key: key, Value: value, Origin: "--" + flag})
}

// Resolve lays layers over the defaults, later ones on top. Warnings are keys
// that the schema does not know. The error joins a *Fault for each bad value.
func (s *Schema) Resolve(layers ...Layer) (*Values, []*Fault, error) {
	v := &Values{schema: s, set: map[[2]string]Setting{}}
	for _, k := range s.Keys {
		if !strings.HasSuffix(k.Section, "#") {
			v.set[[2]string{k.Section, k.Name}] = Setting{Section: k.Section, Key: k.Name, Value: k.Default, Origin: DefaultOrigin}
		}
	}
	var warnings []*Fault
	var faults []error
	for _, layer := range layers {
		for _, given := range layer {
			k, known := s.key(given.Section, given.Key)
			if !known {
				warnings = append(warnings, &Fault{Where: given.Origin, Text: fmt.Sprintf("[%s] %s is not a setting of %s; it is ignored", given.Section, given.Key, s.File)})
				continue
			}
			value, err := k.check(given.Value)
			if err != nil {
				faults = append(faults, &Fault{Where: given.Origin, Text: fmt.Sprintf("[%s] %s %v", given.Section, given.Key, err)})
				continue
			}
			section := strings.ToUpper(given.Section)
			v.set[[2]string{section, k.Name}] = Setting{Section: section, Key: k.Name, Value: value, Origin: given.Origin}
		}
	}
	if len(faults) == 0 && s.Check != nil {
		faults = s.Check(v)
	}
	if len(faults) > 0 {
		return nil, warnings, errors.Join(faults...)
	}
	return v, warnings, nil
}

// setting returns the value in force. To ask for a key that is not in the
// table is a mistake in the program.
func (v *Values) setting(section, key string) Setting {
	if s, ok := v.set[[2]string{section, key}]; ok {
		return s
	}
	k, known := v.schema.key(section, key)
	if !known {
		panic(fmt.Sprintf("settings: %s has no [%s] %s", v.schema.File, section, key))
	}
	return Setting{Section: section, Key: key, Value: k.Default, Origin: DefaultOrigin}
}

// Text is a value as it is written.
func (v *Values) Text(section, key string) string { return v.setting(section, key).Value }

// Flag reports whether a Flag is 1.
func (v *Values) Flag(section, key string) bool { return v.Text(section, key) == "1" }

// Int is the value of a Number or Port.
func (v *Values) Int(section, key string) int {
	n, err := strconv.Atoi(v.Text(section, key))
	if err != nil {
		panic(fmt.Sprintf("settings: [%s] %s is not a number", section, key))
	}
	return n
}

// Origin says where a value comes from.
func (v *Values) Origin(section, key string) string { return v.setting(section, key).Origin }

// Numbered lists the sections [STEMn] that are set, by their number.
func (v *Values) Numbered(stem string) []string {
	found := map[string]int{}
	for id := range v.set {
		if n := sectionNumber(stem, id[0]); n > 0 {
			found[id[0]] = n
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b string) int { return found[a] - found[b] })
}

// All lists every setting in force in the order of the table, numbered
// sections each in full.
func (v *Values) All() []Setting {
	var all []Setting
	var stems []string
	for _, k := range v.schema.Keys {
		stem, numbered := strings.CutSuffix(k.Section, "#")
		if !numbered {
			all = append(all, v.setting(k.Section, k.Name))
		} else if !slices.Contains(stems, stem) {
			stems = append(stems, stem)
			for _, section := range v.Numbered(stem) {
				for _, row := range v.schema.Keys {
					if row.Section == k.Section {
						all = append(all, v.setting(section, row.Name))
					}
				}
			}
		}
	}
	return all
}

// fault is a Fault about a value in force.
func (v *Values) fault(section, key, format string, args ...any) error {
	return &Fault{Where: v.Origin(section, key), Text: fmt.Sprintf("[%s] %s ", section, key) + fmt.Sprintf(format, args...)}
}
