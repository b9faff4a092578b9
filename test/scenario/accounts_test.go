//go:build linux

package scenario

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/wire"
)

// badNames may name nothing. What makes them bad is one thing each.
var badNames = []string{
	"", "a\x00b", "a\x1b[2Jb", "a\nb", `quo"te`, "sing'le", "../../etc/passwd", `C:\Windows`, "a\u202eb", "a\u200fb", "a\u200db",
	" before", "behind ", "a@b", "[NETWORK]", "a;b", "50%s", "`id`", strings.Repeat("a", fax.MaxName+1), strings.Repeat("ä", 1500),
}

// oddNames: what is no name is refused at the login and when an account is
// made, and does not reach the log as it is; what differs from another name
// only in case, or in how it is composed, is the same name.
func oddNames(t *testing.T, n *node, admin *clientlib.Client) {
	t.Parallel()
	from := loopback(t, "strangers")
	inside := known(t, from, n.clients)
	for _, name := range badNames {
		outside := meetClient(t, from, n.clients)
		_, err := outside.logsIn(t, wire.Login{Account: name, Password: adminPassword})
		kindOf(t, "login as "+name, err, fax.Invalid, "name")
		_ = outside.Close()
		inside.asks(t, wire.CmdAddAccount, &wire.AddAccount{Name: name, Password: "a good password", Rights: fax.Individual})
		kindOf(t, "account "+name, inside.refused(t), fax.Invalid, "name")
	}
	outside := meetClient(t, from, n.clients)
	outside.sends(t, []byte("\x82\xa1c\xa5login\xa1b\x82\xa1a\xa2\xff\xfe\xa1p\xa8password"))
	kindOf(t, "login as no UTF-8", outside.refused(t), fax.Invalid, "text that is not UTF-8")
	for _, raw := range []string{"\x1b", "\x00", "\u202e"} {
		if strings.Contains(n.proc.said.String(), raw) {
			t.Errorf("%q has come into the log as it is", raw)
		}
	}

	ctx, cancel := asking(t)
	defer cancel()
	for made, also := range map[string]string{"réception 👩": "RÉCEPTION 👩", "Straße 7": "STRAßE 7", "Οδυσσεύς": "ΟΔΥΣΣΕΎΣ", "Zoë": "Zoe\u0308"} {
		if err := admin.AddAccount(ctx, made, "a good password", fax.Individual); err != nil {
			t.Errorf("account %s: %v", made, err)
			continue
		}
		kindOf(t, "account "+also, admin.AddAccount(ctx, also, "another password", fax.Individual), fax.Exists, "choose another name")
		s, err := meetClient(t, from, n.clients).logsIn(t, wire.Login{Account: also, Password: "a good password"})
		if err != nil || s.Account != made {
			t.Errorf("login as %s: session of %q, %v", also, s.Account, err)
		}
	}
}

// wrongPasswords: they are answered ever later, for the account and for the
// address, but nobody is locked out for good.
func wrongPasswords(t *testing.T, n *node, admin *clientlib.Client) {
	t.Parallel()
	const password = "the right one"
	ctx, cancel := asking(t)
	defer cancel()
	for _, name := range []string{"victim", "neighbour"} {
		if err := admin.AddAccount(ctx, name, password, fax.Individual); err != nil {
			t.Fatal(err)
		}
	}
	kindOf(t, "an account without a password", admin.AddAccount(ctx, "open", "", fax.Individual), fax.Invalid, "less than 8 characters")

	guesser, other, elsewhere := loopback(t, "guesser"), loopback(t, "other"), loopback(t, "elsewhere")
	guess(t, n, guesser, 9, 5, func(int) wire.Login { return wire.Login{Account: "victim", Password: "wrong"} })
	_, err := tryLogin(t, n, guesser, wire.Login{Account: "victim", Password: password})
	kindOf(t, "the right password after wrong ones", err, fax.Busy, "too many wrong passwords; try again in ")
	if _, err := tryLogin(t, n, guesser, wire.Login{Account: "neighbour", Password: password}); err != nil {
		t.Errorf("the guesser's neighbour cannot log in: %v", err)
	}

	// Whoever tries names has his address blocked, not theirs.
	guess(t, n, other, 24, 20, func(i int) wire.Login {
		return wire.Login{Account: "nobody " + string(rune('a'+i)), Password: []string{"", password}[i%2]}
	})
	_, err = tryLogin(t, n, other, wire.Login{Account: "neighbour", Password: password})
	kindOf(t, "the right password from a blocked address", err, fax.Busy, "too many wrong passwords; try again in ")
	if _, err := tryLogin(t, n, elsewhere, wire.Login{Account: "neighbour", Password: password}); err != nil {
		t.Errorf("from another address: %v", err)
	}

	for name, from := range map[string]string{"victim": guesser, "neighbour": other} {
		until(t, name+" can log in again from "+from, 30*time.Second, func() bool {
			_, err := tryLogin(t, n, from, wire.Login{Account: name, Password: password})
			return err == nil
		})
	}
}

