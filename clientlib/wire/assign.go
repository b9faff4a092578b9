package wire

import "github.com/faxmesh/faxmesh/clientlib/fax"

// CmdAssign lets further accounts see a received fax; answered by Done.
const CmdAssign = "assign"

// Assign names the fax and the accounts.
type Assign struct {
	ID       string   `msgpack:"id"`
	Accounts []string `msgpack:"a"`
}

// Check implements Message.
func (a *Assign) Check() error {
	var f fields
	f.id("the fax's id", a.ID)
	f.names("the accounts", a.Accounts, fax.MaxAssign)
	if len(a.Accounts) == 0 {
		f.fail("no account is named to assign the fax to")
	}
	return f.err
}
