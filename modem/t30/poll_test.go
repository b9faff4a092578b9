package t30_test

import (
	"strings"
	"testing"

	"github.com/faxmesh/faxmesh/modem/dis"
	lt "github.com/faxmesh/faxmesh/modem/line/linetest"
	"github.com/faxmesh/faxmesh/modem/status"
	"github.com/faxmesh/faxmesh/modem/t30"
)

// Polling: the station that calls gets what the other one offers.
func TestPolling(t *testing.T) {
	all := everything()
	secret := all
	secret[dis.PWD] = 1
	fetch := func(c dis.Capabilities, p t30.Poll, offered ...int) call {
		x := call{sender: all, receiver: c, fetch: &p}
		if len(offered) > 0 {
			x.offered = pages(offered...)
		}
		return x
	}
	locked := func(c call) call { c.password = "4711"; return c }
	named := func(c call) call { c.selection = "12"; return c }
	lost := func(c call, m lt.Match) call { c.damage = lt.When(m, lt.Lose); return c }
	both := fetch(all, t30.Poll{}, 3000)
	both.pages = pages(2000, 1000)
	plainly := fetch(plain, t30.Poll{}, 3000, 2000)
	for _, c := range []struct {
		name           string
		call           call
		sent, received status.Code
		fetched        int
		golden         bool
		says           string
	}{
		{"poll", fetch(all, t30.Poll{}, 3000, 70000), status.OK, status.OK, 2, true, "DTC"},
		{"poll without ECM", plainly, status.OK, status.OK, 2, false, "MPS"},
		{"poll with password", locked(fetch(secret, t30.Poll{Password: "4711"}, 3000)), status.OK, status.OK, 1, true, "PWD (not shown)"},
		{"poll with wrong password", locked(fetch(secret, t30.Poll{Password: "4712"}, 3000)), status.PollRefused, status.WrongPassword, 0, false, ""},
		{"poll without password", locked(fetch(secret, t30.Poll{}, 3000)), status.PollRefused, status.WrongPassword, 0, false, ""},
		{"poll by selection", named(fetch(secret, t30.Poll{Selection: "12"}, 3000)), status.OK, status.OK, 1, true, "SEP"},
		{"poll for another selection", named(fetch(secret, t30.Poll{Selection: "13"}, 3000)), status.PollRefused, status.WrongSelection, 0, false, ""},
		{"poll without selection", named(fetch(secret, t30.Poll{}, 3000)), status.PollRefused, status.NothingOffered, 0, false, ""},
		{"poll for a selection that is not known", fetch(secret, t30.Poll{Selection: "12"}, 3000), status.OK, status.OK, 1, false, ""},
		{"nothing to poll", fetch(all, t30.Poll{}), status.NothingToPoll, status.SenderLeft, 0, false, ""},
		{"send then poll", both, status.OK, status.OK, 1, true, "EOM"},
		{"DTC lost", lost(fetch(all, t30.Poll{}, 3000), sender(t30.DTC, 1)), status.OK, status.OK, 1, false, ""},
		{"DCS to DTC lost", lost(fetch(all, t30.Poll{}, 3000), receiver(t30.DCS, 1)), status.OK, status.OK, 1, false, ""},
		{"last MCF lost", lost(plainly, sender(t30.MCF, 2)), status.OK, status.OK, 2, false, ""},
		{"no answer to DTC", lost(fetch(all, t30.Poll{}, 3000), sender(t30.DTC)), status.SenderLeft, status.NoCommand, 0, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := c.call.run(t)
			text := "caller\n" + out.sent.Transcript + "called\n" + out.received.Transcript
			if out.sent.Status != c.sent || out.received.Status != c.received {
				t.Errorf("ended %v and %v, want %v and %v", out.sent.Status, out.received.Status, c.sent, c.received)
			}
			same(t, out.fetched, c.call.offered[:c.fetched])
			if len(out.handed) != c.fetched {
				t.Errorf("pages %v confirmed, want %d", out.handed, c.fetched)
			}
			same(t, out.stored, c.call.pages)
			if !strings.Contains(text, c.says) {
				t.Errorf("transcript lacks %q", c.says)
			}
			if c.golden {
				golden(t, c.name, text)
			}
			if t.Failed() {
				t.Log(text)
			}
		})
	}
}

// What goes with a document besides its pages goes only to those who take it.
func TestSubaddress(t *testing.T) {
	takes := everything()
	takes[dis.SUB], takes[dis.PWD] = 1, 1
	for name, c := range map[string]struct {
		receiver dis.Capabilities
		sub, sid string
	}{
		"taken":     {takes, "123#4", "desk 7"},
		"not taken": {everything(), "", ""},
	} {
		x := call{sender: everything(), receiver: c.receiver, pages: pages(2000), subaddress: "123#4", senderID: "desk 7"}
		out := x.run(t)
		if out.received.Subaddress != c.sub || out.received.SenderID != c.sid || out.received.Status != status.OK {
			t.Errorf("%s: %q, %q, %v", name, out.received.Subaddress, out.received.SenderID, out.received.Status)
		}
		if strings.Contains(out.sent.Transcript+out.received.Transcript, "desk 7") {
			t.Errorf("%s: a password is in the transcript", name)
		}
	}
}
