package desk

import (
	"context"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

// Limits of join tokens.
const (
	MaxTokenUses  = 100
	MaxTokenHours = 24 * 30
)

// AddAccount makes an account.
func (d *Desk) AddAccount(ctx context.Context, s fax.Session, name, password string, rights fax.Rights) error {
	a, err := d.administrator(ctx, s)
	if err != nil {
		return err
	}
	if err := fax.CheckName("account", name); err != nil {
		return err
	}
	hash, err := d.hashes.make(ctx, password)
	if err != nil {
		return err
	}
	_, err = d.propose(ctx, ledger.AddAccount{Account: fax.Account{Name: AccountName(name), Rights: rights, Created: now()},
		Hash: hash, By: a.Name, Node: d.cfg.Node})
	return err
}

// DropAccount removes a login. Its faxes and its activity stay.
func (d *Desk) DropAccount(ctx context.Context, s fax.Session, name string) error {
	return d.administer(ctx, s, func(by string, at fax.Millis) ledger.Command {
		return ledger.DropAccount{Name: AccountName(name), By: by, Node: d.cfg.Node, At: at}
	})
}

// SetPassword sets one's own password, which needs the old one, or as an
// administrator another's. Sessions of the account end, the asking one too.
func (d *Desk) SetPassword(ctx context.Context, s fax.Session, name, old, password string) error {
	if _, err := d.freshen(ctx, "password change"); err != nil {
		return err
	}
	a, err := d.who(s, 0)
	if err != nil {
		return err
	}
	name = AccountName(name)
	if fax.Fold(name) == fax.Fold(a.Name) {
		if err := d.checkOld(ctx, a, old); err != nil {
			return err
		}
	} else if !a.Rights.Has(fax.MayAdminister) {
		return fax.Errorf(fax.NotAllowed, "only an administrator may set another account's password")
	}
	hash, err := d.hashes.make(ctx, password)
	if err != nil {
		return err
	}
	_, err = d.propose(ctx, ledger.SetPassword{Name: name, Hash: hash, By: a.Name, Node: d.cfg.Node, At: now()})
	return err
}

// checkOld counts wrong passwords as a login does: a session left open must
// not be a way to guess.
func (d *Desk) checkOld(ctx context.Context, a fax.Account, old string) error {
	key := accountKey(a.Name)
	l := limit{
		wait:  func() time.Duration { return d.wrong.blockedKey(key, time.Now()) },
		wrong: func() { d.wrong.addKey(key, time.Now()) },
	}
	if err := l.check(); err != nil {
		return err
	}
	_, hash, err := d.cfg.Ledger.Account(a.Name)
	if err != nil {
		return err
	}
	right, err := d.hashes.check(ctx, hash, old, l)
	if err != nil {
		return err
	}
	if !right {
		d.note(fax.Activity{At: now(), Who: a.Name, Node: d.cfg.Node, What: "password-refused", Object: a.Name, Detail: "the old password was wrong"})
		return fax.Errorf(fax.NotAllowed, "the old password is wrong")
	}
	return nil
}

// SetRights replaces an account's rights.
func (d *Desk) SetRights(ctx context.Context, s fax.Session, name string, rights fax.Rights) error {
	return d.administer(ctx, s, func(by string, at fax.Millis) ledger.Command {
		return ledger.SetRights{Name: AccountName(name), Rights: rights, By: by, Node: d.cfg.Node, At: at}
	})
}

// Accounts lists all accounts.
func (d *Desk) Accounts(_ context.Context, s fax.Session) ([]fax.Account, error) {
	if _, err := d.who(s, fax.MayAdminister); err != nil {
		return nil, err
	}
	return d.cfg.Ledger.Accounts()
}

// DialRules lists the dial rules.
func (d *Desk) DialRules(_ context.Context, s fax.Session) ([]fax.DialRule, error) {
	if _, err := d.who(s, fax.MayAdminister); err != nil {
		return nil, err
	}
	return d.cfg.Ledger.DialRules()
}

// PutDialRule gives a prefix to a node.
func (d *Desk) PutDialRule(ctx context.Context, s fax.Session, rule fax.DialRule) error {
	return d.administer(ctx, s, func(by string, at fax.Millis) ledger.Command {
		return ledger.PutDialRule{Rule: rule, By: by, Node: d.cfg.Node, At: at}
	})
}

// DropDialRule takes a prefix away from its node.
func (d *Desk) DropDialRule(ctx context.Context, s fax.Session, prefix string) error {
	return d.administer(ctx, s, func(by string, at fax.Millis) ledger.Command {
		return ledger.DropDialRule{Prefix: prefix, By: by, Node: d.cfg.Node, At: at}
	})
}

// Routes lists who gets what is received on which number.
func (d *Desk) Routes(_ context.Context, s fax.Session) ([]fax.Route, error) {
	if _, err := d.who(s, fax.MayAdminister); err != nil {
		return nil, err
	}
	return d.cfg.Ledger.Routes()
}

// PutRoute says who gets what is received on a number; nobody removes the route.
func (d *Desk) PutRoute(ctx context.Context, s fax.Session, route fax.Route) error {
	return d.administer(ctx, s, func(by string, at fax.Millis) ledger.Command {
		return ledger.PutRoute{Route: route, By: by, Node: d.cfg.Node, At: at}
	})
}

// NewToken makes a join token for so many nodes, good for so many hours.
func (d *Desk) NewToken(ctx context.Context, s fax.Session, uses, hours int) (string, error) {
	a, err := d.administrator(ctx, s)
	if err != nil {
		return "", err
	}
	if uses < 1 || uses > MaxTokenUses || hours < 1 || hours > MaxTokenHours {
		return "", fax.Errorf(fax.Invalid, "a join token is good for 1 to %d nodes and 1 to %d hours", MaxTokenUses, MaxTokenHours)
	}
	return d.cfg.Cluster.NewToken(ctx, a.Name, uses, time.Duration(hours)*time.Hour)
}

// administrator is the account of a session, if that is an administrator's now.
func (d *Desk) administrator(ctx context.Context, s fax.Session) (fax.Account, error) {
	if _, err := d.freshen(ctx, "administration"); err != nil {
		return fax.Account{}, err
	}
	return d.who(s, fax.MayAdminister)
}

// administer proposes a command for an administrator.
func (d *Desk) administer(ctx context.Context, s fax.Session, command func(by string, at fax.Millis) ledger.Command) error {
	a, err := d.administrator(ctx, s)
	if err != nil {
		return err
	}
	_, err = d.propose(ctx, command(a.Name, now()))
	return err
}