func tryLogin(t *testing.T, n *node, from string, q wire.Login) (fax.Session, error) {
	t.Helper()
	s := meetClient(t, from, n.clients)
	defer s.Close()
	return s.logsIn(t, q)
}

// guess makes so many logins at once that must all be wrong. The free ones are
// tried, and those that are looked at when a block begins; while it lasts no
// other is. When it is over one more makes the next twice as long.
func guess(t *testing.T, n *node, from string, times, free int, login func(i int) wire.Login) {
	t.Helper()
	const (
		firstBlock = time.Second
		hashing    = 2 // passwords that a node looks at at a time
	)
	errs := make([]error, times)
	strangers := make([]*stranger, times)
	for i := range strangers {
		strangers[i] = meetClient(t, from, n.clients)
	}
	var guesses sync.WaitGroup
	begun := time.Now()
	for i, s := range strangers {
		guesses.Go(func() {
			_, errs[i] = s.logsIn(t, login(i))
			_ = s.Close() // the node would log that he stays
		})
	}
	guesses.Wait()
	inTime := time.Since(begun) < firstBlock // nobody can have waited until a block was over
	tried := 0
	for _, err := range errs {
		if wasTried(t, err) {
			tried++
		}
	}
	if tried <= free || inTime && tried > free+hashing {
		t.Errorf("%d of %d wrong passwords were tried at once; %d are free", tried, times, free)
	}
	until(t, "a guesser may try again", 30*time.Second, func() bool {
		_, err := tryLogin(t, n, from, login(0))
		return wasTried(t, err)
	})
}

// wasTried tells a wrong password from one too many.
func wasTried(t *testing.T, err error) bool {
	t.Helper()
	if fax.KindOf(err) == fax.Busy {
		kindOf(t, "one password too many", err, fax.Busy, "too many wrong passwords; try again in ")
		return false
	}
	kindOf(t, "a wrong password", err, fax.BadLogin, "the name or the password is wrong")
	return true
}

// forgedTokens: a session is opened again by its token alone, whole and as the
// cluster has signed it, and not after the password has changed.
func forgedTokens(t *testing.T, n *node, admin *clientlib.Client) {
	t.Parallel()
	const password = "the right one"
	ctx, cancel := asking(t)
	defer cancel()
	if err := admin.AddAccount(ctx, "traveller", password, fax.Individual); err != nil {
		t.Fatal(err)
	}
	from := loopback(t, "strangers")
	session, err := tryLogin(t, n, from, wire.Login{Account: "traveller", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	good := session.Token
	payload, mac, _ := strings.Cut(good, ".")
	for what, token := range map[string]string{
		"no dot":           payload,
		"no payload":       "." + mac,
		"no signature":     payload + ".",
		"cut":              good[:len(good)-1],
		"cut in half":      good[:len(good)/2],
		"changed":          swapped(payload) + "." + mac,
		"changed after":    payload + "." + swapped(mac),
		"longer":           good + "A",
		"of another key":   payload + "." + signed("session\x00"+payload),
		"an administrator": forged(t, payload, "traveller", "admin") + "." + mac,
		"long":             strings.Repeat("a", wire.MaxToken),
		"spaces":           " " + good,
	} {
		_, err := tryLogin(t, n, from, wire.Login{Token: token})
		kindOf(t, "a token: "+what, err, fax.BadLogin, "the session is not valid any more; log in again")
	}
	_, err = tryLogin(t, n, from, wire.Login{Token: strings.Repeat("a", wire.MaxToken+1)})
	kindOf(t, "a token over the limit", err, fax.Invalid, "the token is 2049 octets long")
	again, err := tryLogin(t, n, loopback(t, "elsewhere"), wire.Login{Token: good})
	if err != nil || again.Account != "traveller" || again.ID != session.ID {
		t.Errorf("the good token after all that: session %q of %q, %v", again.ID, again.Account, err)
	}

	open := n.login(t, "traveller", password)
	if err := admin.SetPassword(ctx, "traveller", "", "a new password"); err != nil {
		t.Fatal(err)
	}
	_, err = tryLogin(t, n, from, wire.Login{Token: good})
	kindOf(t, "the token after the password has changed", err, fax.BadLogin, "log in again")
	_, err = open.Jobs(context.WithoutCancel(ctx), fax.JobFilter{})
	kindOf(t, "an open session after the password has changed", err, fax.BadLogin, "log in again")
}

// swapped is s with one character in its middle changed.
func swapped(s string) string {
	b := []byte(s)
	if b[len(b)/2]++; b[len(b)/2] > 'z' || b[len(b)/2] == ':' || b[len(b)/2] == '[' || b[len(b)/2] == '`' {
		b[len(b)/2] = 'A'
	}
	return string(b)
}

func signed(text string) string {
	m := hmac.New(sha256.New, make([]byte, 32))
	m.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// forged is a payload that says another name.
func forged(t *testing.T, payload, from, to string) string {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil || !strings.Contains(string(text), from) {
		t.Fatalf("the token does not name the account: %q, %v", text, err)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(text), from, to, 1)))
}
