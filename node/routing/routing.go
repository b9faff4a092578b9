// Package routing decides for whom a received fax is.
package routing

import (
	"slices"
	"strings"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// Accounts names those who get a fax: the accounts of the route for the number
// that was called (DID), else for the number of the line, else of the route
// without a number. The names are sorted, each once, at most fax.MaxAssign; an
// empty answer leaves the fax in the Received drawer for those who may assign.
func Accounts(routes []fax.Route, called, line string) []string {
	for _, number := range []string{called, line} {
		digits := fax.Digits(number)
		if digits == "" {
			continue
		}
		if accounts, ok := route(routes, digits); ok {
			return accounts
		}
	}
	accounts, _ := route(routes, "")
	return accounts
}

func route(routes []fax.Route, digits string) ([]string, bool) {
	for _, r := range routes {
		if fax.Digits(r.Number) != digits || len(r.Accounts) == 0 {
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
