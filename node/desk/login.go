package desk

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/presence"
	"golang.org/x/text/unicode/norm"
)

// errWrong is the same for an unknown name and a wrong password.
var errWrong = fax.Errorf(fax.BadLogin, "the name or the password is wrong")

// Login opens a session by password, or again by the token of an earlier one.
// Wrong passwords are answered ever later, by account and by address.
func (d *Desk) Login(ctx context.Context, l fax.Login) (fax.Session, error) {
	if l.Token != "" {
		return d.again(ctx, l)
	}
	if err := fax.CheckName("account", l.Account); err != nil {
		return fax.Session{}, err
	}
	l.Account = AccountName(l.Account)
	if err := d.limit(l).check(); err != nil {
		return fax.Session{}, err
	}
	how, err := d.freshen(ctx, "password")
	if err != nil {
		return fax.Session{}, err
	}
	a, err := d.authenticate(ctx, l)
	if err != nil {
		return fax.Session{}, err
	}
	return d.open(a, NewID(time.Now()), l, how)
}

// limit is that of wrong passwords for an account and from an address.
func (d *Desk) limit(l fax.Login) limit {
	return limit{
		wait: func() time.Duration {
			wait := d.wrong.blocked(l.Account, l.Remote.Addr(), time.Now())
			if wait > 0 {
				d.cfg.Log.Warn("login refused: too many wrong passwords", "account", l.Account, "peer", l.Remote, "for", wait)
			}
			return wait
		},
		wrong: func() { d.wrong.add(l.Account, l.Remote.Addr(), time.Now()) },
	}
}

// freshen has the ledger show all that is agreed on: a password or a right that
// was taken away at another server a moment ago must not hold here. Cut off, a
// server goes by what it knows, and how somebody got in says so on record.
func (d *Desk) freshen(ctx context.Context, how string) (string, error) {
	err := d.cfg.Cluster.Fresh(ctx)
	switch {
	case err == nil:
		return how, nil
	case ctx.Err() != nil:
		return how, ctx.Err()
	}
	d.cfg.Log.Warn("accounts and rights may have changed at other servers", "by", how, "err", err)
	return how + ", as this server alone knows the account", nil
}

// AccountName is a name as accounts have it: the same characters composed in
// another way, as some keyboards do, are the same name.
func AccountName(name string) string { return norm.NFC.String(name) }

// authenticate checks the password.
func (d *Desk) authenticate(ctx context.Context, l fax.Login) (fax.Account, error) {
	a, hash, err := d.cfg.Ledger.Account(l.Account)
	if err != nil && fax.KindOf(err) != fax.NotFound { // then hash is empty, and checked like any other
		return a, err
	}
	right, err := d.hashes.check(ctx, hash, l.Password, d.limit(l))
	if err != nil {
		return a, err
	}
	if !right {
		d.refused(l, "wrong name or password")
		return a, errWrong
	}
	d.wrong.right(l.Account)
	return a, nil
}

// again opens a session by token: at this node, whichever node it was opened
// at first.
func (d *Desk) again(ctx context.Context, l fax.Login) (fax.Session, error) {
	t, err := parseToken(d.cfg.SessionKey, l.Token)
	if err != nil {
		d.refused(l, "a token that this cluster has not signed")
		return fax.Session{}, errVoid
	}
	l.Account = t.Account
	how, err := d.freshen(ctx, "token of "+t.Home)
	if err != nil {
		return fax.Session{}, err
	}
	over, err := d.over(t.Session)
	if err != nil {
		return fax.Session{}, err
	}
	if over {
		d.refused(l, "the session has been logged out")
		return fax.Session{}, errVoid
	}
	a, _, err := d.cfg.Ledger.Account(t.Account)
	switch {
	case fax.KindOf(err) == fax.NotFound && err != nil, err == nil && a.Epoch != t.Epoch:
		d.refused(l, "the account or its password has changed since")
		return fax.Session{}, errVoid
	case err != nil:
		return fax.Session{}, err
	case t.Expires <= now():
		d.refused(l, "the token has expired")
		return fax.Session{}, errVoid
	}
	return d.open(a, t.Session, l, how)
}

