package ledger

import (
	"slices"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// maxHash bounds the PHC string of a password in octets.
const maxHash = 512

// accountRecord is an account as stored.
type accountRecord struct {
	Account fax.Account `msgpack:"a"`
	Hash    string      `msgpack:"h"`
	Born    uint64      `msgpack:"b"` // index of its AddAccount: see owner
}

// owner is whose a fax is: accounts of one name that followed one another are
// told apart by when they were born. The zero value is everybody.
type owner struct {
	Name string `msgpack:"n"` // as the account spells it
	Born uint64 `msgpack:"b"` // 0 of a name that had no account
}

func (r *accountRecord) owner() owner { return owner{r.Account.Name, r.Born} }

func (o owner) is(p owner) bool { return o.Born == p.Born && fax.Fold(o.Name) == fax.Fold(p.Name) }

// owner is who has a name now.
func (d *draft) owner(name string) owner {
	if r := load[accountRecord](d, inAccounts, fax.Fold(name)); r != nil {
		return r.owner()
	}
	return owner{Name: name}
}

func (c AddAccount) apply(d *draft) (*fax.Job, error) {
	a := c.Account
	if err := fax.CheckName("account", a.Name); err != nil {
		return nil, err
	}
	if err := checkHash(c.Hash); err != nil {
		return nil, err
	}
	if d.has(inAccounts, fax.Fold(a.Name)) {
		return nil, fax.Errorf(fax.Exists, "there is an account %q already; choose another name", a.Name)
	}
	// The index as epoch: tokens of an earlier account of this name, whose
	// epoch was some lower index, stay void.
	a.Epoch = d.index
	d.store(inAccounts, fax.Fold(a.Name), accountRecord{a, c.Hash, d.index})
	detail := a.Rights.String()
	if a.Visitor {
		detail += ", visitor"
	}
	d.record(fax.Activity{At: a.Created, Who: who(c.By, c.Node), Node: c.Node, What: "add-account", Object: a.Name, Detail: detail})
	return nil, nil
}

func (c SetPassword) apply(d *draft) (*fax.Job, error) {
	if err := checkHash(c.Hash); err != nil {
		return nil, err
	}
	r, err := d.account(c.Name)
	if err != nil {
		return nil, err
	}
	r.Hash, r.Account.Epoch = c.Hash, d.index
	d.store(inAccounts, fax.Fold(c.Name), *r)
	d.record(fax.Activity{At: c.At, Who: who(c.By, c.Node), Node: c.Node, What: "set-password", Object: r.Account.Name})
	return nil, nil
}

func (c SetRights) apply(d *draft) (*fax.Job, error) {
	r, err := d.account(c.Name)
	if err != nil {
		return nil, err
	}
	if !c.Rights.Has(fax.MayAdminister) && d.lastAdministrator(r.Account) {
		return nil, fax.Errorf(fax.Conflict, "%q is the last administrator and keeps the right to administer; make another administrator first", r.Account.Name)
	}
	if r.Account.Rights == c.Rights {
		return nil, nil
	}
	detail := r.Account.Rights.String() + " -> " + c.Rights.String()
	r.Account.Rights = c.Rights
	d.store(inAccounts, fax.Fold(c.Name), *r)
	d.record(fax.Activity{At: c.At, Who: who(c.By, c.Node), Node: c.Node, What: "set-rights", Object: r.Account.Name, Detail: detail})
	return nil, nil
}

func (c DropAccount) apply(d *draft) (*fax.Job, error) {
	r, err := d.account(c.Name)
	if err != nil {
		return nil, err
	}
	if d.lastAdministrator(r.Account) {
		return nil, fax.Errorf(fax.Conflict, "%q is the last administrator and cannot be removed; make another administrator first", r.Account.Name)
	}
	// A route that still named it would give faxes to the next of that name.
	for _, route := range all[fax.Route](d, inRoutes) {
		d.withoutAccount(route, c.Name)
	}
	d.forget(c.Name)
	d.delete(inAccounts, fax.Fold(c.Name))
	d.record(fax.Activity{At: c.At, Who: who(c.By, c.Node), Node: c.Node, What: "drop-account", Object: r.Account.Name})
	return nil, nil
}

func (d *draft) withoutAccount(route fax.Route, name string) {
	kept := slices.DeleteFunc(slices.Clone(route.Accounts), func(a string) bool { return fax.Fold(a) == fax.Fold(name) })
	switch len(kept) {
	case len(route.Accounts):
	case 0:
		d.delete(inRoutes, routeKey(route))
	default:
		route.Accounts = kept
		d.store(inRoutes, routeKey(route), route)
	}
}

func (d *draft) account(name string) (*accountRecord, error) {
	r := load[accountRecord](d, inAccounts, fax.Fold(name))
	if r == nil {
		return nil, fax.Errorf(fax.NotFound, "there is no account %q", name)
	}
	return r, nil
}

// lastAdministrator reports whether nobody would be left to administer
// without a.
func (d *draft) lastAdministrator(a fax.Account) bool {
	if !a.Rights.Has(fax.MayAdminister) {
		return false
	}
	last := true
	err := each(d.state, inAccounts, "", func(r accountRecord) bool {
		last = r.Account.Name == a.Name || !r.Account.Rights.Has(fax.MayAdminister)
		return last
	})
	if err != nil {
		d.fail(inAccounts, "", err)
	}
	return last
}

// existing are those of the names that are accounts, each once, in the order
// given.
func (d *draft) existing(names []string) (found []owner, missing string) {
	for _, name := range names {
		r := load[accountRecord](d, inAccounts, fax.Fold(name))
		switch {
		case r == nil:
			missing = name
		case !slices.Contains(found, r.owner()):
			found = append(found, r.owner())
		}
	}
	return found, missing
}

func namesOf(owners []owner) (names []string) {
	for _, o := range owners {
		names = append(names, o.Name)
	}
	return names
}

func checkHash(hash string) error {
	if hash == "" || len(hash) > maxHash {
		return fax.Errorf(fax.Invalid, "a password hash has 1 to %d octets; this one has %d", maxHash, len(hash))
	}
	return nil
}
