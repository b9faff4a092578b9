package settings

import (
	"fmt"
	"slices"
	"strings"
)

// Template writes a new file: every key of the table under its help, those of
// set with their value, the others as a comment with their default. Keys of a
// numbered section that set does not have are shown once, as [NAME1].
func (s *Schema) Template(set Layer) (*File, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "; %s: no spaces around the =, comments start with a semicolon.\n", s.File)
	for _, section := range s.sections(set) {
		given := slices.ContainsFunc(set, func(v Setting) bool { return v.Section == section })
		head := "[" + section + "]"
		if strings.HasSuffix(section, "1") && !given {
			head = ";" + head
		}
		b.WriteString("\n" + head + "\n")
		for _, k := range s.Keys {
			if !k.takes(section) {
				continue
			}
			fmt.Fprintf(&b, "; %s\n", k.Help)
			i := slices.IndexFunc(set, func(v Setting) bool { return v.Section == section && v.Key == k.Name })
			if i >= 0 {
				fmt.Fprintf(&b, "%s=%s\n", k.Name, set[i].Value)
			} else {
				fmt.Fprintf(&b, ";%s=%s\n", k.Name, k.Default)
			}
		}
	}
	return Parse(s.File, []byte(b.String()))
}

// sections lists the sections of a new file in the order of the table.
func (s *Schema) sections(set Layer) []string {
	var all []string
	add := func(section string) {
		if !slices.Contains(all, section) {
			all = append(all, section)
		}
	}
	for _, k := range s.Keys {
		stem, numbered := strings.CutSuffix(k.Section, "#")
		if !numbered {
			add(k.Section)
			continue
		}
		given := false
		for _, v := range set {
			if sectionNumber(stem, v.Section) > 0 {
				add(v.Section)
				given = true
			}
		}
		if !given {
			add(stem + "1")
		}
	}
	return all
}
