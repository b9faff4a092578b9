package desk

import (
	"context"
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

// TestFreshLogin: what was changed at another server before somebody asks here
// decides, though this one has not heard of it yet.
func TestFreshLogin(t *testing.T) {
	const none = fax.Kind(0)
	newHash, err := HashPassword("another horse")
	if err != nil {
		t.Fatal(err)
	}
	for why, c := range map[string]struct {
		changed  func(fax.Session) ledger.Command
		password string
		want     fax.Kind
		token    fax.Kind // by the token of before
	}{
		"nothing": {func(fax.Session) ledger.Command { return nil }, password, none, none},
		"the password, and the old one is tried": {func(fax.Session) ledger.Command {
			return ledger.SetPassword{Name: "clerk", Hash: newHash, By: "admin", Node: "south", At: now()}
		}, password, fax.BadLogin, fax.BadLogin},
		"the password": {func(fax.Session) ledger.Command {
			return ledger.SetPassword{Name: "clerk", Hash: newHash, By: "admin", Node: "south", At: now()}
		}, "another horse", none, fax.BadLogin},
		"the account is gone": {func(fax.Session) ledger.Command {
			return ledger.DropAccount{Name: "clerk", By: "admin", Node: "south", At: now()}
		}, password, fax.BadLogin, fax.BadLogin},
		"the session is over": {func(s fax.Session) ledger.Command {
			return ledger.EndSession{ID: s.ID, Account: "clerk", Expires: s.Expires, Node: "south", At: now()}
		}, password, none, fax.BadLogin},
	} {
		t.Run(why, func(t *testing.T) {
			d, w := setUp(t)
			s := login(t, d, "clerk")
			if changed := c.changed(s); changed != nil {
				w.behind = []ledger.Command{changed}
			}
			for _, try := range []struct {
				login fax.Login
				want  fax.Kind
			}{{fax.Login{Token: s.Token, Remote: from}, c.token}, {fax.Login{Account: "clerk", Password: c.password, Remote: from}, c.want}} {
				_, err := d.Login(t.Context(), try.login)
				if got := fax.KindOf(err); (err == nil) != (try.want == none) || err != nil && got != try.want {
					t.Errorf("token %v: %v, want %v", try.login.Token != "", err, try.want)
				}
			}
		})
	}
}

// TestFreshRights: an administrator who is none any more changes nothing.
func TestFreshRights(t *testing.T) {
	d, w := setUp(t)
	w.must(ledger.SetRights{Name: "other", Rights: fax.Administrator, By: "admin", Node: "north", At: now()})
	s := login(t, d, "other")
	for why, do := range map[string]func(context.Context) error{
		"rights":  func(ctx context.Context) error { return d.SetRights(ctx, s, "clerk", fax.Administrator) },
		"account": func(ctx context.Context) error { return d.AddAccount(ctx, s, "new", password, fax.Individual) },
		"token":   func(ctx context.Context) error { _, err := d.NewToken(ctx, s, 1, 1); return err },
		"password": func(ctx context.Context) error {
			return d.SetPassword(ctx, s, "clerk", "", "a new password")
		},
	} {
		w.must(ledger.SetRights{Name: "other", Rights: fax.Administrator, By: "admin", Node: "north", At: now()})
		w.behind = []ledger.Command{ledger.SetRights{Name: "other", Rights: fax.Individual, By: "admin", Node: "south", At: now()}}
		if err := do(t.Context()); fax.KindOf(err) != fax.NotAllowed {
			t.Errorf("%s: %v", why, err)
		}
	}
}

// TestLoginAlone: a server that is cut off lets in whom it knows, and says so.
func TestLoginAlone(t *testing.T) {
	d, w := setUp(t)
	w.down = true
	s := login(t, d, "clerk")
	if _, err := d.Login(t.Context(), fax.Login{Token: s.Token, Remote: from}); err != nil {
		t.Error(err)
	}
	if _, err := d.Login(t.Context(), fax.Login{Account: "clerk", Password: "wrong", Remote: from}); fax.KindOf(err) != fax.BadLogin {
		t.Error(err)
	}
	said := 0
	for _, c := range w.kept {
		if n, ok := c.(ledger.Note); ok && n.Activity.What == "login" && strings.HasSuffix(n.Activity.Detail, "as this server alone knows the account") {
			said++
		}
	}
	if said != 2 {
		t.Errorf("%d of 2 logins on record say that they were made alone: %+v", said, w.kept)
	}
}
