// Package routing decides for whom a received fax is.
package routing

import (
	"slices"
	"strings"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Call is what the line has told of a call; "" is what it has not.
type Call struct {
	Called string // number that was called (DID)
	Line   string // number of the line
	Caller string
}

// Accounts names those who get a fax: the accounts of the route for the number
// that was called, else for the number of the line, else of the route without
// a number; in this order first by the routes of the caller, then by those of
// all callers. The names are sorted, each once, at most fax.MaxAssign; an empty
// answer leaves the fax in the Received drawer for those who may assign.
func Accounts(routes []fax.Route, c Call) []string {
	numbers := slices.DeleteFunc([]string{fax.Digits(c.Called), fax.Digits(c.Line)}, func(n string) bool { return n == "" })
	callers := slices.DeleteFunc([]string{fax.Digits(c.Caller)}, func(n string) bool { return n == "" })
	for _, caller := range append(callers, "") {
		for _, number := range append(slices.Clone(numbers), "") {
			if accounts, ok := route(routes, number, caller); ok {
				return accounts
			}
		}
	}
	return nil
}

func route(routes []fax.Route, number, caller string) ([]string, bool) {
	for _, r := range routes {
		if fax.Digits(r.Number) != number || fax.Digits(r.Caller) != caller || len(r.Accounts) == 0 {
			continue
		}
		return distinct(r.Accounts), true
	}
	return nil, false
}

// distinct compares as logins do, without regard to case.
func distinct(names []string) []string {
	names = slices.SortedFunc(slices.Values(names), func(a, b string) int {
		return strings.Compare(fax.Fold(a), fax.Fold(b))
	})
	names = slices.CompactFunc(names, func(a, b string) bool { return fax.Fold(a) == fax.Fold(b) })
	return names[:min(len(names), fax.MaxAssign)]
}
