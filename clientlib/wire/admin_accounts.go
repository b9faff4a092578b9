package wire

import "github.com/faxmesh/faxmesh/clientlib/fax"

// The commands about accounts.
const (
	CmdAddAccount  = "add-account"  // AddAccount; answered by Done
	CmdDropAccount = "drop-account" // ByName; answered by Done
	CmdSetPassword = "set-password" // SetPassword; answered by Done
	CmdSetRights   = "set-rights"   // SetRights; answered by Done
	CmdAccounts    = "accounts"     // Done; answered by AccountList
)

// AddAccount makes a login.
type AddAccount struct {
	Name     string     `msgpack:"n"`
	Password string     `msgpack:"p"`
	Rights   fax.Rights `msgpack:"r"`
}

// Check implements Message.
func (a *AddAccount) Check() error {
	var f fields
	f.text("the password", a.Password, MaxPassword)
	if f.err != nil {
		return f.err
	}
	return fax.CheckName("account", a.Name)
}

// ByName asks for something to be done to an account.
type ByName struct {
	Name string `msgpack:"n"`
}

// Check implements Message.
func (b *ByName) Check() error { return fax.CheckName("account", b.Name) }

// SetPassword changes a password. Old is needed for one's own.
type SetPassword struct {
	Name string `msgpack:"n"`
	Old  string `msgpack:"o,omitempty"`
	New  string `msgpack:"p"`
}

// Check implements Message.
func (s *SetPassword) Check() error {
	var f fields
	f.text("the old password", s.Old, MaxPassword)
	f.text("the new password", s.New, MaxPassword)
	if f.err != nil {
		return f.err
	}
	return fax.CheckName("account", s.Name)
}

// SetRights replaces an account's rights.
type SetRights struct {
	Name   string     `msgpack:"n"`
	Rights fax.Rights `msgpack:"r"`
}

// Check implements Message.
func (s *SetRights) Check() error { return fax.CheckName("account", s.Name) }

// AccountList is a page of accounts.
type AccountList struct {
	Accounts []fax.Account `msgpack:"i"`
}

// Check implements Message.
func (l *AccountList) Check() error {
	var f fields
	for _, a := range l.Accounts {
		f.text("the account", a.Name, fax.MaxName)
	}
	return f.err
}