func (d *Desk) refused(l fax.Login, why string) {
	d.cfg.Log.Warn("login refused", "account", l.Account, "peer", l.Remote, "why", why)
	d.note(fax.Activity{At: now(), Who: l.Account, Node: d.cfg.Node, What: "login-refused",
		Detail: fmt.Sprintf("from %s: %s", l.Remote, why)})
}

func (d *Desk) open(a fax.Account, id string, l fax.Login, how string) (fax.Session, error) {
	at := time.Now()
	t := token{Account: fax.Fold(a.Name), Session: id, Epoch: a.Epoch, Expires: fax.At(at.Add(TokenLife)), Home: d.cfg.Node}
	signed, err := t.sign(d.cfg.SessionKey)
	if err != nil {
		return fax.Session{}, err
	}
	nodes, err := d.cfg.Ledger.Nodes()
	if err != nil {
		return fax.Session{}, err
	}
	last, err := d.cfg.Ledger.LastEvent(a.Name)
	if err != nil {
		return fax.Session{}, err
	}
	newest, err := d.cfg.Ledger.LastTentative(a.Name)
	if err != nil {
		return fax.Session{}, err
	}
	p := presence.Session{ID: id, Account: a.Name, Node: d.cfg.Node, Since: fax.At(at), Epoch: a.Epoch}
	callback := "none"
	if l.Callback != nil {
		// The address is the one the node sees, never one that a client names.
		p.Addr = netip.AddrPortFrom(l.Remote.Addr().Unmap(), l.Callback.Port)
		p.Fingerprint = l.Callback.Fingerprint
		callback = p.Addr.String()
	}
	if err := d.cfg.Cluster.PutSession(p); err != nil {
		return fax.Session{}, err
	}
	d.here.expect(id)
	d.cfg.Log.Info("logged in", "account", a.Name, "session", id, "peer", l.Remote, "by", how, "callback", callback, "client", l.Client)
	d.note(fax.Activity{At: p.Since, Who: a.Name, Node: d.cfg.Node, What: "login",
		Detail: fmt.Sprintf("from %s with %.64q by %s", l.Remote, l.Client, how)})
	return fax.Session{ID: id, Account: a.Name, Rights: a.Rights, Home: d.cfg.Node, Token: signed,
		Secret: Secret(d.cfg.SessionKey, id), Expires: t.Expires, Last: last, Newest: newest, Nodes: nodes, Cluster: d.cfg.ClusterID}, nil
}

// Attach makes the client's own connection the way of last resort for events.
// When the connection is gone the session stays known for SessionGrace, so that
// a client that comes again, here or elsewhere, has missed nothing.
func (d *Desk) Attach(s fax.Session, push func([]fax.Event) error) (detach func()) {
	d.here.come(s.ID)
	undo := d.cfg.Notifier.Attach(s.ID, s.Account, s.Last, func(events []fax.Event) error {
		if _, err := d.who(s, 0); err != nil { // it may have ended at another node
			return err
		}
		return push(events)
	})
	return func() {
		undo()
		d.here.leave(s.ID)
	}
}

// Await returns when this node's ledger has the account's events up to number
// seen, so that a client which another node has told of a fax finds it here, in
// lists, too; or after Staleness.
func (d *Desk) Await(ctx context.Context, s fax.Session, seen uint64) {
	d.await(ctx, func() bool {
		last, err := d.cfg.Ledger.LastEvent(s.Account)
		return err != nil || last >= seen
	})
}

// Ack takes the client's word that it has events, by whatever way.
func (d *Desk) Ack(_ context.Context, s fax.Session, seqs []uint64) error {
	if _, err := d.who(s, 0); err != nil {
		return err
	}
	d.cfg.Notifier.Ack(s.ID, seqs)
	return nil
}

// Events is the account's events after a number, the oldest first.
func (d *Desk) Events(_ context.Context, s fax.Session, after uint64, limit int) ([]fax.Event, error) {
	a, err := d.who(s, 0)
	if err != nil {
		return nil, err
	}
	return d.cfg.Ledger.Events(a.Name, after, limit)
}

// absent ends the presence of a session that has neither logged out nor come
// again.
func (d *Desk) absent(id string) {
	d.cfg.Cluster.DropSession(id)
	d.uploads.drop(id)
	d.cfg.Log.Info("session ended without logout", "session", id)
}
