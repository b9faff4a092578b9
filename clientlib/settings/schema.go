package settings

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kind says what the value of a key may be.
type Kind int

// The kinds of values.
const (
	Text     Kind = iota // Low to High octets; High 0 is MaxLine
	Flag                 // 0 or 1
	Number               // a whole number from Low to High
	Port                 // a port from Low (at least 1) to 65535
	Address              // an IP address or host name without a port; empty is every address
	HostPort             // host:port; empty is none
	Word                 // one of Words, in any case
)

// Key is a row of the table of known keys. A Section that ends in # stands for
// [NAME1], [NAME2] and so on.
type Key struct {
	Section, Name string
	Kind          Kind
	Default       string
	Low, High     int
	Words         []string // in the spelling that Values return
	Help          string   // one sentence
}

// Schema is what a settings file may hold.
type Schema struct {
	File string // name of the file
	Keys []Key
	// Check looks at values together, after each has been looked at alone.
	Check func(*Values) []error
}

// MaxNumbered is the highest n in a numbered section [NAMEn].
const MaxNumbered = 999

// key finds the row for an entry.
func (s *Schema) key(section, name string) (Key, bool) {
	for _, k := range s.Keys {
		if strings.EqualFold(k.Name, name) && k.takes(section) {
			return k, true
		}
	}
	return Key{}, false
}

// takes reports whether the key may be in this section.
func (k Key) takes(section string) bool {
	stem, numbered := strings.CutSuffix(k.Section, "#")
	if !numbered {
		return strings.EqualFold(k.Section, section)
	}
	return sectionNumber(stem, section) > 0
}

// sectionNumber is the n of a section [STEMn] written without leading zeros,
// 0 if it is none.
func sectionNumber(stem, section string) int {
	if len(section) <= len(stem) || !strings.EqualFold(section[:len(stem)], stem) {
		return 0
	}
	digits := section[len(stem):]
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > MaxNumbered || strconv.Itoa(n) != digits {
		return 0
	}
	return n
}

// check returns the value in its one spelling, or a sentence about it.
func (k Key) check(value string) (string, error) {
	switch k.Kind {
	case Flag:
		if value != "0" && value != "1" {
			return "", fmt.Errorf("must be 0 (off) or 1 (on), not %q", clip(value))
		}
	case Number, Port:
		low, high := k.span()
		n, err := strconv.Atoi(value)
		if err != nil || n < low || n > high {
			return "", fmt.Errorf("must be a number from %d to %d, not %q", low, high, clip(value))
		}
		return strconv.Itoa(n), nil
	case Address:
		return value, checkAddress(value)
	case HostPort:
		return value, checkHostPort(value)
	case Word:
		for _, word := range k.Words {
			if strings.EqualFold(word, value) {
				return word, nil
			}
		}
		return "", fmt.Errorf("must be %s, not %q", strings.Join(k.Words, " or "), clip(value))
	case Text:
		low, high := k.span()
		if n := len(value); n < low || n > high || !utf8.ValidString(value) {
			return "", fmt.Errorf("must have %d to %d characters of UTF-8, not %d", low, high, n)
		}
	}
	return value, nil
}

// span is the range of a number, port or length.
func (k Key) span() (low, high int) {
	low, high = k.Low, k.High
	switch {
	case k.Kind == Port:
		return max(low, 1), 65535
	case k.Kind == Text && high == 0:
		return low, MaxLine
	}
	return low, high
}

func checkAddress(value string) error {
	if value == "" {
		return nil
	}
	if _, err := netip.ParseAddr(value); err == nil {
		return nil
	}
	return checkHost(value)
}

// checkHost takes host names as RFC 1123 section 2.1 has them, and the
// underscore that some networks use.
func checkHost(value string) error {
	bad := fmt.Errorf("must be an IP address or a host name, not %q", clip(value))
	if len(value) > 253 {
		return bad
	}
	for _, label := range strings.Split(value, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return bad
		}
		for _, r := range label {
			if r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
				return bad
			}
		}
	}
	return nil
}

func checkHostPort(value string) error {
	if value == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(value)
	if err != nil || host == "" || checkAddress(host) != nil {
		return fmt.Errorf("must be HOST:PORT, not %q", clip(value))
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("must be HOST:PORT with a port from 1 to 65535, not %q", clip(value))
	}
	return nil
}
