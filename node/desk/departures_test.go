package desk

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/cluster/ledger"
)

// good reports whether a session is good for requests and its token for a
// login, which have to agree.
func good(t *testing.T, d *Desk, s fax.Session) bool {
	t.Helper()
	_, request := d.Jobs(t.Context(), s, fax.JobFilter{})
	_, login := d.Login(t.Context(), fax.Login{Token: s.Token, Remote: from})
	for _, err := range []error{request, login} {
		if err != nil {
			wants(t, "at "+d.cfg.Node, err, fax.BadLogin)
		}
	}
	if (request == nil) != (login == nil) {
		t.Errorf("at %s a request gives %v, a login %v", d.cfg.Node, request, login)
	}
	return request == nil
}

func (p *departures) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiting)
}

// TestLogoutIsForGood: whatever token a session had, at whatever node.
func TestLogoutIsForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		north, w := setUp(t)
		south := w.desk("south")
		first, other := login(t, north, "clerk"), login(t, north, "clerk")
		time.Sleep(TokenLife / 2)
		again, err := south.Login(t.Context(), fax.Login{Token: first.Token, Remote: from})
		if err != nil || again.ID != first.ID || again.Token == first.Token {
			t.Fatalf("at the second node: %+v, %v", again, err)
		}
		defer north.Attach(first, func([]fax.Event) error { return nil })()
		push := w.push
		if err := push(nil); err != nil || !good(t, north, first) {
			t.Fatalf("before the logout: %v", err)
		}
		began := time.Now()
		if err := south.Logout(t.Context(), again); err != nil || time.Since(began) != 0 {
			t.Fatalf("logout: %v after %v", err, time.Since(began))
		}
		for _, d := range []*Desk{north, south} {
			if good(t, d, first) || good(t, d, again) {
				t.Errorf("the session is good at %s", d.cfg.Node)
			}
			if !good(t, d, other) {
				t.Errorf("another session of the account has ended at %s", d.cfg.Node)
			}
			wants(t, "logout again", d.Logout(t.Context(), first), fax.BadLogin)
		}
		wants(t, "push to an old connection", push(nil), fax.BadLogin)
		// A restarted node has it from the ledger.
		if good(t, w.desk("north"), again) {
			t.Error("the session is good after a restart")
		}
		w.must(ledger.EndSession{ID: "later", Account: "other", Node: "north", At: fax.At(time.Now().Add(TokenLife)), Expires: fax.At(time.Now().Add(endedLife))})
		if good(t, north, again) {
			t.Error("the session is good again while a token of it could be")
		}
	})
}

// TestLogoutOnAnIsland: the session ends here at once, elsewhere when there is
// a majority again.
func TestLogoutOnAnIsland(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		north, w := setUp(t)
		south := w.desk("south")
		s := login(t, north, "clerk")
		synctest.Wait() // the login is on record
		w.cut(true)
		at := time.Now()
		if err := north.Logout(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(at); took != LogoutWait {
			t.Errorf("the client waited %v, want %v", took, LogoutWait)
		}
		if good(t, north, s) {
			t.Error("the session is good where it was logged out")
		}
		if _, online := w.online(s.ID); online {
			t.Error("the session is still shown")
		}
		if !good(t, south, s) {
			t.Error("south knows of the logout by itself")
		}
		time.Sleep(time.Hour)
		if good(t, w.desk("north"), s) {
			t.Error("the session is good again after a restart")
		}
		w.cut(false)
		if good(t, south, s) {
			t.Error("the session is good elsewhere although there is a majority")
		}
		entries, err := w.ledger.Activity(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(entries, func(a fax.Activity) bool { return a.What == "logout" }); i < 0 || entries[i].Who != "Clerk" || entries[i].At != fax.At(at) {
			t.Errorf("on record: %+v", entries)
		}
	})
}

// TestDepartures: those that wait are bounded in number, and no longer remembered
// than they have to be.
func TestDepartures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, w := setUp(t)
		s := login(t, d, "clerk")
		w.cut(true)
		expires := now() + fax.Millis(time.Hour.Milliseconds())
		for i := range MaxDepartures {
			if !d.departures.add(fmt.Sprint("s", i), expires) {
				t.Fatalf("only %d fit", i)
			}
		}
		wants(t, "one too many", d.Logout(t.Context(), s), fax.Busy)
		if !good(t, d, s) {
			t.Error("a session that could not be ended has ended")
		}
		time.Sleep(time.Hour)
		if err := d.Logout(t.Context(), s); err != nil || d.departures.count() != 1 {
			t.Errorf("%v, %d wait although their tokens have expired", err, d.departures.count())
		}
		w.cut(false)
		d.departures.mu.Lock()
		d.departures.sweepLocked()
		d.departures.mu.Unlock()
		if n := d.departures.count(); n != 0 {
			t.Errorf("%d wait although the ledger knows", n)
		}
	})
}
