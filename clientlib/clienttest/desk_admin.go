package clienttest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/activity"
	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// administratorLocked refuses everybody else.
func (d *Desk) administratorLocked(s fax.Session, command string) error {
	a, err := d.personLocked(s, command)
	if err != nil {
		return err
	}
	if !a.Rights.Has(fax.MayAdminister) {
		return fax.Errorf(fax.NotAllowed, "this needs the right administer")
	}
	return nil
}

// AddAccount makes an account.
func (d *Desk) AddAccount(_ context.Context, s fax.Session, name, password string, rights fax.Rights) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.administratorLocked(s, wire.CmdAddAccount); err != nil {
		return err
	}
	if d.accounts[fax.Fold(name)] != nil {
		return fax.Errorf(fax.Exists, "there is an account %q already", name)
	}
	d.accounts[fax.Fold(name)] = &account{Account: fax.Account{Name: name, Rights: rights}, password: password, acked: map[uint64]int{}}
	return nil
}

// DropAccount removes an account.
func (d *Desk) DropAccount(_ context.Context, s fax.Session, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.administratorLocked(s, wire.CmdDropAccount); err != nil {
		return err
	}
	if d.accounts[fax.Fold(name)] == nil {
		return fax.Errorf(fax.NotFound, "there is no account %q", name)
	}
	delete(d.accounts, fax.Fold(name))
	return nil
}

// SetPassword changes a password.
func (d *Desk) SetPassword(_ context.Context, s fax.Session, name, old, password string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	own, err := d.personLocked(s, wire.CmdSetPassword)
	if err != nil {
		return err
	}
	a := d.accounts[fax.Fold(name)]
	switch {
	case a == own && a.password != old:
		return fax.Errorf(fax.BadLogin, "the old password is wrong")
	case a != own && !own.Rights.Has(fax.MayAdminister):
		return fax.Errorf(fax.NotAllowed, "another's password needs the right administer")
	case a == nil:
		return fax.Errorf(fax.NotFound, "there is no account %q", name)
	}
	a.password = password
	return nil
}

// SetRights changes an account's rights.
func (d *Desk) SetRights(_ context.Context, s fax.Session, name string, rights fax.Rights) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.administratorLocked(s, wire.CmdSetRights); err != nil {
		return err
	}
	a := d.accounts[fax.Fold(name)]
	if a == nil {
		return fax.Errorf(fax.NotFound, "there is no account %q", name)
	}
	a.Rights = rights
	return nil
}

// Accounts lists the accounts by name.
func (d *Desk) Accounts(_ context.Context, s fax.Session) ([]fax.Account, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.administratorLocked(s, wire.CmdAccounts); err != nil {
		return nil, err
	}
	var list []fax.Account
	for _, a := range d.accounts {
		list = append(list, a.Account)
	}
	slices.SortFunc(list, func(a, b fax.Account) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return list, nil
}

// DialRules lists the rules.
func (d *Desk) DialRules(_ context.Context, s fax.Session) ([]fax.DialRule, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.administratorLocked(s, wire.CmdDialRules)
	return slices.Clone(d.rules), err
}

// PutDialRule adds or replaces a rule.
func (d *Desk) PutDialRule(_ context.Context, s fax.Session, rule fax.DialRule) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.administratorLocked(s, wire.CmdPutDialRule); err != nil {
		return err
	}
	d.rules = slices.DeleteFunc(d.rules, func(r fax.DialRule) bool { return r.Prefix == rule.Prefix })
	d.rules = append(d.rules, rule)
	return nil
}

// DropDialRule removes a rule.
func (d *Desk) DropDialRule(_ context.Context, s fax.Session, prefix string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.administratorLocked(s, wire.CmdDropDialRule); err != nil {
		return err
	}
	before := len(d.rules)
	d.rules = slices.DeleteFunc(d.rules, func(r fax.DialRule) bool { return r.Prefix == prefix })
	if len(d.rules) == before {
		return fax.Errorf(fax.NotFound, "there is no rule for %q", prefix)
	}
	return nil
}

// Routes lists the routes.
func (d *Desk) Routes(_ context.Context, s fax.Session) ([]fax.Route, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.administratorLocked(s, wire.CmdRoutes)
	return slices.Clone(d.routes), err
}

// PutRoute adds, replaces or removes a route.
func (d *Desk) PutRoute(_ context.Context, s fax.Session, route fax.Route) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.administratorLocked(s, wire.CmdPutRoute); err != nil {
		return err
	}
	d.routes = slices.DeleteFunc(d.routes, func(r fax.Route) bool { return r.Number == route.Number && r.Caller == route.Caller })
	if len(route.Accounts) > 0 {
		d.routes = append(d.routes, route)
	}
	return nil
}

// NewToken makes a token that opens nothing.
func (d *Desk) NewToken(_ context.Context, s fax.Session, uses, hours int) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.administratorLocked(s, wire.CmdNewToken); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s-%d-%d", d.idLocked("join"), uses, hours), nil
}

// PutActivity puts an act on the activity record.
func (d *Desk) PutActivity(who, what, object string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.noteLocked(who, d.first, what, object, "")
}

// Activity lists the activity record. Of the filter it knows the numbers, the
// account and the limit.
func (d *Desk) Activity(_ context.Context, s fax.Session, f fax.ActivityFilter) (entries []fax.Activity, more uint64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.administratorLocked(s, wire.CmdActivity); err != nil {
		return nil, 0, err
	}
	for _, a := range d.activity {
		if a.Seq > f.After && (f.Before == 0 || a.Seq < f.Before) && (f.Account == "" || a.Who == f.Account) {
			entries = append(entries, a)
		}
	}
	if f.Newest {
		slices.Reverse(entries)
	}
	if f.Limit > 0 && len(entries) > f.Limit {
		entries = entries[:f.Limit]
		more = entries[f.Limit-1].Seq
	}
	return entries, more, nil
}

// ActivityHead signs for the entries after a number, as the first server.
func (d *Desk) ActivityHead(_ context.Context, s fax.Session, after uint64) (fax.ActivityHead, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.administratorLocked(s, wire.CmdActivityHead); err != nil {
		return fax.ActivityHead{}, err
	}
	last := uint64(len(d.activity))
	if after >= last {
		return fax.ActivityHead{}, fax.Errorf(fax.NotFound, "there is nothing after entry %d", after)
	}
	head := fax.ActivityHead{Cluster: "test", Node: d.first, Made: fax.At(time.Now()), First: after + 1, Last: last,
		Before: activity.Start, End: d.activity[last-1].Chain}
	if after > 0 {
		head.Before = d.activity[after-1].Chain
	}
	return activity.Sign(head, d.signer)
}
