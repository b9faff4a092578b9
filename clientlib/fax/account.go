package fax

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Rights is a set of what an account may do.
type Rights uint32

// The rights. Numbers are stored: append, never renumber.
const (
	MaySend        Rights = 1 << iota // submit faxes and see one's own
	MaySeeReceived                    // every received fax, not only those assigned
	MayAssign                         // assign received faxes to accounts
	MaySeeAll                         // every account's faxes
	MayAdminister                     // accounts, rules, nodes
)

// The standing access groups.
const (
	Individual    = MaySend
	Administrator = MaySend | MaySeeReceived | MayAssign | MaySeeAll | MayAdminister
)

// Has reports whether all of want are in r.
func (r Rights) Has(want Rights) bool { return r&want == want }

var rightNames = [...]string{"send", "see-received", "assign", "see-all", "administer"}

// String lists the rights, as "send,assign".
func (r Rights) String() string {
	if r == 0 {
		return "none"
	}
	var names []string
	for i, name := range rightNames {
		if r&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// ParseRights reads what String writes, and the group names individual and
// administrator.
func ParseRights(s string) (Rights, error) {
	var r Rights
	for _, word := range strings.Split(s, ",") {
		switch word = strings.TrimSpace(word); word {
		case "individual":
			r |= Individual
		case "administrator":
			r |= Administrator
		case "none", "":
		default:
			bit, err := rightByName(word)
			if err != nil {
				return 0, err
			}
			r |= bit
		}
	}
	return r, nil
}

func rightByName(word string) (Rights, error) {
	for i, name := range rightNames {
		if word == name {
			return 1 << i, nil
		}
	}
	return 0, Errorf(Invalid, "no right is called %q; rights are %s, groups are individual and administrator", word, strings.Join(rightNames[:], ", "))
}

// Account is a login. The password hash never leaves the ledger.
type Account struct {
	Name    string `msgpack:"n" json:"name"`
	Rights  Rights `msgpack:"r" json:"rights"`
	Visitor bool   `msgpack:"v,omitempty" json:"visitor,omitempty"`
	Created Millis `msgpack:"c" json:"created"`
	// Epoch goes up when the password changes or the account is locked out:
	// session tokens of an older epoch are void.
	Epoch uint64 `msgpack:"e" json:"-"`
}

// CheckName says whether s may name an account, a node or a line: 1 to MaxName
// octets of printable UTF-8 without spaces at the ends, without control
// characters and without the characters that files, addresses and command
// lines give a meaning.
func CheckName(what, s string) error {
	switch {
	case s == "":
		return Errorf(Invalid, "the %s has no name", what)
	case len(s) > MaxName:
		return Errorf(Invalid, "the %s name is %d octets long; at most %d are allowed", what, len(s), MaxName)
	case !utf8.ValidString(s):
		return Errorf(Invalid, "the %s name %q is not UTF-8", what, s)
	case strings.TrimSpace(s) != s:
		return Errorf(Invalid, "the %s name %q begins or ends with a space", what, s)
	}
	for _, r := range s {
		if !unicode.IsPrint(r) || strings.ContainsRune(`/\:;@=[]<>|"'*?%`+"`", r) {
			return Errorf(Invalid, "the %s name %q has the character %q, which names may not have", what, s, r)
		}
	}
	return nil
}

// Fold is the form of an account name that is compared: logins do not care
// about case. Lower case alone would not do: Σ has two small forms, σ and ς.
func Fold(name string) string {
	return strings.Map(func(r rune) rune {
		first := r // of all that differ from r in case only
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			first = min(first, other)
		}
		return unicode.ToLower(first)
	}, name)
}

// CheckNumber says whether s can be dialled: digits with + * # and the usual
// separators, at least one digit.
func CheckNumber(s string) error {
	if len(s) > MaxNumber {
		return Errorf(Invalid, "the number is %d characters long; at most %d are allowed", len(s), MaxNumber)
	}
	digits := 0
	for i, r := range s {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case r == '+' && i == 0, strings.ContainsRune("*#-./() ", r):
		default:
			return Errorf(Invalid, "the number %q has the character %q; a number is made of digits, + * # and - . / ( )", s, r)
		}
	}
	if digits == 0 {
		return Errorf(Invalid, "the number %q has no digits", s)
	}
	return nil
}

// Digits is the number without separators, as rules compare and lines dial it.
func Digits(number string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("-./() ", r) {
			return -1
		}
		return r
	}, number)
}

var _ fmt.Stringer = Rights(0)
