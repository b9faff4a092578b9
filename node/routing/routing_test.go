package routing

import (
	"fmt"
	"slices"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

func TestAccounts(t *testing.T) {
	routes := []fax.Route{
		{Number: "", Accounts: []string{"reception"}},
		{Number: "+49 30 100", Accounts: []string{"records", "archive", "Records"}},
		{Number: "200", Accounts: nil},
		{Number: "300", Accounts: []string{"court"}},
		{Number: "300", Caller: "555-1", Accounts: []string{"judge"}},
		{Caller: "777", Accounts: []string{"partner"}},
	}
	for _, c := range []struct {
		name         string
		routes       []fax.Route
		called, line string
		caller       string
		want         []string
	}{
		{"by the number called", routes, "+4930100", "300", "", []string{"archive", "records"}},
		{"separators do not count", routes, "+49 (30) 100", "", "", []string{"archive", "records"}},
		{"by the line when the called number has no route", routes, "999", "300", "", []string{"court"}},
		{"by the line when nothing was told", routes, "", "300", "", []string{"court"}},
		{"a route without accounts is none", routes, "200", "", "", []string{"reception"}},
		{"to the default", routes, "1", "2", "", []string{"reception"}},
		{"an unknown number is not the default's empty one", routes, "-", "", "", []string{"reception"}},
		{"of one caller to that number", routes, "300", "", "5551", []string{"judge"}},
		{"of that caller to another", routes, "+4930100", "", "5551", []string{"archive", "records"}},
		{"of one caller to any number", routes, "300", "", "777", []string{"partner"}},
		{"a caller who does not say", routes, "300", "", "P", []string{"court"}},
		{"to nobody", routes[1:], "1", "2", "", nil},
	} {
		if got := Accounts(c.routes, Call{c.called, c.line, c.caller}); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestAccountsLimit(t *testing.T) {
	var many []string
	for i := range fax.MaxAssign + 5 {
		many = append(many, fmt.Sprint(i))
	}
	if got := Accounts([]fax.Route{{Accounts: many}}, Call{}); len(got) != fax.MaxAssign {
		t.Errorf("%d accounts, want %d", len(got), fax.MaxAssign)
	}
	if len(many) != fax.MaxAssign+5 || many[0] != "0" || many[10] != "10" {
		t.Error("the route itself was changed")
	}
}
