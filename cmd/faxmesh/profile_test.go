package main

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/settings"
)

func TestSessionIsForThePersonAlone(t *testing.T) {
	p := profile{filepath.Join(t.TempDir(), "deep", "profile")}
	now := time.Now()
	if _, err := p.session(now); fax.KindOf(err) != fax.BadLogin {
		t.Errorf("without a session: %v", err)
	}
	want := login{Account: "anna", Token: "t", Expires: fax.At(now.Add(time.Hour)), Server: "a:1", Nodes: []string{"a:1", "b:1"}, Fingerprint: "ff", Cluster: "c"}
	if err := p.saveSession(want); err != nil {
		t.Fatal(err)
	}
	if got, err := p.session(now); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("remembered %+v, %v", got, err)
	}
	if _, err := p.session(now.Add(2 * time.Hour)); fax.KindOf(err) != fax.BadLogin {
		t.Errorf("run out: %v", err)
	}
	for path, mode := range map[string]os.FileMode{p.dir: 0o700, p.path(sessionFile): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s has mode %v, %v", path, info.Mode(), err)
		}
	}
	if err := p.dropSession(); err != nil || p.loggedIn() {
		t.Errorf("dropped: %v", err)
	}
	if err := p.dropSession(); err != nil {
		t.Errorf("dropping nothing: %v", err)
	}
}

func TestSessionIsRenewed(t *testing.T) {
	p := profile{t.TempDir()}
	if err := p.renew(fax.Session{Account: "anna", Token: "t"}); err != nil || p.loggedIn() {
		t.Errorf("renewing nothing: %v, logged in %v", err, p.loggedIn())
	}
	if err := p.saveSession(login{Account: "anna", Token: "old", Server: "a:1", Seen: 7}); err != nil {
		t.Fatal(err)
	}
	for _, change := range []func() error{
		func() error { return p.saw("anna", 9) },
		func() error { return p.saw("anna", 3) },
		func() error { return p.saw("bert", 99) },
		func() error {
			return p.renew(fax.Session{Account: "anna", Token: "new", Cluster: "c", Nodes: []fax.Node{{ClientAddr: "b:1"}, {}}})
		},
		func() error { return p.renew(fax.Session{Account: "bert", Token: "his"}) },
		func() error {
			return p.renew(fax.Session{Account: "anna", Cluster: "c", Nodes: []fax.Node{{ClientAddr: "b:1"}}})
		},
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
	}
	want := login{Account: "anna", Token: "new", Server: "a:1", Nodes: []string{"b:1"}, Cluster: "c", Seen: 9}
	if got, err := p.session(time.Now()); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("remembered %+v, %v; want %+v", got, err, want)
	}
	if got := want.addresses(); !reflect.DeepEqual(got, []string{"a:1", "b:1"}) {
		t.Errorf("goes to %v", got)
	}
}

func TestPinsAreNotReplaced(t *testing.T) {
	p := profile{t.TempDir()}
	for _, pin := range []struct{ fingerprint, server string }{{"aa", "one:1"}, {"bb", "two:1"}, {"cc", "one:1"}} {
		if err := p.pin(pin.fingerprint, pin.server); err != nil {
			t.Fatal(err)
		}
	}
	for server, want := range map[string]string{"one:1": "aa", "two:1": "bb", "three:1": ""} {
		if got, err := p.fingerprint(server); err != nil || got != want {
			t.Errorf("%s is pinned to %q, %v; want %q", server, got, err, want)
		}
	}
}

func TestRememberedPassword(t *testing.T) {
	p := profile{t.TempDir()}
	if err := p.savePassword("Anna", "a:1", "secret"); err != nil {
		t.Fatal(err)
	}
	for who, want := range map[[2]string]string{{"anna", "a:1"}: "secret", {"anna", "b:1"}: "", {"bert", "a:1"}: ""} {
		if got, err := p.password(who[0], who[1]); err != nil || got != want {
			t.Errorf("%v: %q, %v", who, got, err)
		}
	}
	if err := p.dropPassword(); err != nil {
		t.Fatal(err)
	}
	if got, _ := p.password("anna", "a:1"); got != "" {
		t.Error("a dropped password is still there")
	}
}

func TestAim(t *testing.T) {
	plain := settings.Client{Server: ":7488"}
	configured := settings.Client{Server: "fax.example:7500", UseSystemLogin: true}
	me, err := systemLogin()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		where           string
		settings        settings.Client
		account, server string
	}{
		{"anna@host", plain, "anna", "host:7488"},
		{"anna@host:9", plain, "anna", "host:9"},
		{"anna@::1", plain, "anna", "[::1]:7488"},
		{"anna@[::1]:9", plain, "anna", "[::1]:9"},
		{"anna@[::1]", configured, "anna", "[::1]:7500"},
		{"anna@", configured, "anna", "fax.example:7500"},
		{"host", configured, me, "host:7500"},
		{"", configured, me, "fax.example:7500"},
		{"host", plain, "", ""},
		{"", plain, "", ""},
		{"anna@", plain, "", ""},
		{"a:b@host", plain, "", ""},
	} {
		var l loggingIn
		err := l.aim(c.where, c.settings)
		if (err != nil) != (c.account == "") {
			t.Errorf("%q: %v", c.where, err)
		}
		if err == nil && (l.account != c.account || l.server != c.server) {
			t.Errorf("%q is %s at %s, want %s at %s", c.where, l.account, l.server, c.account, c.server)
		}
	}
}

func TestCleanTakesTheTeethOut(t *testing.T) {
	if got := clean("a\x1b[31mb\r\nc\u202eд 世"); got != "a?[31mb??c?д 世" {
		t.Errorf("%q", got)
	}
}
